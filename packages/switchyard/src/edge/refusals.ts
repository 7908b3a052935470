// Answers that Switchyard gives by itself, so that a client always learns why: a status, one sentence of text, and where
// the connection can't be trusted any more, its end.

import type { Duplex } from "node:stream";
import { type ServerResponse, STATUS_CODES } from "../node-http.ts";

export interface RefusalOptions {
  /** When to come again, in seconds. */
  readonly retryAfterSeconds?: number;
  /** Leave the connection open for the next request. Default: close it. */
  readonly keepOpen?: boolean;
}

/** Answers a request that will not reach the application. Does nothing when an answer has begun, but end the connection. */
export function refuse(response: ServerResponse, status: number, why: string, options: RefusalOptions = {}): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const text = `${status} ${STATUS_CODES[status] ?? ""}\n${why}\n`;
  // A handler may have set headers for an answer that it never gave, a content length above all.
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const headers: Record<string, string | number> = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
  };
  if (options.retryAfterSeconds !== undefined) headers["Retry-After"] = options.retryAfterSeconds;
  if (options.keepOpen !== true && response.req.httpVersionMajor < 2) headers.Connection = "close";
  response.writeHead(status, headers);
  response.end(text);
}

/** Answers on a connection that has no request to answer: its bytes were not HTTP, or too many, or too slow. */
export function refuseConnection(socket: Duplex, status: number, why = whyRefused(status)): void {
  const reason = STATUS_CODES[status] ?? "";
  const text = `${status} ${reason}\n${why}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
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
