// Every option of `switchyard serve`, once.
//
// A record says an option's flag, its key in the config file (which is its name in ServeSettings), the kind of value it
// takes, its default and its prose. The command line's parser, the config file's check, `serve --help` and docs/options.md
// are all made from these records, so an option that is not here does not exist, and one that is here is documented.

import { faultOfLanes, laneFromText, laneText } from "./lane-options.ts";
import type { AccessLogFormat, LogLevel, Model, ServeSettings, UserLane } from "./settings.ts";
import {
  addresses,
  bytes,
  choice,
  duration,
  fileMode,
  type Kind,
  optional,
  orOff,
  path,
  port,
  structured,
  text,
  toggle,
  wholeNumber,
  wholeNumberOr,
} from "./values.ts";

export type OptionKey = Exclude<keyof ServeSettings, "app">;

export type OptionGroup =
  | "Workers"
  | "Recycling"
  | "Listening"
  | "Limits"
  | "Starting and stopping"
  | "Logs"
  | "Command";

export interface OptionRecord<Key extends OptionKey = OptionKey> {
  /** The flag without its dashes. */
  readonly flag: string;
  readonly group: OptionGroup;
  readonly kind: Kind<ServeSettings[Key]>;
  readonly default: ServeSettings[Key];
  /** Said instead of the default's value, where that alone would mislead. */
  readonly defaultProse?: string;
  /** What it does, in one or two whole sentences. */
  readonly prose: string;
  /** The environment variable that is read when neither a flag nor the config file sets it. */
  readonly env?: string;
  /** A flag that turns it off, without its dashes. The value is then null. */
  readonly offFlag?: string;
  /** Each time the flag is given adds to a list. */
  readonly repeats?: boolean;
}

/** A flag of the command itself, which is no part of the settings and has no key in the config file. */
export interface CommandFlag {
  readonly flag: string;
  readonly short?: string;
  readonly placeholder: string;
  readonly prose: string;
}

const models: readonly Model[] = ["auto", "sync", "async", "hybrid", "greenlet"];
const logLevels: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error", "silent"];
const accessLogFormats: readonly AccessLogFormat[] = ["json", "common", "combined"];

export const optionRecords: { readonly [Key in OptionKey]: OptionRecord<Key> } = {
  model: {
    flag: "model",
    group: "Workers",
    kind: choice(models),
    default: "auto",
    prose:
      "How a worker runs requests: sync, one at a time; async, a task for each on one event loop; hybrid, an event loop " +
      "for each CPU; auto, the same, and routes that hold an event loop are moved to sync workers; greenlet, a greenlet " +
      "for each on an event loop.",
  },
  workers: {
    flag: "workers",
    group: "Workers",
    kind: wholeNumberOr("auto", { min: 1, max: 1024 }),
    default: "auto",
    prose:
      "How many processes run the application. auto follows the CPUs that this process may use (its affinity and its " +
      "cgroup's quota): one for each under auto, hybrid and greenlet, 1 under async, twice as many and one more under sync; " +
      "with --threads it is 1.",
  },
  threads: {
    flag: "threads",
    group: "Workers",
    kind: wholeNumber({ min: 0, max: 1024 }),
    default: 0,
    prose: "How many workers each process runs as threads. 0 makes each process itself one worker.",
  },
  preemptMs: {
    flag: "preempt",
    group: "Workers",
    kind: duration({ minMs: 0 }),
    default: 0,
    prose:
      "How long a request may compute under model greenlet, the server's or a lane's, before the others get their turn, 2ms to 10ms for instance. It " +
      "goes on after them, so what requests share may change at any moment, not only where they wait. 0 lets each run " +
      "until it waits.",
  },
  lanes: {
    flag: "lane",
    group: "Workers",
    kind: structured<readonly UserLane[]>({
      placeholder: "<lane>",
      allowed: "a pattern and a model, such as /reports/**=sync:2, /api/*=greenlet or GET,POST /slow=sync:1-4; or none",
      allowedInConfig: "a list of lanes (below)",
      faultOf: faultOfLanes,
      fromText: (given) => (given === "none" ? [] : [laneFromText(given)]),
      toText: (lanes) => (lanes.length === 0 ? "none" : lanes.map(laneText).join(" ")),
    }),
    default: [],
    repeats: true,
    prose:
      "Runs the requests that match a pattern in another way than the rest: a model, and after a colon how many workers " +
      "of its own. May be given many times; the first lane that matches takes a request. Lanes given by flags replace " +
      "those of the config file, which can say more of each (docs/lanes.md).",
  },

  autoThresholdMs: {
    flag: "auto-threshold",
    group: "Workers",
    kind: duration({ minMs: 1 }),
    default: 20,
    prose:
      "Under model auto: how long a request may hold an event loop without a break before that counts. A route that does so " +
      "several times is moved to sync workers.",
  },

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

  queueLimit: {
    flag: "queue-limit",
    group: "Limits",
    kind: wholeNumber({ min: 0, max: 1_000_000 }),
    default: 1024,
    prose: "How many requests may wait for a sync worker. One more is answered 503 with Retry-After, and counted.",
  },
  queueTimeoutMs: {
    flag: "queue-timeout",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 30_000,
    prose:
      "How long a request may wait for a sync worker. After that it is answered 503 with Retry-After, and counted; 0 sets " +
      "no limit.",
  },
  runTimeoutMs: {
    flag: "run-timeout",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 60_000,
    prose:
      "How long a request may be in a sync worker. After that it is answered 504 and the worker is replaced. With --preempt, " +
      "how long a request of model greenlet may compute without waiting; it is ended then and answered 504, and its worker " +
      "goes on. 0 sets no limit.",
  },
  blockedThresholdMs: {
    flag: "blocked-threshold",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 500,
    prose:
      "How long code may hold an event loop before the log says which request and which line does, while it still does. " +
      "A sync worker, which may hold its own, is told of when it is near --run-timeout. 0 watches nothing.",
  },
  headersTimeoutMs: {
    flag: "headers-timeout",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 10_000,
    prose:
      "How long a client may take to send a request's headers, never longer than --request-timeout. After that it is answered 408; 0 sets no limit.",
  },
  tlsHandshakeTimeoutMs: {
    flag: "tls-handshake-timeout",
    group: "Limits",
    kind: duration({ minMs: 1 }),
    default: 10_000,
    prose: "How long a client may take for the TLS handshake. After that its connection is closed.",
  },
  requestTimeoutMs: {
    flag: "request-timeout",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 300_000,
    prose:
      "How long a client may take to send a whole request, body included. After that it is answered 408; 0 sets no limit.",
  },
  keepAliveTimeoutMs: {
    flag: "keep-alive-timeout",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 5_000,
    prose: "How long a connection stays open with no request on it. 0 sets no limit.",
  },
  maxHeaderBytes: {
    flag: "max-header-bytes",
    group: "Limits",
    kind: bytes({ min: 1024, max: 16 * 1024 ** 2 }),
    default: 16_384,
    prose: "How large a request's line and headers may be together. A larger one is answered 431.",
  },
  bodyLimitBytes: {
    flag: "body-limit",
    group: "Limits",
    kind: bytes({ min: 0, max: 1024 ** 5 }),
    default: 1024 ** 3,
    prose: "How large a request's body may be. A larger one is answered 413; 0 refuses every body.",
  },

  startTimeoutMs: {
    flag: "start-timeout",
    group: "Starting and stopping",
    kind: duration({ minMs: 1 }),
    default: 30_000,
    prose: "How long a worker may take until its application serves. After that the server ends with SY_APP_SLOW.",
  },
  drainTimeoutMs: {
    flag: "drain-timeout",
    group: "Starting and stopping",
    kind: duration({ minMs: 0 }),
    default: 30_000,
    prose: "How long requests in flight have to finish once the server is told to stop. 0 stops at once.",
  },

  lameDuckMs: {
    flag: "lame-duck",
    group: "Starting and stopping",
    kind: duration({ minMs: 0 }),
    default: 0,
    prose:
      "How long the server goes on to serve after SIGTERM, with /readyz at 503, before it drains: time for a load " +
      "balancer to send its clients elsewhere.",
  },
  pidFile: {
    flag: "pid-file",
    group: "Starting and stopping",
    kind: optional(path({ allowed: "the path of a file" })),
    default: null,
    prose: "A file for the number of the server's process, as long as it runs.",
  },

  maxRequests: {
    flag: "max-requests",
    group: "Recycling",
    kind: wholeNumber({ min: 0, max: 1_000_000_000 }),
    default: 0,
    prose:
      "After how many requests a worker is replaced, when its successor is ready and never two at once. Each worker's " +
      "own number is up to a fifth lower, at random. 0 is never.",
  },
  maxLifetimeMs: {
    flag: "max-lifetime",
    group: "Recycling",
    kind: duration({ minMs: 0 }),
    default: 0,
    prose: "After what time a worker is replaced likewise, each worker's own up to a fifth shorter. 0 is never.",
  },
  memoryLimitBytes: {
    flag: "memory-limit",
    group: "Recycling",
    kind: bytes({ min: 0, max: 1024 ** 5 }),
    default: 0,
    prose:
      "Above how much resident memory a worker's process is replaced likewise; workers that are threads of the " +
      "balancer's own process have no such limit. 0 is none.",
  },
  heapLimitBytes: {
    flag: "heap-limit",
    group: "Recycling",
    kind: bytes({ min: 0, max: 1024 ** 5 }),
    default: 0,
    prose:
      "Above how much used JavaScript heap, garbage that is not collected yet included, a worker is replaced likewise. 0 is none.",
  },

  logLevel: {
    flag: "log-level",
    group: "Logs",
    kind: choice(logLevels),
    default: "info",
    prose: "The least important log lines that are written. Access lines do not depend on it.",
  },
  accessLog: {
    flag: "access-log",
    offFlag: "no-access-log",
    group: "Logs",
    kind: orOff(choice(accessLogFormats)),
    default: "json",
    prose:
      "The form of the line that each request gets: json with all that is known of it, or the Common or Combined Log " +
      "Format. On a terminal, json is shown as a short readable line.",
  },
  logFile: {
    flag: "log-file",
    group: "Logs",
    kind: optional(path({ allowed: "the path of a file" })),
    default: null,
    defaultProse: "stdout",
    prose:
      "A file for Switchyard's own log lines. Each process appends to it by itself, and opens it again on SIGUSR1. " +
      "What the application prints stays on stdout.",
  },
  accessLogFile: {
    flag: "access-log-file",
    group: "Logs",
    kind: optional(path({ allowed: "the path of a file" })),
    default: null,
    defaultProse: "stdout",
    prose: "A file for the access lines, likewise.",
  },
  verbose: {
    flag: "verbose",
    group: "Logs",
    kind: toggle(),
    default: false,
    prose: "Adds stack traces to errors.",
  },
};

export const commandFlags = {
  config: {
    flag: "config",
    placeholder: "<file>",
    prose:
      "The config file. Without it, switchyard.config.ts, .mts, .js or .mjs in the current folder is used when there is one.",
  },
  help: { flag: "help", short: "h", placeholder: "", prose: "Prints this." },
} as const satisfies Record<string, CommandFlag>;

/** Every option with its key, in the order of the help. */
export function eachOption(): { key: OptionKey; record: OptionRecord }[] {
  // Object.entries forgets the keys' type; optionRecords has exactly the keys of OptionKey. A record of one key is read
  // here as a record of any, which holds for everything but passing `kind` a value of another option.
  return Object.entries(optionRecords).map(([key, record]) => ({
    key: key as OptionKey,
    record: record as unknown as OptionRecord,
  }));
}

/** "5s", "none", "auto": the default as it would be written after the flag. */
export function defaultText(record: OptionRecord): string {
  return record.defaultProse ?? record.kind.toText(record.default);
}
