// A transfer is one client's request that a worker elsewhere runs: it sends the request's head and body there by messages and
// the response to the client, with backpressure both ways, and makes sure that the client gets exactly one answer whatever
// happens.
//
// Two ends close independently. The client's end: the response is complete, or the client has gone. The worker's end: the
// worker says `free`, or it is dead. `onFree` tells of that, once.

import type { IncomingMessage, ServerResponse } from "node:http";
import { byteLength, firstWindowBytes, Outstanding, Taken, windowBytes } from "../ipc/credit.ts";
import { packRequestHead, unpackResponseHead } from "../ipc/heads.ts";
import type { FromSyncWorker, Piece, ToSyncWorker } from "../ipc/messages.ts";
import { addTrailers, headOf, mayHaveBody, writeHead, writeInterim } from "./front.ts";
import { type RefusalOptions, refuse } from "./refusals.ts";

/** The longest body that is held until it is complete, in bytes: as much as may be sent of one that is queued. */
const wholeBytes = firstWindowBytes;

export interface TransferParts {
  readonly id: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly expectsContinue: boolean;
  readonly channel: { send(message: Exclude<ToSyncWorker, { type: "last" }>): void };
  /** No worker has it yet: little of its body is sent until `widen`. */
  readonly isQueued: boolean;
  /** The worker takes another request. Not called when it died. */
  readonly onFree: () => void;
}

export class Transfer {
  readonly id: number;
  readonly #parts: TransferParts;
  readonly #requestOutstanding: Outstanding;
  readonly #responseTaken = new Taken();
  /** Bytes of the response that the client's socket has not taken yet, to be credited when it drains. */
  #undrainedBytes = 0;
  #workerIsDone = false;
  #isSent = false;
  /** Settles what is held back of the request. */
  #whenClientLeaves: () => void = () => {};
  /** The worker has sent its whole answer. The client may have got another one before: 413, 408 or 504 of our own. */
  #isAnswered = false;

  constructor(parts: TransferParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.#requestOutstanding = new Outstanding(parts.isQueued ? firstWindowBytes : windowBytes);
  }

  /** Its head is on its way, or was sent before it was given to this. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /** Sends the request on its way, unless it was sent: then the worker has its head, and it has no body. */
  start({ wasSent }: { readonly wasSent: boolean }): void {
    const { request, response } = this.#parts;
    this.#isSent = wasSent;
    if (!wasSent) {
      const hasBody = mayHaveBody(request);
      if (hasBody) this.#sendWithBody();
      else this.#sendHead({ hasBody: false });
    }
    response.once("close", () => this.abort());
  }

  /** A worker has it. */
  widen(): void {
    if (this.#requestOutstanding.widen()) this.#parts.request.resume();
  }

  receive(message: FromSyncWorker): void {
    const { response, onFree } = this.#parts;
    switch (message.type) {
      case "interim":
        if (this.#mayAnswer()) writeInterim(response, unpackResponseHead(message.head));
        return;
      case "head":
        if (this.#mayAnswer()) writeHead(response, unpackResponseHead(message.head));
        return;
      case "body":
        this.#writeBody(message.piece);
        return;
      case "bodyEnd":
        this.#isAnswered = true;
        if (isOpen(response)) {
          addTrailers(response, message.rawTrailers);
          response.end();
        }
        return;
      case "answer":
        this.#isAnswered = true;
        if (this.#mayAnswer()) {
          writeHead(response, unpackResponseHead(message.head));
          response.end(message.piece);
        }
        this.#workerIsDone = true;
        onFree();
        return;
      case "credit":
        if (this.#requestOutstanding.credited(message.bytes)) this.#parts.request.resume();
        return;
      case "broken":
        // The program destroyed the connection: so does http.Server. What it wrote before leaves at the end of this turn.
        process.nextTick(() => response.destroy());
        return;
      case "free":
        this.#workerIsDone = true;
        onFree();
        return;
    }
  }

  /** The worker can't finish it: the client gets `status` if no answer has begun, otherwise the end of its connection. */
  fail(status: number, why: string, options: RefusalOptions = {}): void {
    this.#workerIsDone = true;
    const { response } = this.#parts;
    if (isOpen(response)) refuse(response, status, why, options);
  }

  #sendHead(body: { readonly hasBody: boolean; readonly piece?: Buffer }): void {
    const { request, channel, expectsContinue } = this.#parts;
    const { hasBody, piece } = body;
    const head = packRequestHead(headOf(request));
    const isWhole = piece !== undefined;
    this.#isSent = true;
    channel.send({ type: "request", id: this.id, head, hasBody, isWhole, piece, expectsContinue, slot: null });
  }

  /** Head and body in one message where all of it comes in this turn of the loop and in one piece, as short ones mostly do. */
  #sendWithBody(): void {
    const { request, response, channel, expectsContinue, isQueued } = this.#parts;
    let isSettled = expectsContinue;
    let first: Buffer | null = null;
    const sendWhatCame = () => {
      if (isSettled || this.#workerIsDone) return;
      isSettled = true;
      this.#sendHead({ hasBody: true });
      if (first !== null) channel.send({ type: "body", id: this.id, piece: first });
    };
    if (isSettled) this.#sendHead({ hasBody: true });
    else setImmediate(sendWhatCame);
    const whenClientLeaves = () => {
      // Nobody has heard of it, and nobody is to run it. A worker that is kept for it must hear that it is over.
      if (isQueued) isSettled = true;
      else sendWhatCame();
    };
    this.#whenClientLeaves = whenClientLeaves;
    request.on("data", (chunk: Buffer) => {
      // What comes after the answer is read to reach the connection's next request, and dropped.
      if (this.#workerIsDone || response.writableFinished) return;
      if (!isSettled && first === null && chunk.length <= wholeBytes) {
        first = chunk;
      } else {
        sendWhatCame();
        channel.send({ type: "body", id: this.id, piece: chunk });
      }
      if (!this.#requestOutstanding.sent(chunk.length)) request.pause();
    });
    request.on("end", () => {
      if (!isSettled && first !== null && !this.#workerIsDone && request.rawTrailers.length === 0) {
        isSettled = true;
        this.#sendHead({ hasBody: true, piece: first });
        return;
      }
      sendWhatCame();
      channel.send({ type: "bodyEnd", id: this.id, rawTrailers: request.rawTrailers });
    });
    // A client that goes away in the middle of its body: the response's close tells of it.
    request.on("error", () => {});
  }

  #writeBody(piece: Piece): void {
    const { response } = this.#parts;
    const bytes = byteLength(piece);
    if (!isOpen(response)) return;
    if (response.write(piece)) {
      this.#credit(bytes);
      return;
    }
    if (this.#undrainedBytes === 0) {
      response.once("drain", () => {
        const drained = this.#undrainedBytes;
        this.#undrainedBytes = 0;
        this.#credit(drained);
      });
    }
    this.#undrainedBytes += bytes;
  }

  #credit(bytes: number): void {
    const credit = this.#responseTaken.add(bytes);
    if (credit > 0 && !this.#workerIsDone) this.#parts.channel.send({ type: "credit", id: this.id, bytes: credit });
  }

  /** The client has gone. */
  abort(): void {
    const { request, response, channel } = this.#parts;
    request.resume();
    this.#whenClientLeaves();
    if (this.#workerIsDone || (this.#isAnswered && response.writableFinished)) return;
    channel.send({ type: "abort", id: this.id });
  }

  #mayAnswer(): boolean {
    const { response } = this.#parts;
    return isOpen(response) && !response.headersSent;
  }
}

function isOpen(response: ServerResponse): boolean {
  return !response.destroyed && !response.writableEnded;
}
