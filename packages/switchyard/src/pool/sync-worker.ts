// The balancer's view of one worker of a lane: a channel to it, and the requests that it has. A sync worker has one at a
// time; a worker of an async or greenlet lane has up to the lane's inFlightLimit.

import { nowMs } from "../clock.ts";
import { IdTable } from "../collections/id-table.ts";
import type { FromSyncWorker, ToSyncWorker } from "../ipc/messages.ts";
import { pathOf, type RequestBrief, type RequestCounts, type Vitals } from "../metrics/snapshot.ts";
import { Ahead } from "./ahead.ts";
import type { Offered } from "./balancer.ts";
import type { Member } from "./pool.ts";
import type { RequestChannel } from "./worker-handle.ts";

/** A request in a worker: what it says goes to the request's client. */
export interface InWorker {
  readonly id: number;
  /** The worker was told of it: what is sent to the worker from now on comes after it. */
  readonly isSent: boolean;
  receive(message: FromSyncWorker): void;
  /** The worker can't finish it. */
  fail(status: number, why: string): void;
}

/** Tells its method and URL when somebody asks. */
export interface Described {
  line(): { readonly method: string; readonly url: string };
}

/**
 * For how long a worker may have a request while others are on offer to it, in milliseconds: these are taken back then, at
 * most as long again after it.
 */
export const aheadForMs = 1;

export interface SyncWorkerParts {
  readonly number: number;
  readonly member: Member;
  readonly channel: RequestChannel;
  /** How many requests it has at once. */
  readonly capacity: number;
  /** Milliseconds; the process's own when absent. */
  readonly clock?: () => number;
}

export class SyncWorker {
  readonly number: number;
  readonly member: Member;
  readonly channel: RequestChannel;
  /** How many requests it has at once. */
  readonly capacity: number;
  readonly requests = new IdTable<InWorker>();
  /** What is on offer to it while it is busy; null where nothing may be. */
  readonly ahead: Ahead<Offered> | null;
  /** It takes no further request: its process or thread is ending or about to. */
  isLeaving = false;
  /** It is to be killed, unless it ends what it is stuck in before. */
  isCondemned = false;
  /** Requests that were given up, whose end the worker has not told yet; it is stuck if it never does. */
  readonly givenUp = new Set<number>();
  /** Since when it has had no request, in milliseconds of the clock; meaningless while it has one. */
  idleSinceMs: number;
  /** It has told the end of a request that was given up. */
  onRecovered: () => void = () => {};
  /** What it has told of itself last. */
  vitals: Vitals | null = null;
  /** Resident memory of its process when that was looked at last. */
  rssBytes = 0;
  readonly #clock: () => number;
  /** The request that it was given last. */
  #running: InWorker | null = null;
  #latest: { readonly request: Described; readonly atMs: number } | null = null;
  #begun = 0;
  #answered = 0;
  #failed = 0;
  #aborted = 0;

  constructor(parts: SyncWorkerParts) {
    this.number = parts.number;
    this.member = parts.member;
    this.channel = parts.channel;
    this.capacity = parts.capacity;
    this.#clock = parts.clock ?? nowMs;
    this.idleSinceMs = this.#clock();
    const claims = parts.capacity === 1 ? parts.member.handle.claims : null;
    this.ahead = claims == null ? null : new Ahead(claims);
  }

  get hasRoom(): boolean {
    return !this.isLeaving && !this.isCondemned && this.requests.size + this.givenUp.size < this.capacity;
  }

  /** Another request may be put on offer to it: it has one and knows of it, which may still turn out short. */
  get mayGetAhead(): boolean {
    if (this.ahead === null || this.isLeaving || this.isCondemned) return false;
    if (this.requests.size !== 1 || this.givenUp.size > 0 || this.#running?.isSent !== true) return false;
    return this.ahead.hasRoom && !this.isLong;
  }

  /** The request that it began last, as far as is known here, is longer in it than others are to wait behind it. */
  get isLong(): boolean {
    return this.#clock() - (this.#latest?.atMs ?? 0) >= aheadForMs;
  }

  /** It has nothing to run. */
  get isIdle(): boolean {
    return this.requests.size === 0 && this.givenUp.size === 0;
  }

  begin(request: InWorker, described: Described): void {
    this.#begun++;
    this.requests.set(request.id, request);
    this.#running = request;
    this.#latest = { request: described, atMs: this.#clock() };
  }

  /** The request that it was given last, running or not. */
  latest(): RequestBrief[] {
    if (this.#latest === null) return [];
    const { method, url } = this.#latest.request.line();
    return [{ method, path: pathOf(url), ageMs: this.#clock() - this.#latest.atMs }];
  }

  /** The worker is done with a request. */
  end(id: number): void {
    this.requests.delete(id);
    this.idleSinceMs = this.#clock();
  }

  /** Forgets a request that is over for its client; the worker may be at it for ever. */
  giveUp(id: number, message: ToSyncWorker): void {
    this.requests.delete(id);
    this.givenUp.add(id);
    this.channel.send(message);
  }

  /** Counts the outcome of a request, once its client's end has closed. */
  count(outcome: "answered" | "failed" | "aborted"): void {
    if (outcome === "answered") this.#answered++;
    else if (outcome === "failed") this.#failed++;
    else this.#aborted++;
  }

  receive(message: FromSyncWorker): void {
    const request = this.requests.get(message.id);
    if (request !== undefined) {
      request.receive(message);
      return;
    }
    // A message about an earlier request crossed our own word that it is over.
    if ((message.type === "free" || message.type === "answer") && this.givenUp.delete(message.id)) this.onRecovered();
  }

  counts(): RequestCounts {
    const done = this.#answered + this.#failed + this.#aborted;
    return {
      begun: this.#begun,
      inFlight: this.#begun - done,
      answered: this.#answered,
      failed: this.#failed,
      aborted: this.#aborted,
      refused: 0,
    };
  }
}
