// The balancer of a sync pool: takes every request in, keeps those that wait in one queue for all workers, and gives the
// oldest to a worker that is free. A worker has one request at a time.
//
//   offer ──a worker is free──────────────► assign ──► in a worker (Transfer) ──► answered, failed, or left by its client
//     │                                       ▲
//     ├──none is free──► queued ──a worker is free
//     │                     ├──its client hangs up──► taken out, never run
//     │                     └──offered ahead to a busy worker thread, which begins it when it is free (claim.ts)
//     └──queue at its limit──► 503
//
// Every request that is offered leaves by exactly one of these ends and is counted there.

import type { IncomingMessage, ServerResponse } from "node:http";
import { nowMs } from "../clock.ts";
import type { Account } from "../edge/account.ts";
import { headOf, isSent } from "../edge/front.ts";
import { refuse } from "../edge/refusals.ts";
import type { Log } from "../log/log.ts";
import type { QueueSnapshot } from "../metrics/snapshot.ts";
import type { PendingRequest } from "./pending-request.ts";
import { Queue } from "./queue.ts";
import type { SyncWorker } from "./sync-worker.ts";
import { isHeadOnly, Transfer } from "./transfer.ts";

export interface BalancerOptions {
  readonly queueLimit: number;
  /** How long a request may be in a worker, in milliseconds; 0: no limit. */
  readonly runTimeoutMs: number;
  readonly account: Account;
  readonly log: Log;
  /** Ends a worker that holds a request for too long; another takes its place. */
  readonly killWorker: (worker: SyncWorker, why: string) => void;
}

export class Balancer {
  readonly #options: BalancerOptions;
  readonly #queue: Queue<PendingRequest>;
  /** Workers without a request, the one that has been so for the longest first. */
  readonly #free = new Set<SyncWorker>();
  readonly #workers = new Set<SyncWorker>();
  /** Workers with a request, the one that has had its own for the longest first. */
  readonly #busy = new Set<SyncWorker>();
  /** The oldest request that waits, when it was offered ahead, and to whom. It is in the queue all the same. */
  #ahead: { readonly pending: PendingRequest; readonly worker: SyncWorker } | null = null;
  #lastId = 0;
  #refused = 0;
  #abandoned = 0;

  constructor(options: BalancerOptions) {
    this.#options = options;
    this.#queue = new Queue(options.queueLimit);
  }

  get workers(): ReadonlySet<SyncWorker> {
    return this.#workers;
  }

  queueSnapshot(): QueueSnapshot {
    return { length: this.#queue.length, limit: this.#queue.limit, refused: this.#refused, abandoned: this.#abandoned };
  }

  /** Takes a request in: to a worker, into the queue, or, when that is full, refuses it with 503. */
  offer(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const { account } = this.#options;
    const pending: PendingRequest = { id: this.#nextId(), request, response, expectsContinue, offeredAtMs: nowMs() };
    account.begin(request, response);
    const worker = this.#takeFree();
    if (worker !== undefined) {
      this.#begin(pending, worker, "new");
      return;
    }
    if (!this.#queue.offer(pending)) {
      this.#refused++;
      refuse(response, 503, `The queue is full: ${this.#queue.limit} requests wait already.`, {
        retryAfterSeconds: this.#retryAfterSeconds(),
        keepOpen: true,
      });
      return;
    }
    response.once("close", () => this.#abandon(pending));
    this.#offerAhead();
  }

  /** A worker is ready for its first request. */
  addWorker(worker: SyncWorker): void {
    this.#workers.add(worker);
    worker.channel.onMessage = (message) => worker.receive(message);
    this.#giveNext(worker);
  }

  /** A worker takes nothing new from now on; it keeps the request it has. */
  retireWorker(worker: SyncWorker): void {
    worker.isLeaving = true;
    this.#free.delete(worker);
    if (this.#ahead?.worker === worker && this.#takeBack(this.#ahead.pending)) this.#offerAgain();
  }

  /** A worker has died: its request is answered 502. */
  removeWorker(worker: SyncWorker, why: string): void {
    this.retireWorker(worker);
    this.#workers.delete(worker);
    worker.transfer?.fail(502, `The worker that had this request ended: ${why}.`);
    worker.transfer = null;
    this.#busy.delete(worker);
    if (this.#ahead?.worker !== worker) return;
    // What it was offered ahead and had not begun was taken back by now: it had begun this one.
    const { pending } = this.#ahead;
    this.#ahead = null;
    this.#queue.remove(pending);
    this.#begin(pending, worker, "begun").fail(502, `The worker that had this request ended: ${why}.`);
    worker.transfer = null;
    this.#busy.delete(worker);
    this.#offerAhead();
  }

  /** Workers that still have a request to run, their client answered or not. */
  busyWorkers(): SyncWorker[] {
    return [...this.#workers].filter((worker) => worker.transfer !== null);
  }

  /** Answers all that is left when a drain is at its deadline. */
  giveUp(): void {
    const why = "The server is stopping.";
    for (let pending = this.#takeOldest(); pending !== undefined; pending = this.#takeOldest()) {
      refuse(pending.response, 503, why, { retryAfterSeconds: 1 });
    }
    // Those that are left in the queue were begun just now, by workers that have not said so yet.
    for (const { response } of this.#queue) refuse(response, 503, why, { retryAfterSeconds: 1 });
    for (const worker of this.#workers) worker.transfer?.fail(503, why);
  }

  #takeFree(): SyncWorker | undefined {
    for (const worker of this.#free) {
      this.#free.delete(worker);
      return worker;
    }
    return undefined;
  }

  /** A worker has become free: it has begun what was offered to it, or gets the oldest that waits. */
  #giveNext(worker: SyncWorker): void {
    this.#busy.delete(worker);
    const begun = this.#ahead?.worker === worker ? this.#ahead.pending : undefined;
    if (begun !== undefined) {
      // It is in the worker's hands, which claims it about now: the balancer lets it.
      this.#ahead = null;
      this.#queue.remove(begun);
      this.#begin(begun, worker, "begun");
    } else if (!worker.isLeaving) {
      const next = this.#takeOldest();
      if (next === undefined) this.#free.add(worker);
      else this.#begin(next, worker, "new");
    }
    this.#offerAhead();
  }

  /** The oldest request that no worker has claimed. */
  #takeOldest(): PendingRequest | undefined {
    for (const pending of this.#queue) {
      if (!this.#takeBack(pending)) continue;
      this.#queue.remove(pending);
      return pending;
    }
    return undefined;
  }

  /** Takes a request back from the worker that it was offered to, if it was. @returns `false` when that one has claimed it. */
  #takeBack(pending: PendingRequest): boolean {
    if (this.#ahead?.pending !== pending) return true;
    if (this.#ahead.worker.claim?.take(pending.id) !== true) return false;
    this.#ahead = null;
    return true;
  }

  /**
   * Offers the oldest request to the worker that will most likely be free first, so that it is not idle between two. Only
   * the oldest: if two were on offer, the worker that is free first might begin the younger one.
   */
  #offerAhead(): void {
    if (this.#ahead !== null) return;
    const pending = this.#queue.peek();
    if (pending === undefined || pending.expectsContinue || !isHeadOnly(pending.request)) return;
    for (const worker of this.#busy) {
      if (worker.isLeaving || worker.claim?.offer(pending.id) !== true) continue;
      this.#ahead = { pending, worker };
      const { id } = pending;
      const head = headOf(pending.request);
      worker.channel.send({ type: "request", id, head, hasBody: false, expectsContinue: false, isAhead: true });
      return;
    }
  }

  /** A request that was offered ahead waits again, for any worker. */
  #offerAgain(): void {
    const worker = this.#takeFree();
    if (worker === undefined) this.#offerAhead();
    else this.#giveNext(worker);
  }

  /** The client of a waiting request has gone: it is never run, unless a worker has begun it just now. */
  #abandon(pending: PendingRequest): void {
    if (!this.#takeBack(pending)) return;
    if (!this.#queue.remove(pending)) return;
    this.#abandoned++;
    this.#offerAhead();
  }

  #nextId(): number {
    this.#lastId = (this.#lastId % largestId) + 1;
    return this.#lastId;
  }

  #begin(
    { id, request, response, expectsContinue }: PendingRequest,
    worker: SyncWorker,
    is: "new" | "begun",
  ): Transfer {
    const { account } = this.#options;
    account.assigned(response, worker.number);
    const deadline = this.#startDeadline(worker, id);
    const transfer = new Transfer({
      id,
      request,
      response,
      expectsContinue,
      channel: worker.channel,
      onFree: () => {
        clearTimeout(deadline);
        worker.transfer = null;
        this.#giveNext(worker);
      },
    });
    worker.begin(transfer);
    this.#busy.add(worker);
    if (response.destroyed) worker.count("aborted");
    else response.once("close", () => worker.count(outcomeOf(response)));
    if (is === "new") transfer.start();
    else transfer.startBegun();
    return transfer;
  }

  #startDeadline(worker: SyncWorker, id: number): NodeJS.Timeout | undefined {
    const { runTimeoutMs, killWorker, log } = this.#options;
    if (runTimeoutMs === 0) return undefined;
    return setTimeout(() => {
      const transfer = worker.transfer;
      if (transfer?.id !== id) return;
      log.error(
        { worker: worker.number, code: "SY_RUN_TIMEOUT", runTimeoutMs },
        `A request was in worker ${worker.number} for ${runTimeoutMs} ms; it is answered 504 and the worker is replaced.`,
      );
      transfer.fail(504, `The application did not answer within ${runTimeoutMs} ms.`);
      worker.transfer = null;
      this.retireWorker(worker);
      killWorker(worker, `a request was over runTimeoutMs, ${runTimeoutMs} ms`);
    }, runTimeoutMs).unref();
  }

  /** As long as the oldest has waited by now, a minute at most: a queue that is full will not be much shorter sooner. */
  #retryAfterSeconds(): number {
    const oldest = this.#queue.peek();
    const waitedMs = oldest === undefined ? 0 : nowMs() - oldest.offeredAtMs;
    return Math.min(60, Math.max(1, Math.ceil(waitedMs / 1_000)));
  }
}

/** Ids fit the word that claims are made by. */
const largestId = 2 ** 31 - 1;

function outcomeOf(response: ServerResponse): "answered" | "failed" | "aborted" {
  if (!isSent(response)) return "aborted";
  return response.statusCode >= 500 ? "failed" : "answered";
}
