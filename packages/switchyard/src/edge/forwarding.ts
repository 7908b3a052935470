// What a proxy in front of us says of its client, in Forwarded (RFC 7239) and X-Forwarded-*: believed when it comes from an
// address that is trusted, taken out of the request when it does not.
//
// An application that reads these fields would otherwise believe whoever writes them: a client could name any address as
// its own, or say that it came by TLS. Of a trusted proxy the application sees the fields unchanged.

import type { IncomingMessage } from "node:http";
import { BlockList, isIP, type Socket } from "node:net";

const client = Symbol("client");
const isTrustedPeer = Symbol("isTrustedPeer");

interface Forwarded extends IncomingMessage {
  [client]?: string;
}

interface Judged extends Socket {
  [isTrustedPeer]?: boolean;
}

export class TrustedProxies {
  readonly #addresses = new BlockList();
  readonly #trustsAll: boolean;
  readonly #trustsUnix: boolean;

  /** @param list addresses, ranges (10.0.0.0/8), `unix` for whoever comes by a UNIX socket, `all`. Each must be right. */
  constructor(list: readonly string[]) {
    this.#trustsAll = list.includes("all");
    this.#trustsUnix = list.includes("unix");
    for (const each of list) this.#add(each);
  }

  /** Whether an address is trusted; undefined is the address of a UNIX socket. */
  trusts(address: string | undefined): boolean {
    if (this.#trustsAll) return true;
    if (address === undefined) return this.#trustsUnix;
    const plain = withoutMapping(address);
    const family = isIP(plain);
    return family !== 0 && this.#addresses.check(plain, family === 6 ? "ipv6" : "ipv4");
  }

  #add(entry: string): void {
    const [address = "", bits] = entry.split("/", 2);
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (isIP(address) === 0) return;
    if (bits === undefined) this.#addresses.addAddress(address, family);
    else this.#addresses.addSubnet(address, Number(bits), family);
  }
}

/**
 * Takes the fields out of a request whose peer is not trusted, and notes the client that a trusted one names.
 *
 * @returns the name of a field that was taken out, or null.
 */
export function settleForwarding(request: IncomingMessage, proxies: TrustedProxies): string | null {
  const socket: Judged = request.socket;
  socket[isTrustedPeer] ??= proxies.trusts(socket.remoteAddress);
  if (!socket[isTrustedPeer]) return removeForwarding(request);
  const named = namedClient(request, proxies);
  if (named !== null) (request as Forwarded)[client] = named;
  return null;
}

/** What to tell a person whose proxy is not believed. */
export function untrustedProxyText(peer: string, header: string): string {
  return (
    `The header ${header} came from ${peer}, which is not a trusted proxy, and was taken out of the request; so it will ` +
    `be from now on. If that is your proxy, list its address with --trust-proxy.`
  );
}

/** The client that a trusted proxy named, or undefined. */
export function forwardedClient(request: IncomingMessage): string | undefined {
  return (request as Forwarded)[client];
}

/** The client's address as the access log has it. */
export function remoteOf(request: IncomingMessage): string | undefined {
  return forwardedClient(request) ?? request.socket.remoteAddress;
}

/** Notes for one request object what is known of another that stands for the same request. */
export function copyForwarding(from: IncomingMessage, to: IncomingMessage): void {
  const named = forwardedClient(from);
  if (named !== undefined) (to as Forwarded)[client] = named;
}

function isForwarding(name: string): boolean {
  return name === "forwarded" || name === "x-real-ip" || name.startsWith("x-forwarded-");
}

function removeForwarding(request: IncomingMessage): string | null {
  const { rawHeaders } = request;
  let removed: string | null = null;
  for (let at = rawHeaders.length - 2; at >= 0; at -= 2) {
    const name = rawHeaders[at]!;
    // Most fields are told apart by their first letter.
    const first = name.charCodeAt(0) | 0x20;
    if (first !== letterF && first !== letterX) continue;
    const lower = name.toLowerCase();
    if (!isForwarding(lower)) continue;
    rawHeaders.splice(at, 2);
    delete request.headers[lower];
    removed = lower;
  }
  return removed;
}

const letterF = 0x66;
const letterX = 0x78;

/**
 * The address nearest to us that is not a trusted proxy's. Whoever appends to the list writes at its end, so from there on
 * back each entry is as good as the one after it is trusted. Null when nothing is named.
 */
function namedClient({ headers }: IncomingMessage, proxies: TrustedProxies): string | null {
  const list = headers["x-forwarded-for"];
  if (list === undefined && headers.forwarded === undefined) return null;
  const hops = list === undefined ? forwardedFor(headers.forwarded!) : [list].flat().join(",").split(",");
  let nearest: string | null = null;
  for (const hop of hops.reverse()) {
    const address = addressOf(hop.trim());
    // What is no address ("unknown", "_hidden", nonsense) leads no further.
    if (address === null) return nearest;
    nearest = address;
    if (!proxies.trusts(address)) return address;
  }
  return nearest;
}

/** The `for` of each element of a Forwarded header (RFC 7239 §4). */
function forwardedFor(header: string): string[] {
  return Array.from(
    header.matchAll(/(?:^|[;,])\s*for=(?:"([^"]*)"|([^;,\s]*))/gi),
    ([, quoted, plain]) => quoted ?? plain!,
  );
}

/** The address without its port: 192.0.2.1:80, [2001:db8::1]:80, 2001:db8::1; null for anything else. */
function addressOf(text: string): string | null {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1];
  const bare = bracketed ?? (/^[\d.]+:\d+$/.test(text) ? text.slice(0, text.indexOf(":")) : text);
  return isIP(bare) === 0 ? null : withoutMapping(bare);
}

/** An IPv4 address that is written as IPv6 (RFC 4291 §2.5.5.2), as a socket of both families has it. */
function withoutMapping(address: string): string {
  return address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}
