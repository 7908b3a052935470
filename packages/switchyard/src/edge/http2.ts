// HTTP/2 for applications that were written for HTTP/1.1.
//
// Node's HTTP/2 request and response objects resemble IncomingMessage and ServerResponse but are not of their classes, and
// Express, among others, does not run on them. So the application gets an Exchange, and what it answers is written to the
// HTTP/2 stream. (RFC 9113 §8.2.2: fields of one connection do not travel.)

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Exchange } from "../exchange/exchange.ts";
import { arrivedOver } from "./account.ts";
import { copyForwarding } from "./forwarding.ts";
import { addTrailers, headOf, mayHaveBody, writeHead, writeInterim } from "./front.ts";
import type { RequestListener } from "./listener.ts";

/** Serves an HTTP/2 request through `serve`, which sees an HTTP/1.1 request. */
export function overHttp2(request: IncomingMessage, response: ServerResponse, serve: RequestListener): void {
  // Under HTTP/2 Node's server passes its compatibility objects to the same listener.
  const incoming = request as unknown as Http2ServerRequest;
  const outgoing = response as unknown as Http2ServerResponse;
  const hasBody = mayHaveBody(request);

  const exchange = new Exchange(headOf(request), hasBody, {
    interim: (interim) => writeInterim(response, interim),
    head: (answer) => {
      if (!outgoing.writableEnded) writeHead(response, answer);
    },
    // A refusal of the request's body may have ended the response before the application does.
    body: (piece) => outgoing.writableEnded || outgoing.write(piece),
    end: (rawTrailers) => {
      if (outgoing.writableEnded) return;
      addTrailers(response, rawTrailers);
      outgoing.end();
    },
    answer: (answer, piece) => {
      if (outgoing.writableEnded) return;
      writeHead(response, answer);
      outgoing.end(piece);
    },
    broken: () => outgoing.stream.close(internalError),
    want: () => incoming.resume(),
    closed: () => {},
  });

  arrivedOver(exchange.request, request.httpVersion);
  copyForwarding(request, exchange.request);
  outgoing.on("drain", () => exchange.resume());
  outgoing.on("close", () => exchange.abort());
  if (hasBody) {
    incoming.on("data", (chunk: Buffer) => {
      if (!exchange.pushBody(chunk)) incoming.pause();
    });
    incoming.on("end", () => exchange.endBody(incoming.rawTrailers));
  }
  serve(exchange.request, exchange.response);
}

/** INTERNAL_ERROR (RFC 9113 §7). */
const internalError = 0x2;
