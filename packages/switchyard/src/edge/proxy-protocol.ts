// The PROXY protocol, versions 1 and 2: a line or a block of bytes that a balancer in front of us sends before anything
// else on a connection, with the address of its client. (haproxy.org/download/3.0/doc/proxy-protocol.txt)
//
// The parser is a calculation on the bytes that have come. `expectProxyHeader` puts it before a server: the server gets a
// connection once its header was read, with the client's address in place of the balancer's, and never gets one whose
// header is missing, broken, late, or from a peer that is not trusted.

import { isIP, type Server, type Socket } from "node:net";
import { interceptConnections } from "./intercept.ts";

export interface ProxiedClient {
  readonly address: string;
  readonly port: number;
  readonly family: "IPv4" | "IPv6";
}

export type ProxyHeader =
  /** More bytes are needed. */
  | { readonly is: "partial" }
  | { readonly is: "broken" }
  /** It ends after `length` bytes. No client: the balancer speaks for itself, as for a check of our health. */
  | { readonly is: "whole"; readonly length: number; readonly client: ProxiedClient | null };

const partial = { is: "partial" } as const;
const broken = { is: "broken" } as const;

/** The longest line of version 1 (section 2.1), its end included. */
const maxLineBytes = 107;
const signature = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const version1 = Buffer.from("PROXY ");
/** Signature, version and command, family, length (section 2.2). */
const fixedBytes = 16;
/** What version 2 may hold after its addresses is bounded by its own length field; more than this has no use. */
const maxBlockBytes = 4096;

export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return partial;
  if (begins(bytes, signature)) return bytes.length < fixedBytes ? partial : parseBlock(bytes);
  if (begins(bytes, version1)) return bytes.length < version1.length ? partial : parseLine(bytes);
  return broken;
}

/** Whether the bytes, as far as they have come, are those of `what`. */
function begins(bytes: Buffer, what: Buffer): boolean {
  const length = Math.min(bytes.length, what.length);
  return bytes.subarray(0, length).equals(what.subarray(0, length));
}

function parseLine(bytes: Buffer): ProxyHeader {
  const end = bytes.indexOf("\r\n");
  if (end === -1) return bytes.length < maxLineBytes ? partial : broken;
  if (end + 2 > maxLineBytes) return broken;
  const words = bytes.toString("latin1", 0, end).split(" ");
  const length = end + 2;
  if (words[1] === "UNKNOWN") return { is: "whole", length, client: null };
  const [, family, source = "", destination = "", sourcePort = "", destinationPort = ""] = words;
  const wanted = family === "TCP4" ? 4 : family === "TCP6" ? 6 : 0;
  const isRight =
    words.length === 6 &&
    wanted !== 0 &&
    isIP(source) === wanted &&
    isIP(destination) === wanted &&
    isPort(sourcePort) &&
    isPort(destinationPort);
  if (!isRight) return broken;
  return {
    is: "whole",
    length,
    client: { address: source, port: Number(sourcePort), family: wanted === 4 ? "IPv4" : "IPv6" },
  };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function parseBlock(bytes: Buffer): ProxyHeader {
  const versionAndCommand = bytes[12]!;
  const familyAndProtocol = bytes[13]!;
  const addressBytes = bytes.readUInt16BE(14);
  const length = fixedBytes + addressBytes;
  if (versionAndCommand >> 4 !== 2 || length > maxBlockBytes) return broken;
  const command = versionAndCommand & 0x0f;
  if (command > 1) return broken;
  if (bytes.length < length) return partial;
  // LOCAL, and families that have no address of the internet: the connection's own addresses stand.
  if (command === 0 || familyAndProtocol === 0x00 || familyAndProtocol >> 4 === 3)
    return { is: "whole", length, client: null };
  if (familyAndProtocol === 0x11 && addressBytes >= 12) {
    const address = [...bytes.subarray(16, 20)].join(".");
    return { is: "whole", length, client: { address, port: bytes.readUInt16BE(24), family: "IPv4" } };
  }
  if (familyAndProtocol === 0x21 && addressBytes >= 36) {
    return {
      is: "whole",
      length,
      client: { address: ipv6Of(bytes.subarray(16, 32)), port: bytes.readUInt16BE(48), family: "IPv6" },
    };
  }
  return broken;
}

function ipv6Of(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(":");
  // The URL parser writes addresses in their one short form (RFC 5952).
  return new URL(`http://[${groups}]/`).hostname.slice(1, -1);
}

export interface ProxyOptions {
  readonly trusts: (address: string | undefined) => boolean;
  /** How long the header may take, in milliseconds; 0: any time. */
  readonly timeoutMs: number;
  /** A connection was closed: its header did not fit, or did not come, or its peer is not trusted. */
  readonly onRefused: (socket: Socket) => void;
}

/**
 * Lets a server have each connection only after its PROXY header. Before the server listens.
 *
 * @returns what closes the connections whose header has not come yet.
 */
export function expectProxyHeader(server: Server, options: ProxyOptions): () => void {
  const clients = new Map<string, ProxiedClient>();
  const unread = new Set<Socket>();
  const begin = interceptConnections(server, (socket) => {
    unread.add(socket);
    socket.once("close", () => unread.delete(socket));
    readHeader(socket, options, (client) => {
      unread.delete(socket);
      if (client !== null) claim(socket, client, clients);
      begin(socket);
    });
  });
  // A connection with TLS is another object, that has the addresses of the same two ends.
  server.on("secureConnection", (socket: Socket) => {
    const client = clients.get(endsOf(socket));
    if (client !== undefined) showAs(socket, client);
  });
  return () => {
    for (const socket of unread) socket.destroy();
  };
}

function readHeader(socket: Socket, options: ProxyOptions, whenRead: (client: ProxiedClient | null) => void): void {
  const refuse = () => {
    options.onRefused(socket);
    socket.destroy();
  };
  socket.on("error", ignore);
  if (!options.trusts(socket.remoteAddress)) {
    refuse();
    return;
  }
  const timer = options.timeoutMs === 0 ? null : setTimeout(refuse, options.timeoutMs);
  const end = () => {
    if (timer !== null) clearTimeout(timer);
    socket.off("readable", onReadable);
    socket.off("close", end);
  };
  let read: Buffer = Buffer.alloc(0);
  const onReadable = () => {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read())
      read = Buffer.concat([read, chunk]);
    const header = parseProxyHeader(read);
    if (header.is === "partial" && !socket.readableEnded) return;
    end();
    if (header.is !== "whole") {
      refuse();
      return;
    }
    socket.off("error", ignore);
    if (read.length > header.length) socket.unshift(read.subarray(header.length));
    whenRead(header.client);
  };
  socket.on("readable", onReadable);
  socket.once("close", end);
}

/** A client that resets its connection before it was handed on has nobody to tell. */
function ignore(): void {}

function claim(socket: Socket, client: ProxiedClient, clients: Map<string, ProxiedClient>): void {
  const ends = endsOf(socket);
  clients.set(ends, client);
  socket.once("close", () => clients.delete(ends));
  showAs(socket, client);
}

/** The two ends of the connection as the kernel has them: no other open connection has the same. */
function endsOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}

function showAs(socket: Socket, { address, port, family }: ProxiedClient): void {
  Object.defineProperties(socket, {
    remoteAddress: { value: address, configurable: true },
    remotePort: { value: port, configurable: true },
    remoteFamily: { value: family, configurable: true },
  });
}
