// One request and its response, for an application that is reached by messages: behind a sync pool, or on an HTTP/2 stream.
//
// The application gets Node's own IncomingMessage and ServerResponse, so that every framework runs unmodified; this file
// stands where http.Server stands otherwise and does what it does for them: fills the request, feeds its body as it is
// read, and closes both when the response is finished or the client has gone. The response leaves as a head, pieces and
// trailers, read back from what ServerResponse writes (wire.ts), to an Outlet.
//
// States, and what moves them:
//
//   open ──respond() has written everything──► ended ──finish event──► closed
//     └──abort(): client gone, or the program destroyed the socket──────► closed

import type { Socket } from "node:net";
import type { Piece, RequestHead, ResponseHead } from "../ipc/messages.ts";
import { IncomingMessage, ServerResponse } from "../node-http.ts";
import { ExchangeSocket } from "./socket.ts";
import { ResponseWire } from "./wire.ts";

/** Where the response goes. */
export interface Outlet {
  interim(head: ResponseHead): void;
  head(head: ResponseHead): void;
  /** @returns whether more may come at once; otherwise `Exchange.resume()` is called when it may. */
  body(piece: Piece): boolean;
  end(rawTrailers: string[]): void;
  /** A whole response whose body is one piece: instead of `head`, `body` and `end`. */
  answer(head: ResponseHead, piece: Piece): void;
  /** The program ended the connection before its response was complete. */
  broken(): void;
  /** The program wants to read the body: the next piece may be sent. Called again after each `pushBody` that returned false. */
  want(): void;
  /** Response and request are over, whichever way: the last call. */
  closed(): void;
}

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #outlet: Outlet;
  readonly #socket: ExchangeSocket;
  readonly #wire: ResponseWire;
  /** What was written in this turn and is not sent yet, so that a short response can go as one message. */
  #heldHead: ResponseHead | null = null;
  #heldPieces: Piece[] = [];
  #heldBytes = 0;
  #flushIsDue = false;
  /** The Outlet has no room: until `resume` the socket takes no more than its own high-water mark. */
  #isHeldBack = false;
  #rawTrailers: string[] = [];
  /** The whole response, from when it was written to when the request is over. */
  #whole: { readonly head: ResponseHead; readonly piece: Piece } | null = null;
  #blockedWrite: (() => void) | null = null;
  #responseIs: "open" | "ended" | "closed" = "open";
  #requestIsOver = false;

  constructor(head: RequestHead, hasBody: boolean, outlet: Outlet) {
    this.#outlet = outlet;
    this.#socket = new ExchangeSocket(head.endpoint, {
      onWrite: (data, encoding, done) => this.#onWrite(data, encoding, done),
      onWant: () => {
        if (!this.#requestIsOver) this.#outlet.want();
      },
      onDrain: () => {
        if (this.response.writableNeedDrain) emitDrain(this.response);
      },
      onClose: () => this.#onSocketClose(),
      onTimeout: () => this.#onTimeout(),
    });
    // ExchangeSocket has all of Socket that the http module uses; the type can't say so.
    const socket = this.#socket as unknown as Socket;
    this.request = requestOf(head, socket);
    this.response = new ServerResponse(this.request);
    this.response.shouldKeepAlive = isKeptAlive(this.request);
    this.#wire = new ResponseWire({
      interim: (interim) => this.#outlet.interim(interim),
      head: (responseHead) => {
        this.#heldHead = responseHead;
      },
      body: (piece) => {
        this.#heldPieces.push(piece);
        this.#heldBytes += piece.length;
      },
      trailers: (rawTrailers) => {
        this.#rawTrailers = rawTrailers;
      },
    });
    this.response.assignSocket(socket);
    this.response.once("finish", () => this.#onFinish());
    this.#socket.tellOwner();
    if (!hasBody) this.endBody([]);
  }

  /** Gives the program a piece of the request's body. @returns whether it wants more at once. */
  pushBody(piece: Piece): boolean {
    if (this.#requestIsOver) return true;
    this.#socket.bytesRead += piece.length;
    return this.request.push(piece);
  }

  endBody(rawTrailers: string[]): void {
    if (this.#requestIsOver) return;
    this.#requestIsOver = true;
    this.request.complete = true;
    if (rawTrailers.length > 0) addFields(this.request, rawTrailers);
    this.request.push(null);
    this.#closeWhenOver();
  }

  /** More of the response may be written, after the Outlet's `body` had returned false. */
  resume(): void {
    this.#isHeldBack = false;
    const done = this.#blockedWrite;
    this.#blockedWrite = null;
    done?.();
  }

  /** The client has gone: closes request and response as http.Server does. */
  abort(): void {
    if (this.#responseIs === "closed") return;
    this.#responseIs = "closed";
    if (!this.#requestIsOver || !this.request.readableEnded) {
      this.#requestIsOver = true;
      this.request.destroy(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
    }
    this.#socket.destroy();
    this.#socket.release();
    this.#outlet.closed();
  }

  #onWrite(data: string | Uint8Array, encoding: BufferEncoding, done: () => void): void {
    if (this.#responseIs === "closed") {
      done();
      return;
    }
    if (data.length > 0) this.#wire.write(data, encoding);
    if (!this.#flushIsDue) {
      this.#flushIsDue = true;
      process.nextTick(() => this.#flush());
    }
    this.#blockedWrite = null;
    // Pieces of one turn are held, so the bound within it is the socket's own high-water mark.
    if (!this.#isHeldBack && this.#heldBytes < this.#socket.writableHighWaterMark) done();
    else this.#blockedWrite = done;
  }

  /** Sends what the program wrote in this turn; the whole response in one message when it is complete by now. */
  #flush(): void {
    this.#flushIsDue = false;
    if (this.#responseIs === "closed") return;
    const head = this.#heldHead;
    const pieces = this.#heldPieces;
    this.#heldHead = null;
    this.#heldPieces = [];
    this.#heldBytes = 0;
    const isWhole = this.response.writableEnded && this.#blockedWrite === null && this.#socket.writableLength === 0;
    if (head !== null && isWhole && pieces.length <= 1 && this.#rawTrailers.length === 0 && this.#requestIsOver) {
      this.#responseIs = "ended";
      this.#whole = { head, piece: pieces[0] ?? "" };
      return;
    }
    if (head !== null) this.#outlet.head(head);
    for (const piece of pieces) this.#isHeldBack = !this.#outlet.body(piece);
    if (!this.#isHeldBack) this.resume();
  }

  #onFinish(): void {
    if (this.#flushIsDue) this.#flush();
    if (this.#responseIs === "open") {
      this.#responseIs = "ended";
      this.#outlet.end(this.#rawTrailers);
    }
    if (this.#responseIs !== "ended") return;
    this.response.detachSocket(this.#socket as unknown as Socket);
    this.response.destroy();
    // A body that nobody reads, or nobody reads any more, is not waited for: http.Server dumps it, or leaves the
    // connection as it is, and here it would keep a worker.
    if (!this.#requestIsOver && !hasReader(this.request)) this.endBody([]);
    if (!this.request.readableDidRead) this.request.resume();
    this.#closeWhenOver();
  }

  #closeWhenOver(): void {
    if (this.#responseIs !== "ended" || !this.#requestIsOver || !this.response.writableFinished) return;
    this.#responseIs = "closed";
    this.#socket.release();
    if (this.#whole === null) this.#outlet.closed();
    else this.#outlet.answer(this.#whole.head, this.#whole.piece);
  }

  #onSocketClose(): void {
    if (this.#responseIs === "closed") return;
    if (this.#responseIs === "open") this.#outlet.broken();
    this.abort();
  }

  #onTimeout(): boolean {
    const heardByRequest = !this.request.complete && this.request.emit("timeout", this.#socket);
    return this.response.emit("timeout", this.#socket) || heardByRequest;
  }
}

function requestOf(head: RequestHead, socket: Socket): IncomingMessage {
  const request = new IncomingMessage(socket);
  request.method = head.method;
  request.url = head.url;
  request.httpVersion = head.httpVersion;
  request.httpVersionMajor = head.httpVersion.charCodeAt(0) - 48;
  request.httpVersionMinor = head.httpVersion.charCodeAt(2) - 48;
  // As the parser sets it; Node's types do not name it.
  Object.assign(request, { upgrade: false });
  addFields(request, head.rawHeaders);
  return request;
}

function hasReader(request: IncomingMessage): boolean {
  return request.listenerCount("data") > 0 || request.listenerCount("readable") > 0;
}

/** What Node's parser tells http.Server: whether the connection may be used again (RFC 9112 §9.3). */
function isKeptAlive({ headers, httpVersion }: IncomingMessage): boolean {
  const connection = headers.connection;
  if (connection === undefined) return httpVersion !== "1.0";
  const options = connection
    .toLowerCase()
    .split(",")
    .map((option) => option.trim());
  return httpVersion === "1.0" ? options.includes("keep-alive") : !options.includes("close");
}

/**
 * As http.Server's own listener of a socket's `drain`. It clears a flag that has no public name; if that stayed set,
 * `pipe` would see a response that needs to drain, and wait for a `drain` that does not come.
 */
function emitDrain(response: ServerResponse): void {
  needDrain ??= Object.getOwnPropertySymbols(response).find((symbol) => symbol.description === "kNeedDrain");
  if (needDrain !== undefined) Reflect.set(response, needDrain, false);
  response.emit("drain");
}

let needDrain: symbol | undefined;

/** Sets headers, or trailers once the request is complete, through the method that Node's own parser calls. */
function addFields(request: IncomingMessage, rawFields: string[]): void {
  // `_addHeaderLines` has kept name and meaning since Node 0.12; test/exchange checks the outcome against http.Server.
  (request as unknown as { _addHeaderLines(fields: string[], count: number): void })._addHeaderLines(
    rawFields,
    rawFields.length,
  );
}
