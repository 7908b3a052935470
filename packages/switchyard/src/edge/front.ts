// A client's request and the answer to it, read and written as plain data: the client's side of an exchange. The same for
// HTTP/1.1 and HTTP/2, whose response objects have the same methods but take headers differently.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Endpoint, RequestHead, ResponseHead } from "../ipc/messages.ts";

export function headOf(request: IncomingMessage): RequestHead {
  return {
    method: request.method ?? "GET",
    url: request.url ?? "/",
    httpVersion: request.httpVersion,
    rawHeaders: request.httpVersionMajor >= 2 ? http1Fields(request) : request.rawHeaders,
    endpoint: endpointOf(request.socket),
  };
}

export function endpointOf(socket: Socket | undefined): Endpoint {
  return {
    remoteAddress: socket?.remoteAddress,
    remotePort: socket?.remotePort,
    remoteFamily: socket?.remoteFamily,
    localAddress: socket?.localAddress,
    localPort: socket?.localPort,
    encrypted: socket !== undefined && "encrypted" in socket && socket.encrypted === true,
  };
}

/** Writes a head as the application gave it. */
export function writeHead(response: ServerResponse, head: ResponseHead): void {
  if (response.req.httpVersionMajor >= 2) {
    writeHttp2Head(response, head);
    return;
  }
  const rawHeaders = head.close ? [...head.rawHeaders, "Connection", "close"] : head.rawHeaders;
  response.writeHead(head.status, head.statusMessage, rawHeaders);
}

/** HTTP/2 wants each field once, with its values in a list, and has no reason phrase. */
function writeHttp2Head(response: ServerResponse, head: ResponseHead): void {
  const fields = new Map<string, string | string[]>();
  for (let i = 0; i < head.rawHeaders.length; i += 2) {
    const name = head.rawHeaders[i]!.toLowerCase();
    const value = head.rawHeaders[i + 1]!;
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : [before, value].flat());
  }
  for (const [name, value] of fields) response.setHeader(name, value);
  response.writeHead(head.status);
}

/** Pseudo-headers become what HTTP/1.1 has in their place: `:authority` is Host (RFC 9113 §8.3.1). */
function http1Fields(request: IncomingMessage): string[] {
  const fields: string[] = [];
  let hasHost = false;
  let authority: string | null = null;
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i]!;
    const value = request.rawHeaders[i + 1]!;
    if (name === ":authority") authority = value;
    if (name === "host") hasHost = true;
    if (!name.startsWith(":")) fields.push(name, value);
  }
  if (authority !== null && !hasHost) fields.unshift("host", authority);
  return fields;
}
