// The desk of a worker that is reached by messages: the requests that it has, from the channel to the application and back.
// A sync worker has one at a time; how many another has is the balancer's to decide.
//
// It says `free` when the worker may get another in a request's place: the response is complete and the request's body is
// over. When the client hung up, the handler may still be at work, so the place is free once the handler ends its response
// or its promise settles, or after a moment's grace, since many handlers do neither once they hear `close`.

import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage } from "node:http";
import { nowMs } from "../../clock.ts";
import { IdTable } from "../../collections/id-table.ts";
import type { RequestListener } from "../../edge/listener.ts";
import { Exchange, type Outlet } from "../../exchange/exchange.ts";
import type { Channel } from "../../ipc/channel.ts";
import { byteLength, Outstanding, Taken } from "../../ipc/credit.ts";
import { packResponseHead, unpackRequestHead } from "../../ipc/heads.ts";
import type { FromSyncWorker, Piece, ToSyncWorker } from "../../ipc/messages.ts";
import type { Claims } from "../claims.ts";

export interface DeskParts {
  readonly channel: Channel<FromSyncWorker, ToSyncWorker>;
  /** How requests that are sent ahead are claimed; null where none is. */
  readonly claims: Claims | null;
  /** Runs the application for a request. */
  readonly run: RequestListener;
  /** The same for one whose client waits for 100 Continue. */
  readonly runExpectingContinue: RequestListener;
}

type NewRequest = Extract<ToSyncWorker, { type: "request" }>;

interface Current {
  readonly id: number;
  readonly begunAtMs: number;
  readonly exchange: Exchange;
  readonly responseOutstanding: Outstanding;
  readonly requestTaken: Taken;
  /** Bytes of the body that the application has not asked for more after. */
  heldCredit: number;
  isAborted: boolean;
  /** The promise that the handler returned has settled. */
  hasSettled: boolean;
}

const heldBy = Symbol("heldBy");

/** A field and no WeakMap: V8 looks through the whole of one at each collection of young objects. */
interface Held extends IncomingMessage {
  [heldBy]?: Current;
}

/** How long a worker waits for a handler whose client has gone, in milliseconds. */
const abortGraceMs = 1_000;

/**
 * How long an answer may lie unheard while the worker goes on to the next request, in milliseconds: a wake takes about a
 * third of that from both sides.
 */
const quietForMs = 0.1;

export class RequestDesk {
  readonly #parts: DeskParts;
  readonly #current = new IdTable<Current>();
  /** Sent ahead, and not begun: each may still be taken back. */
  readonly #ahead: NewRequest[] = [];
  readonly #beginNext: () => void;
  /** The balancer has said that no request comes any more. */
  readonly #last = Promise.withResolvers<void>();
  #whenIdle: (() => void) | null = null;
  /** Since when there has been an answer that the balancer was not woken for; null: none. */
  #quietSinceMs: number | null = null;

  constructor(parts: DeskParts) {
    this.#parts = parts;
    // In the context of no request: what one has put in an AsyncLocalStorage must not be the next one's.
    const outsideRequests = AsyncLocalStorage.snapshot();
    this.#beginNext = () => outsideRequests(() => this.#beginAhead());
    parts.channel.onMessage = (message) => this.#receive(message);
    // The balancer is gone: there is nobody to answer to.
    parts.channel.onClose = () => process.exit(0);
  }

  /**
   * Resolves when the worker has no request and none is on its way: one may have been given to it before it was told to
   * stop, and still be in the channel.
   */
  async finish(): Promise<void> {
    await this.#last.promise;
    if (this.#current.size === 0 && this.#ahead.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  #receive(message: ToSyncWorker): void {
    if (message.type === "last") {
      this.#last.resolve();
      return;
    }
    if (message.type === "request") {
      if (message.slot === null) this.#begin(message);
      else this.#ahead.push(message);
      if (this.#current.size === 0) this.#beginAhead();
      return;
    }
    const current = this.#current.get(message.id);
    if (current === undefined) return;
    switch (message.type) {
      case "body":
        this.#pushBody(current, message.piece);
        return;
      case "bodyEnd":
        current.exchange.endBody(message.rawTrailers);
        return;
      case "credit":
        if (current.responseOutstanding.credited(message.bytes)) current.exchange.resume();
        return;
      case "abort":
        current.isAborted = true;
        current.exchange.abort();
        return;
    }
  }

  /** Begins the first that was not taken back, if the worker has no other. */
  #beginAhead(): void {
    while (this.#current.size === 0) {
      const next = this.#ahead.shift();
      if (next === undefined) {
        this.#wakeBalancer();
        this.#whenIdle?.();
        return;
      }
      if (this.#parts.claims?.take(next.slot ?? 0, next.id) === true) this.#begin(next);
    }
  }

  #begin(message: NewRequest): void {
    const { id } = message;
    const exchange = new Exchange(unpackRequestHead(message.head), message.hasBody, this.#outletFor(id));
    const current: Current = {
      id,
      begunAtMs: nowMs(),
      exchange,
      responseOutstanding: new Outstanding(),
      requestTaken: new Taken(),
      heldCredit: 0,
      isAborted: false,
      hasSettled: false,
    };
    this.#current.set(id, current);
    (exchange.request as Held)[heldBy] = current;
    const { run, runExpectingContinue } = this.#parts;
    if (message.expectsContinue) runExpectingContinue(exchange.request, exchange.response);
    else run(exchange.request, exchange.response);
    if (!message.isWhole || this.#current.get(id) !== current) return;
    this.#pushBody(current, message.piece ?? "");
    exchange.endBody([]);
  }

  #outletFor(id: number): Outlet {
    const { channel } = this.#parts;
    return {
      interim: (head) => channel.send({ type: "interim", id, head: packResponseHead(head) }),
      head: (head) => channel.send({ type: "head", id, head: packResponseHead(head) }),
      body: (piece) => {
        channel.send({ type: "body", id, piece });
        return this.#current.get(id)?.responseOutstanding.sent(byteLength(piece)) ?? true;
      },
      end: (rawTrailers) => channel.send({ type: "bodyEnd", id, rawTrailers }),
      answer: (head, piece) => {
        channel.sendQuietly({ type: "answer", id, head: packResponseHead(head), piece });
        if (!this.#mayStayQuiet()) this.#wakeBalancer();
        this.#leave(id);
      },
      broken: () => channel.send({ type: "broken", id }),
      want: () => this.#giveCredit(this.#current.get(id), 0),
      closed: () => this.#closed(id),
    };
  }

  /**
   * Whether the balancer need not be woken for an answer yet: another request is on offer here, so that its answer comes
   * before long, and until then the balancer looks by itself every millisecond. To be asked after the answer was sent: when
   * the balancer takes the other back it looks after that, so that one of the two sees what the other did (Dekker's).
   */
  #mayStayQuiet(): boolean {
    const next = this.#ahead[0];
    if (next === undefined || this.#parts.claims?.isOnOffer(next.slot ?? 0, next.id) !== true) return false;
    const atMs = nowMs();
    this.#quietSinceMs ??= atMs;
    return atMs - this.#quietSinceMs < quietForMs;
  }

  #wakeBalancer(): void {
    this.#quietSinceMs = null;
    this.#parts.channel.wakeOther();
  }

  #pushBody(current: Current, piece: Piece): void {
    const wantsMore = current.exchange.pushBody(piece);
    if (wantsMore) this.#giveCredit(current, byteLength(piece));
    else current.heldCredit += byteLength(piece);
  }

  #giveCredit(current: Current | undefined, bytes: number): void {
    if (current === undefined) return;
    const credit = current.requestTaken.add(bytes + current.heldCredit);
    current.heldCredit = 0;
    if (credit > 0) this.#parts.channel.send({ type: "credit", id: current.id, bytes: credit });
  }

  /** The handler of a request has returned this; a promise tells when it is done. */
  returned(request: IncomingMessage, result: unknown): void {
    if (!(result instanceof Promise)) return;
    const current = (request as Held)[heldBy];
    if (current === undefined) return;
    const settled = () => {
      current.hasSettled = true;
      if (current.isAborted) this.#free(current.id);
    };
    result.then(settled, settled);
  }

  #closed(id: number): void {
    const current = this.#current.get(id);
    if (current === undefined) return;
    const { response } = current.exchange;
    if (!current.isAborted || current.hasSettled || response.writableEnded) {
      this.#free(id);
      return;
    }
    const end = response.end;
    // The last thing that most handlers do, on a response that goes nowhere by now.
    response.end = ((...args: Parameters<typeof end>) => {
      this.#free(id);
      return end.apply(response, args);
    }) as typeof end;
    setTimeout(() => this.#free(id), abortGraceMs);
  }

  #free(id: number): void {
    if (!this.#current.has(id)) return;
    this.#parts.channel.send({ type: "free", id });
    this.#leave(id);
  }

  #leave(id: number): void {
    const current = this.#current.get(id);
    if (current === undefined) return;
    this.#current.delete(id);
    this.#parts.claims?.ran(nowMs() - current.begunAtMs);
    if (this.#current.size > 0) return;
    if (this.#ahead.length > 0) process.nextTick(this.#beginNext);
    else this.#whenIdle?.();
  }
}
