// Options of where a server listens, for clients and for whoever watches it, and whom it believes.

import type { OptionRecords } from "./option.ts";
import { addresses, fileMode, optional, orOff, path, port, text, toggle } from "./values.ts";

export const listeningOptions = {
  host: {
    flag: "host",
    group: "Listening",
    kind: text({ placeholder: "<address>", allowed: "a host name or an IP address" }),
    default: "127.0.0.1",
    defaultProse: "127.0.0.1, or 0.0.0.0 when the port comes from the environment variable PORT",
    prose: "The address to listen on. 0.0.0.0 is every IPv4 address of the machine, :: every address.",
  },
  port: {
    flag: "port",
    group: "Listening",
    kind: port(),
    default: 3000,
    env: "PORT",
    prose: "The port to listen on. 0 takes any free one, which the first lines of the log name.",
  },
  unix: {
    flag: "unix",
    group: "Listening",
    kind: optional(path({ allowed: "the path of a UNIX socket" })),
    default: null,
    prose: "A UNIX socket to listen on instead of host and port.",
  },
  unixMode: {
    flag: "unix-mode",
    group: "Listening",
    kind: fileMode(),
    default: null,
    defaultProse: "what the umask leaves",
    prose: "The permissions of the UNIX socket: who may write to it may connect.",
  },
  user: {
    flag: "user",
    group: "Listening",
    kind: optional(text({ placeholder: "<user>", allowed: "the name or the number of a user" })),
    default: null,
    prose:
      "Whom the server becomes once it has bound its socket and read its TLS files, for which it may be started as root. " +
      "No code of the application runs before that.",
  },
  group: {
    flag: "group",
    group: "Listening",
    kind: optional(text({ placeholder: "<group>", allowed: "the name or the number of a group" })),
    default: null,
    defaultProse: "the user's own group",
    prose: "The group that the server gets with --user.",
  },
  trustProxy: {
    flag: "trust-proxy",
    group: "Listening",
    kind: addresses(["unix", "all"]),
    default: ["127.0.0.0/8", "::1", "unix"],
    prose:
      "Proxies whose Forwarded, X-Forwarded-* and X-Real-IP headers are believed: the application sees them, and access " +
      "lines have the client that they name. From anybody else these headers are taken out. unix stands for whoever " +
      "comes by a UNIX socket, all for everybody, none for nobody.",
  },
  proxyProtocol: {
    flag: "proxy-protocol",
    group: "Listening",
    kind: toggle(),
    default: false,
    prose:
      "Expects the PROXY protocol, version 1 or 2, at the start of each connection, and takes the client's address from " +
      "it. A connection without it, or from an address that --trust-proxy does not list, is closed.",
  },
  adminPort: {
    flag: "admin-port",
    group: "Listening",
    kind: orOff(port()),
    default: 0,
    defaultProse: "any free port",
    prose: "The port of the status page, health and metrics. 0 takes any free one.",
  },
  adminHost: {
    flag: "admin-host",
    group: "Listening",
    kind: text({ placeholder: "<address>", allowed: "a host name or an IP address" }),
    default: "127.0.0.1",
    prose:
      "The address that the admin port listens on. One that others than this machine can reach needs a token, with " +
      "--admin-token-file or the environment variable SWITCHYARD_ADMIN_TOKEN.",
  },
  adminTokenFile: {
    flag: "admin-token-file",
    group: "Listening",
    kind: optional(path({ allowed: "the path of a file" })),
    default: null,
    defaultProse: "the environment variable SWITCHYARD_ADMIN_TOKEN, or no token",
    prose:
      "A file with the token, of 16 characters or more, that each request to the admin port must bring, /livez and " +
      "/readyz excepted: as Authorization: Bearer, or as the password that a browser asks for. A file that every user " +
      "may read is refused.",
  },
  controlSocket: {
    flag: "control-socket",
    offFlag: "no-control-socket",
    group: "Listening",
    kind: orOff(path({ allowed: "the path of a UNIX socket" })),
    default: "auto",
    defaultProse: "one in the user's runtime folder, which the commands find from the same folder",
    prose:
      "The UNIX socket, for this user alone, over which switchyard status, reload, scale and stop reach the server.",
  },
  tlsCert: {
    flag: "tls-cert",
    group: "Listening",
    kind: optional(path({ allowed: "the path of a certificate chain in PEM form" })),
    default: null,
    prose: "The certificate chain (PEM) to serve HTTPS with, HTTP/2 beside HTTP/1.1. Needs --tls-key.",
  },
  tlsKey: {
    flag: "tls-key",
    group: "Listening",
    kind: optional(path({ allowed: "the path of a private key in PEM form" })),
    default: null,
    prose: "The private key (PEM) of the certificate. Needs --tls-cert.",
  },
} satisfies Partial<OptionRecords>;
