// The way from a loop worker to the workers of lanes: requests as messages on one connection to the pool's process.
//
// The client's connection stays here. A crossing is one such request:
//
//   waiting ──there is a link──► sent ──`assigned`──► in a worker ──► answered, failed, or left by its client
//      ▲                          │                       └──the link breaks──► 502: its worker is gone
//      └──the link breaks, once, and to run it twice does no harm──┘
//                                 └──the link breaks otherwise──► 503: it may have been run
//
// So a death of the pool's process loses what its workers were at, and nothing that only waited: a request is sent a
// second time only when its method is idempotent (RFC 9110 §9.2.2). What waits here is bounded by the lane's queueLimit and
// queueTimeoutMs, as it is in the balancer. When the pool's process is replaced in order, the old link stays until its
// requests are done.

import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { nowMs } from "../clock.ts";
import { IdTable, idAfter } from "../collections/id-table.ts";
import type { LaneSettings } from "../config/lanes.ts";
import type { Account } from "../edge/account.ts";
import type { RefusalOptions } from "../edge/refusals.ts";
import { Transfer } from "../edge/transfer.ts";
import { SocketChannel } from "../ipc/channel.ts";
import type { FromPool, ToPool as ToPoolMessage, ToSyncWorker } from "../ipc/messages.ts";

/** How long to wait before a link that broke is tried again, in milliseconds; word of another comes by itself. */
const reconnectAfterMs = 100;

export interface Crossing {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly lane: LaneSettings;
  readonly expectsContinue: boolean;
}

export class ToPool {
  readonly #account: Account;
  readonly #waiting = new Set<InCrossing>();
  #path: string | null = null;
  #link: Link | null = null;
  #lastId = 0;
  #isClosed = false;

  constructor(account: Account) {
    this.#account = account;
  }

  /** From now on the pool is reached at this path. */
  connect(path: string): void {
    if (path === this.#path || this.#isClosed) return;
    this.#path = path;
    this.#open(path);
  }

  /** Sends a request that was entered in the account; to be called once for each. */
  offer(crossing: Crossing): void {
    const id = this.#nextId();
    const inCrossing = new InCrossing(crossing, {
      id,
      account: this.#account,
      forget: () => this.#waiting.delete(inCrossing),
    });
    if (this.#link === null && !this.#keepWaiting(inCrossing)) return;
    inCrossing.start(this.#link);
  }

  /** Answers 503 to what is left when a drain is at its deadline. @returns whether anything was. */
  giveUp(): boolean {
    const isAnyLeft = this.#waiting.size > 0 || this.#link?.isIdle === false;
    this.#link?.giveUp();
    for (const crossing of this.#waiting) crossing.refuse("The server is stopping.", { retryAfterSeconds: 1 });
    this.#waiting.clear();
    return isAnyLeft;
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#isClosed = true;
    this.#link?.leave();
  }

  /** One that no request on the link has: an event stream may last for as long as numbers last. */
  #nextId(): number {
    do this.#lastId = idAfter(this.#lastId);
    while (this.#link?.has(this.#lastId) === true);
    return this.#lastId;
  }

  #open(path: string): void {
    const socket = connect(path);
    socket.once("error", () => {
      if (this.#link?.socket !== socket) this.#retry(path);
    });
    socket.once("connect", () => {
      if (path !== this.#path || this.#isClosed) {
        socket.destroy();
        return;
      }
      const before = this.#link;
      this.#link = new Link(socket, (lost) => this.#onLost(path, lost));
      before?.leave();
      for (const crossing of this.#waiting) crossing.sendOn(this.#link);
      this.#waiting.clear();
    });
  }

  #retry(path: string): void {
    setTimeout(() => {
      if (path === this.#path && this.#link === null && !this.#isClosed) this.#open(path);
    }, reconnectAfterMs).unref();
  }

  #onLost(path: string, lost: Link): void {
    if (this.#link === lost) {
      this.#link = null;
      this.#retry(path);
    }
    for (const crossing of lost.crossings()) {
      if (!crossing.mayBeSentAgain) crossing.lost();
      else if (this.#link !== null) crossing.sendOn(this.#link);
      else this.#keepWaiting(crossing);
    }
  }

  #keepWaiting(crossing: InCrossing): boolean {
    const { queueLimit, queueTimeoutMs } = crossing.lane;
    let waiting = 0;
    for (const each of this.#waiting) if (each.lane.name === crossing.lane.name) waiting++;
    if (waiting >= queueLimit) {
      crossing.refuse(`The queue is full: ${queueLimit} requests wait already.`, {
        retryAfterSeconds: 1,
        keepOpen: true,
      });
      return false;
    }
    this.#waiting.add(crossing);
    if (queueTimeoutMs > 0) {
      setTimeout(() => {
        if (!this.#waiting.delete(crossing)) return;
        const why = `No worker was free for this request within ${queueTimeoutMs} ms.`;
        crossing.refuse(why, { retryAfterSeconds: 1, keepOpen: true });
      }, queueTimeoutMs).unref();
    }
    return true;
  }
}

/** One connection to a pool's process. */
class Link {
  readonly socket: Socket;
  readonly #channel: SocketChannel<ToPoolMessage, FromPool>;
  readonly #crossings = new IdTable<InCrossing>();
  #isLeaving = false;

  constructor(socket: Socket, onLost: (link: Link) => void) {
    this.socket = socket;
    this.#channel = new SocketChannel<ToPoolMessage, FromPool>(socket, "turn");
    this.#channel.onMessage = (message) => {
      if (this.#crossings.get(message.id)?.receive(message) !== "over") return;
      this.#crossings.delete(message.id);
      this.#closeIfDone();
    };
    this.#channel.onClose = () => onLost(this);
  }

  get isIdle(): boolean {
    return this.#crossings.size === 0;
  }

  has(id: number): boolean {
    return this.#crossings.has(id);
  }

  send(crossing: InCrossing, message: ToPoolMessage): void {
    if (message.type === "request") this.#crossings.set(message.id, crossing);
    else if (!this.#crossings.has(message.id)) return;
    this.#channel.send(message);
  }

  crossings(): readonly InCrossing[] {
    return this.#crossings.values();
  }

  /** Closes when its last request is done. */
  leave(): void {
    this.#isLeaving = true;
    this.#closeIfDone();
  }

  giveUp(): void {
    for (const crossing of this.#crossings.values())
      crossing.refuse("The server is stopping.", { retryAfterSeconds: 1 });
  }

  #closeIfDone(): void {
    if (this.#isLeaving && this.#crossings.size === 0) this.#channel.close();
  }
}

/** What is said of one request. */
type OfRequest = Exclude<ToSyncWorker, { type: "last" }>;

interface InCrossingParts {
  readonly id: number;
  readonly account: Account;
  /** It waits no longer for a link. */
  readonly forget: () => void;
}

class InCrossing {
  readonly lane: LaneSettings;
  readonly #crossing: Crossing;
  readonly #parts: InCrossingParts;
  readonly #transfer: Transfer;
  readonly #offeredAtMs = nowMs();
  #link: Link | null = null;
  /** What was sent so far, to be sent again; null once a worker has it. */
  #kept: OfRequest[] | null = [];
  #timesSent = 0;
  #isOver = false;

  constructor(crossing: Crossing, parts: InCrossingParts) {
    this.lane = crossing.lane;
    this.#crossing = crossing;
    this.#parts = parts;
    const { request, response, expectsContinue } = crossing;
    this.#transfer = new Transfer({
      id: parts.id,
      request,
      response,
      expectsContinue,
      channel: { send: (message) => this.#send(message) },
      isQueued: true,
      onFree: () => {
        this.#isOver = true;
      },
    });
  }

  get mayBeSentAgain(): boolean {
    return this.#kept !== null && this.#timesSent < 2 && isIdempotent(this.#crossing.request.method ?? "");
  }

  start(link: Link | null): void {
    this.#link = link;
    if (link !== null) this.#timesSent++;
    this.#transfer.start({ wasSent: false });
  }

  /** Sends what it has sent before, or kept while it waited. */
  sendOn(link: Link): void {
    this.#link = link;
    this.#timesSent++;
    for (const message of this.#kept ?? []) link.send(this, this.#toPool(message));
  }

  /** @returns "over" with the last message about it. */
  receive(message: FromPool): "over" | "open" {
    switch (message.type) {
      case "assigned":
        this.#kept = null;
        this.#parts.account.assigned(this.#crossing.response, message.worker);
        this.#transfer.widen();
        return "open";
      case "failed": {
        const { retryAfterSeconds } = message;
        const options = retryAfterSeconds === null ? {} : { retryAfterSeconds, keepOpen: true };
        this.#transfer.fail(message.status, message.why, options);
        return "over";
      }
      case "answer":
        if (message.worker !== undefined)
          this.#parts.account.assigned(this.#crossing.response, message.worker, nowMs() - (message.runMs ?? 0));
        this.#kept = null;
        this.#transfer.receive(message);
        return this.#isOver ? "over" : "open";
      default:
        this.#transfer.receive(message);
        return this.#isOver ? "over" : "open";
    }
  }

  /** Its process is gone, and it can't be sent to another. */
  lost(): void {
    if (this.#kept === null) this.#transfer.fail(502, "The process of the worker that had this request ended.");
    else
      this.#transfer.fail(503, "The process of the workers ended while this request waited.", { retryAfterSeconds: 1 });
  }

  refuse(why: string, options: RefusalOptions): void {
    this.#transfer.fail(503, why, options);
  }

  #send(message: OfRequest): void {
    const isToKeep = message.type === "request" || message.type === "body" || message.type === "bodyEnd";
    if (isToKeep) this.#kept?.push(message);
    if (this.#link !== null) this.#link.send(this, this.#toPool(message));
    // Its client has gone while there was nobody to send it to.
    else if (message.type === "abort") this.#parts.forget();
  }

  #toPool(message: OfRequest): ToPoolMessage {
    if (message.type !== "request") return message;
    return { ...message, lane: this.lane.name, waitedMs: nowMs() - this.#offeredAtMs };
  }
}

/** Whether to run it twice does the same as to run it once (RFC 9110 §9.2.2). */
function isIdempotent(method: string): boolean {
  return idempotent.has(method);
}

const idempotent = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"]);
