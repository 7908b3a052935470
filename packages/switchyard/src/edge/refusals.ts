// Answers that Switchyard gives by itself, so that a client always learns why: a status, one sentence of text, and where
// the connection can't be trusted any more, its end.

import type { Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import { type ServerResponse, STATUS_CODES } from "../node-http.ts";

export interface RefusalOptions {
  /** When to come again, in seconds. */
  readonly retryAfterSeconds?: number;
  /** Leave the connection open for the next request. Default: close it. */
  readonly keepOpen?: boolean;
}

/**
 * Answers a request that will not reach the application. Does nothing when an answer has begun, but end the connection.
 *
 * @returns the bytes of the answer's body.
 */
export function refuse(response: ServerResponse, status: number, why: string, options: RefusalOptions = {}): number {
  if (response.headersSent) {
    response.destroy();
    return 0;
  }
  const reason = STATUS_CODES[status] ?? "";
  const text = `${status} ${reason}\n${why}\n`;
  // A handler may have set headers for an answer that it never gave, a content length above all.
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const headers: Record<string, string | number> = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
  };
  if (options.retryAfterSeconds !== undefined) headers["Retry-After"] = options.retryAfterSeconds;
  if (options.keepOpen !== true && response.req.httpVersionMajor < 2) headers.Connection = "close";
  // The reason is named because the one of an answer that the handler had begun would stay.
  response.writeHead(status, reason, headers);
  response.end(text);
  return Buffer.byteLength(text);
}

/** Refuses a request for its head, while its body may be on its way already. */
export function refuseUnread(response: ServerResponse, status: number, why: string): number {
  const { req } = response;
  if (req.httpVersionMajor >= 2) {
    stopStream(response);
  } else {
    const { socket } = req;
    // What Node's server calls once the last response of a connection is out.
    socket.destroySoon = () => endLingering(socket);
  }
  return refuse(response, status, why);
}

/**
 * Refuses the rest of a body that an application has begun to read. The application hears what it hears of a client that
 * has left, so the answer does not pass through its response.
 *
 * @returns the bytes of the answer's body, or null when the application's own answer has begun: then the connection ends.
 */
export function refuseBody(response: ServerResponse, status: number, why: string): number | null {
  const { req } = response;
  if (response.headersSent) {
    response.destroy();
    return null;
  }
  if (req.httpVersionMajor >= 2) {
    stopStream(response);
    refuse(response, status, why);
    return 0;
  }
  return refuseConnection(req.socket, status, why);
}

/** Lets the client stop sending once its answer is complete; the answer stands (RFC 9113 §8.1). */
function stopStream(response: ServerResponse): void {
  // The types know HTTP/1.1 alone.
  const { stream } = response as unknown as Http2ServerResponse;
  stream.once("finish", () => stream.close(noError));
}

/** NO_ERROR (RFC 9113 §7). */
const noError = 0x0;

/** How long a refused client may go on sending before its connection is closed, in milliseconds. */
const lingerMs = 1_000;

/**
 * Lets a client that is still sending read why it is refused: the connection is closed for writing alone, and what comes
 * is dropped. To close it both ways while bytes come in would make the kernel reset it, and the client could lose the
 * answer (RFC 9112 §9.6). A client that never closes its own side does not keep the connection: a drain would wait for it.
 */
export function endLingering(socket: Duplex): void {
  socket.end();
  if (socket.readableEnded) {
    if (socket.writableFinished) socket.destroy();
    else socket.once("finish", () => socket.destroy());
    return;
  }
  socket.resume();
  const deadline = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("end", () => socket.destroy());
  socket.once("close", () => clearTimeout(deadline));
}

/**
 * Answers on a connection that has no request to answer: its bytes were not HTTP, or too many, or too slow.
 *
 * @returns the bytes of the answer's body.
 */
export function refuseConnection(socket: Duplex, status: number, why = whyRefused(status)): number {
  const reason = STATUS_CODES[status] ?? "";
  const text = `${status} ${reason}\n${why}\n`;
  const bytes = Buffer.byteLength(text);
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${bytes}\r\n\r\n${text}`,
  );
  endLingering(socket);
  return bytes;
}

export function whyRefused(status: number): string {
  return reasons[status] ?? "";
}

const reasons: Record<number, string | undefined> = {
  400: "The request is not valid HTTP.",
  408: "The request took too long to arrive.",
  413: "The chunk extensions are too long.",
  431: "The request's headers are too long.",
};

/** The status for an error of Node's HTTP parser or of its timeouts (RFC 9110 §15.5). */
export function statusOfClientError(error: NodeJS.ErrnoException): number {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return 431;
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return 413;
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return 408;
    default:
      return 400;
  }
}
