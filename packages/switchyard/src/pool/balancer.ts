// The balancer of one lane: takes its requests in, keeps those that wait in one queue for all of its workers, and gives the
// next to a worker that has room. A sync worker has one request at a time; others have several, and the one with the
// fewest is given the next.
//
//   offer ──a worker has room──────────────► assign ──► in a worker ──► answered, failed, or left by its client
//     │                                       ▲
//     ├──none has, or a busy one sooner──► queued ──a worker has room
//     │                ├──sent ahead to a busy thread (ahead.ts): in a worker when that claims it, else queued again
//     │                ├──withdraw: its client hangs up──► taken out, never run
//     │                └──over queueTimeoutMs──► 503
//     └──queue at its limit──► 503
//
// Every request that is offered leaves by exactly one of these ends and is counted there. Where a request's client is, a
// connection of this process (direct-request.ts) or one of a loop worker (links.ts), is nothing to the balancer.

import { nowMs } from "../clock.ts";
import { idAfter } from "../collections/id-table.ts";
import type { Listed } from "../collections/linked-list.ts";
import type { LaneSettings } from "../config/lanes.ts";
import type { Log } from "../log/log.ts";
import type { QueueSnapshot } from "../metrics/snapshot.ts";
import type { Sendable } from "./ahead.ts";
import { Queue } from "./queue.ts";
import { aheadForMs, type Described, type InWorker, type SyncWorker } from "./sync-worker.ts";
import type { RequestChannel } from "./worker-handle.ts";

/** A request, as far as the balancer knows it. */
export interface Offered extends Described, Sendable, Listed {
  readonly offeredAtMs: number;
  /** Its place among those that were queued, which the balancer sets. */
  turn: number;
  /** All of it is here, so that it can be sent ahead. */
  readonly isComplete: boolean;
  /** Answers a request that will never be run. */
  refuse(refusal: Refusal): void;
  /** Hands it to a worker, which has got it already when it was sent ahead. */
  assign(to: Assignment): InWorker;
}

export interface Refusal {
  readonly status: number;
  readonly why: string;
  readonly retryAfterSeconds: number;
}

export interface Assignment {
  /** Its number among the requests of this lane, by which the worker speaks of it. */
  readonly id: number;
  readonly worker: number;
  readonly channel: RequestChannel;
  readonly wasSentAhead: boolean;
  /** To be called once, when the worker is done with it. Not when the worker died. */
  readonly onFree: () => void;
  /** To be called once, when its client's end has closed. */
  readonly onOutcome: (outcome: "answered" | "failed" | "aborted") => void;
}

export interface BalancerOptions {
  readonly lane: LaneSettings;
  readonly log: Log;
  /** A worker holds a request for too long and may never be done with it. */
  readonly onStuck: (worker: SyncWorker, why: string) => void;
  /** A request waits. */
  readonly onQueued: () => void;
}

/** How long a worker with other requests has to end one that was given up, before it is held to be stuck, in milliseconds. */
const stuckAfterMs = 3_000;

/** What it takes to wake a thread that sleeps, in milliseconds: 30 to 45 µs of CPU, and the time until it has one. */
const wakeMs = 0.06;

export class Balancer {
  readonly #options: BalancerOptions;
  readonly #queue: Queue<Offered>;
  readonly #workers = new Set<SyncWorker>();
  #lastTurn = 0;
  #aheadTimer: NodeJS.Timeout | null = null;
  #timeout: NodeJS.Timeout | null = null;
  #lastId = 0;
  #refused = 0;
  #timedOut = 0;
  #abandoned = 0;

  constructor(options: BalancerOptions) {
    this.#options = options;
    this.#queue = new Queue(options.lane.queueLimit);
  }

  get workers(): ReadonlySet<SyncWorker> {
    return this.#workers;
  }

  queueSnapshot(): QueueSnapshot {
    return {
      length: this.#waitingCount(),
      limit: this.#queue.limit,
      oldestMs: Math.round(this.oldestWaitMs()),
      refused: this.#refused,
      timedOut: this.#timedOut,
      abandoned: this.#abandoned,
    };
  }

  /** How long the oldest request in the queue has waited, in milliseconds; 0 when none does. */
  oldestWaitMs(): number {
    let oldestMs = this.#queue.peek()?.offeredAtMs ?? Number.POSITIVE_INFINITY;
    for (const { ahead } of this.#workers) {
      for (const { offeredAtMs } of ahead?.requests ?? []) oldestMs = Math.min(oldestMs, offeredAtMs);
    }
    return oldestMs === Number.POSITIVE_INFINITY ? 0 : nowMs() - oldestMs;
  }

  /** Takes a request in: to a worker, into the queue, or, when that is full, refuses it (or the oldest) with 503. */
  offer(offered: Offered): void {
    const worker = this.#workerWithRoom();
    const sooner = worker === undefined ? undefined : this.#busyButSooner(offered);
    if (worker !== undefined && sooner === undefined) {
      this.#assign(offered, worker);
      return;
    }
    const { lane, onQueued } = this.#options;
    if (lane.order === "newest-first" && this.#queue.length >= this.#queue.limit) {
      // Its client is the one that has most likely gone; the newest is served first, so the queue takes it.
      const oldest = this.#queue.take();
      if (oldest !== undefined) this.#refuseFull(oldest);
    }
    if (this.#waitingCount() >= this.#queue.limit || !this.#queue.offer(offered)) {
      this.#refuseFull(offered);
      return;
    }
    offered.turn = ++this.#lastTurn;
    if (this.#timeout === null) this.#startQueueTimeout();
    if (sooner === undefined) this.#offerAhead();
    else this.#fill(sooner);
    onQueued();
  }

  /**
   * The client has gone. @returns whether the request waited; then it is taken out and never run. Otherwise a worker has
   * it, or had it, and it was told so by `assign` if it was not before.
   */
  withdraw(offered: Offered): boolean {
    let wasWaiting = this.#queue.remove(offered);
    for (const worker of this.#workers) {
      if (wasWaiting) break;
      if (worker.ahead?.requests.includes(offered) !== true) continue;
      wasWaiting = worker.ahead.takeBack(offered);
      // The end of the one before may be here to be heard: surely, if it has begun this one.
      worker.channel.receiveRest();
    }
    if (wasWaiting) this.#abandoned++;
    return wasWaiting;
  }

  /** A worker is ready for its first request. */
  addWorker(worker: SyncWorker): void {
    this.#workers.add(worker);
    worker.channel.onMessage = (message) => worker.receive(message);
    worker.onRecovered = () => this.#giveNext(worker);
    this.#giveNext(worker);
  }

  /** A worker takes nothing new from now on; it keeps the requests it has. */
  retireWorker(worker: SyncWorker): void {
    worker.isLeaving = true;
    this.#takeBack(worker);
    this.#giveAll();
  }

  /** A worker has died: its requests are answered 502. */
  removeWorker(worker: SyncWorker, why: string): void {
    this.retireWorker(worker);
    this.#workers.delete(worker);
    // What it had begun of these was told as begun when it was heard for the last time.
    for (const offered of worker.ahead?.requests ?? []) this.#queue.putBack(offered, () => false);
    const requests = [...worker.requests.values()];
    worker.requests.clear();
    worker.givenUp.clear();
    for (const request of requests) request.fail(502, `The worker that had this request ended: ${why}.`);
  }

  /** Workers that still have a request to run, their client answered or not. */
  busyWorkers(): SyncWorker[] {
    return [...this.#workers].filter((worker) => !worker.isIdle);
  }

  get isIdle(): boolean {
    return this.#queue.length === 0 && this.busyWorkers().length === 0;
  }

  /** Answers all that is left when a drain is at its deadline. */
  giveUp(): void {
    const why = "The server is stopping.";
    for (const worker of this.#workers) this.#takeBack(worker);
    for (let next = this.#queue.take(); next !== undefined; next = this.#queue.take()) {
      next.refuse({ status: 503, why, retryAfterSeconds: 1 });
    }
    for (const worker of this.#workers) for (const request of worker.requests.values()) request.fail(503, why);
  }

  /**
   * The one with the fewest requests; of several, the one that has had none for the longest, or, where the lane may shrink,
   * the first of its workers, so that the last become idle.
   */
  #workerWithRoom(): SyncWorker | undefined {
    const { workers } = this.#options.lane;
    const mayShrink = workers !== null && workers.min < workers.max;
    let best: SyncWorker | undefined;
    for (const worker of this.#workers) {
      if (!worker.hasRoom) continue;
      if (best === undefined || worker.requests.size < best.requests.size) best = worker;
      else if (worker.requests.size > best.requests.size) continue;
      else if (mayShrink ? worker.member.slot < best.member.slot : worker.idleSinceMs < best.idleSinceMs) best = worker;
    }
    return best;
  }

  /**
   * A busy thread that begins it before one that is idle would be awake, by what is usual of late. If it does not, the
   * request is taken back in a moment and given to the idle one.
   */
  #busyButSooner({ isComplete }: Offered): SyncWorker | undefined {
    if (!isComplete || this.#options.lane.order === "newest-first") return undefined;
    if (this.#waitingCount() >= this.#queue.limit) return undefined;
    for (const worker of this.#workers)
      if (worker.mayGetAhead && worker.ahead !== null && worker.ahead.beginsInMs <= wakeMs) return worker;
    return undefined;
  }

  #giveNext(worker: SyncWorker): void {
    while (worker.hasRoom) {
      const next = this.#options.lane.order === "newest-first" ? this.#queue.takeNewest() : this.#queue.take();
      if (next === undefined) return;
      this.#assign(next, worker);
    }
  }

  #giveAll(): void {
    for (const worker of this.#workers) this.#giveNext(worker);
  }

  /** @param sentAs its number, where it was sent ahead. */
  #assign(offered: Offered, worker: SyncWorker, sentAs: number | null = null): void {
    const id = sentAs ?? this.#nextId();
    const deadline = this.#startDeadline(worker, id);
    const request = offered.assign({
      id,
      worker: worker.number,
      channel: worker.channel,
      wasSentAhead: sentAs !== null,
      onFree: () => {
        clearTimeout(deadline);
        worker.end(id);
        this.#goOn(worker);
      },
      onOutcome: (outcome) => worker.count(outcome),
    });
    worker.begin(request, offered);
  }

  /** A worker is done with a request: it has begun the next that was on offer to it, or gets one. */
  #goOn(worker: SyncWorker): void {
    const next = worker.ahead?.next();
    if (next !== undefined) this.#assign(next.offered, worker, next.id);
    else this.#giveNext(worker);
    if (worker.ahead !== null) this.#fill(worker);
  }

  /** Puts the oldest request on offer to the worker that has the fewest there, if any may get one. */
  #offerAhead(): void {
    let best: SyncWorker | undefined;
    for (const worker of this.#workers) {
      if (!worker.mayGetAhead) continue;
      if (best?.ahead == null || (worker.ahead?.size ?? 0) < best.ahead.size) best = worker;
    }
    if (best !== undefined) this.#fill(best);
  }

  #fill(worker: SyncWorker): void {
    // The newest goes first there, so that none can be sent before.
    if (this.#options.lane.order === "newest-first") return;
    while (worker.mayGetAhead) {
      const next = this.#queue.peek();
      if (next?.isComplete !== true) return;
      this.#queue.take();
      worker.ahead?.offer(next, this.#nextId(), worker.channel);
      this.#aheadTimer ??= setTimeout(() => this.#lookAhead(), aheadForMs).unref();
    }
  }

  /** Takes back what waits behind a request that has become long. */
  #lookAhead(): void {
    this.#aheadTimer = null;
    let isAnyLeft = false;
    for (const worker of this.#workers) {
      if (worker.ahead === null || worker.ahead.size === 0) continue;
      // It wakes nobody for an answer while others are on offer to it.
      worker.channel.receiveRest();
      if (worker.isLong) this.#takeBack(worker);
      if (worker.ahead.size > 0) isAnyLeft = true;
    }
    this.#giveAll();
    if (isAnyLeft) this.#aheadTimer ??= setTimeout(() => this.#lookAhead(), aheadForMs).unref();
  }

  /** What is on offer to a worker, and was not begun, waits for any worker again. */
  #takeBack(worker: SyncWorker): void {
    const { ahead } = worker;
    if (ahead === null || ahead.size === 0) return;
    for (const offered of ahead.takeAllBack()) this.#queue.putBack(offered, (one, other) => one.turn < other.turn);
    if (this.#timeout === null) this.#startQueueTimeout();
    // The end of the one before may be here to be heard: surely, if it has begun one of these.
    worker.channel.receiveRest();
  }

  /** Requests that no worker has begun, as far as is known here. */
  #waitingCount(): number {
    let count = this.#queue.length;
    for (const { ahead } of this.#workers) count += ahead?.size ?? 0;
    return count;
  }

  /** One that no request has: an event stream may last for as long as numbers last. */
  #nextId(): number {
    do this.#lastId = idAfter(this.#lastId);
    while (this.#isInUse(this.#lastId));
    return this.#lastId;
  }

  #isInUse(id: number): boolean {
    for (const { requests, givenUp } of this.#workers) if (requests.has(id) || givenUp.has(id)) return true;
    return false;
  }

  #startDeadline(worker: SyncWorker, id: number): NodeJS.Timeout | undefined {
    const { runTimeoutMs } = this.#options.lane;
    if (runTimeoutMs === 0) return undefined;
    return setTimeout(() => this.#onOverdue(worker, id), runTimeoutMs).unref();
  }

  #onOverdue(worker: SyncWorker, id: number): void {
    // Its answer may be here, unheard.
    if (worker.requests.has(id)) worker.channel.receiveRest();
    const request = worker.requests.get(id);
    if (request === undefined) return;
    this.#takeBack(worker);
    const { log, onStuck, lane } = this.#options;
    const { runTimeoutMs } = lane;
    const isAlone = worker.capacity === 1;
    log.error(
      { worker: worker.number, code: "SY_RUN_TIMEOUT", runTimeoutMs },
      `A request was in worker ${worker.number} for ${runTimeoutMs} ms; it is answered 504${isAlone ? " and the worker is replaced" : ""}.`,
    );
    worker.giveUp(id, { type: "abort", id });
    request.fail(504, `The application did not answer within ${runTimeoutMs} ms.`);
    const why = `a request was over runTimeoutMs, ${runTimeoutMs} ms`;
    if (isAlone) onStuck(worker, why);
    else this.#watchGivenUp(worker, { id, why });
  }

  /** A worker that runs is done with a request soon after it was told that the client has gone. */
  #watchGivenUp(worker: SyncWorker, { id, why }: { id: number; why: string }): void {
    setTimeout(() => {
      if (!worker.givenUp.has(id) || !this.#workers.has(worker)) return;
      this.#options.onStuck(worker, `${why}, and it does not answer any more`);
    }, stuckAfterMs).unref();
  }

  #refuseFull(offered: Offered): void {
    const retryAfterSeconds = this.#retryAfterSeconds();
    this.#refused++;
    const why = `The queue is full: ${this.#queue.limit} requests wait already.`;
    offered.refuse({ status: 503, why, retryAfterSeconds });
  }

  #startQueueTimeout(): void {
    const { queueTimeoutMs } = this.#options.lane;
    if (queueTimeoutMs === 0 || this.#queue.length === 0) return;
    const leftMs = Math.max(1, queueTimeoutMs - this.oldestWaitMs());
    this.#timeout = setTimeout(() => {
      this.#timeout = null;
      this.#refuseLate(queueTimeoutMs);
      this.#startQueueTimeout();
    }, leftMs).unref();
  }

  #refuseLate(queueTimeoutMs: number): void {
    for (let oldest = this.#queue.peek(); oldest !== undefined; oldest = this.#queue.peek()) {
      // A timer may be up to a millisecond early by this clock.
      if (nowMs() - oldest.offeredAtMs < queueTimeoutMs - 1) return;
      const retryAfterSeconds = this.#retryAfterSeconds();
      this.#queue.take();
      this.#timedOut++;
      const why = `No worker was free for this request within ${queueTimeoutMs} ms.`;
      oldest.refuse({ status: 503, why, retryAfterSeconds });
    }
  }

  /** As long as the oldest has waited by now, a minute at most: a queue that is full will not be much shorter sooner. */
  #retryAfterSeconds(): number {
    return Math.min(60, Math.max(1, Math.ceil(this.oldestWaitMs() / 1_000)));
  }
}
