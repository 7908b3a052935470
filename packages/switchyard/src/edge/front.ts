// A client's request and the answer to it, read and written as plain data: the client's side of an exchange. The same for
// HTTP/1.1 and HTTP/2, whose response objects have the same methods but take headers differently.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import type { Endpoint, RequestHead, ResponseHead } from "../ipc/messages.ts";
import { refuse } from "./refusals.ts";

/** The request as HTTP/1.1, which is what applications understand. */
export function headOf(request: IncomingMessage): RequestHead {
  if (request.httpVersionMajor >= 2) return http2HeadOf(request);
  return {
    method: request.method ?? "GET",
    url: request.url ?? "/",
    httpVersion: request.httpVersion,
    rawHeaders: request.rawHeaders,
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
  // The application's response had its Date, or was told to have none.
  response.sendDate = false;
  if (response.req.httpVersionMajor >= 2) {
    writeHttp2Head(response, head);
    return;
  }
  const rawHeaders = [...head.rawHeaders];
  if (head.close) rawHeaders.push("Connection", "close");
  if (head.transferEncoding !== null) rawHeaders.push("Transfer-Encoding", head.transferEncoding);
  // Without this, Node would add its own where the application's response had neither that nor a length.
  else response.removeHeader("Transfer-Encoding");
  response.writeHead(head.status, head.statusMessage, rawHeaders);
}

/** Whether the whole answer was handed to the client's connection, asked once the response has closed. */
export function isSent(response: ServerResponse): boolean {
  if (response.req.httpVersionMajor < 2) return response.writableFinished;
  // An HTTP/2 stream that its client cancels counts as finished too. The types know HTTP/1.1 alone.
  const { stream } = response as unknown as Http2ServerResponse;
  return response.writableEnded && !stream.aborted && stream.rstCode === noError;
}

/** NO_ERROR (RFC 9113 §7). */
const noError = 0x0;

/** Writes an interim response (RFC 9110 §15.2) before the final one. */
export function writeInterim(response: ServerResponse, { status, rawHeaders }: ResponseHead): void {
  if (status === 100) {
    response.writeContinue();
  } else if (status === 103) {
    const { link, ...others } = fieldsOf(rawHeaders);
    // Node joins links with commas, and takes them back only as a list.
    if (link !== undefined) response.writeEarlyHints({ ...others, link: [link].flat().flatMap(splitLinks) });
  } else if (status === 102 && "writeProcessing" in response) {
    response.writeProcessing();
  }
}

/** Sets the trailers of a response whose head is written. */
export function addTrailers(response: ServerResponse, rawTrailers: readonly string[]): void {
  if (rawTrailers.length === 0) return;
  if (response.req.httpVersionMajor >= 2) {
    // The types know HTTP/1.1 alone; HTTP/2 takes a list where a field comes more than once.
    response.addTrailers(fieldsOf(rawTrailers) as Record<string, string>);
    return;
  }
  const pairs: [string, string][] = [];
  for (let i = 0; i < rawTrailers.length; i += 2) pairs.push([rawTrailers[i]!, rawTrailers[i + 1]!]);
  response.addTrailers(pairs);
}

/** HTTP/2 wants each field once, with its values in a list, and has no reason phrase. */
function writeHttp2Head(response: ServerResponse, head: ResponseHead): void {
  try {
    for (const [name, value] of Object.entries(fieldsOf(head.rawHeaders))) response.setHeader(name, value);
    response.writeHead(head.status);
  } catch (error) {
    // HTTP/1.1 lets an application answer what HTTP/2 has no form for: 101, or a Content-Type that comes twice.
    refuse(response, 500, `The application's answer can't be sent over HTTP/2: ${(error as Error).message}`);
  }
}

/** Fields that say something about one HTTP/1.1 connection, and that HTTP/2 forbids (RFC 9113 §8.2.2). */
const ofConnection = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);

/** Fields by name, with a list where one comes more than once, as both HTTP/2 and early hints take them. */
function fieldsOf(rawFields: readonly string[]): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = Object.create(null);
  for (let i = 0; i < rawFields.length; i += 2) {
    const name = rawFields[i]!.toLowerCase();
    if (ofConnection.has(name)) continue;
    const before = fields[name];
    fields[name] = before === undefined ? rawFields[i + 1]! : [before, rawFields[i + 1]!].flat();
  }
  return fields;
}

function splitLinks(value: string): string[] {
  return value.split(/,\s*(?=<)/);
}

/** Whether the client sends a body (RFC 9112 §6.3, RFC 9113 §8.1). */
export function mayHaveBody(request: IncomingMessage): boolean {
  // The types know HTTP/1.1 alone.
  if (request.httpVersionMajor >= 2) return !(request as unknown as Http2ServerRequest).stream.endAfterHeaders;
  const length = request.headers["content-length"];
  return request.headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}

function http2HeadOf(request: IncomingMessage): RequestHead {
  const rawHeaders = http1Fields(request);
  // By this field programs see that a body comes whose length is not known (RFC 9112 §6.3); HTTP/2 needs none.
  if (mayHaveBody(request) && request.headers["content-length"] === undefined)
    rawHeaders.push("transfer-encoding", "chunked");
  const { session } = (request as unknown as Http2ServerRequest).stream;
  return {
    method: request.method ?? "GET",
    url: request.url ?? "/",
    httpVersion: "1.1",
    rawHeaders,
    endpoint: endpointOf(session?.socket),
  };
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
