// The balancer of a sync pool: takes every request in, keeps those that wait in one queue for all workers, and gives the
// oldest to a worker that is free. A worker has one request at a time.
//
//   offer ──a worker is free──────────────► assign ──► in a worker (Transfer) ──► answered, failed, or left by its client
//     │                                       ▲
//     ├──none is free──► queued ──a worker is free
//     │                     └──its client hangs up──► taken out, never run
//     └──queue at its limit──► 503
//
// Every request that is offered leaves by exactly one of these ends and is counted there.

import type { IncomingMessage, ServerResponse } from "node:http";
import { nowMs } from "../clock.ts";
import type { Account } from "../edge/account.ts";
import { isSent } from "../edge/front.ts";
import { refuse } from "../edge/refusals.ts";
import type { Log } from "../log/log.ts";
import type { QueueSnapshot } from "../metrics/snapshot.ts";
import { Queue } from "./queue.ts";
import type { SyncWorker } from "./sync-worker.ts";
import { Transfer } from "./transfer.ts";

interface PendingRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly expectsContinue: boolean;
  readonly offeredAtMs: number;
}

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
    const pending: PendingRequest = { request, response, expectsContinue, offeredAtMs: nowMs() };
    account.begin(request, response);
    const worker = this.#takeFree();
    if (worker !== undefined) {
      this.#assign(pending, worker);
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
    response.once("close", () => {
      if (this.#queue.remove(pending)) this.#abandoned++;
    });
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
  }

  /** A worker has died: its request is answered 502. */
  removeWorker(worker: SyncWorker, why: string): void {
    this.retireWorker(worker);
    this.#workers.delete(worker);
    worker.transfer?.fail(502, `The worker that had this request ended: ${why}.`);
    worker.transfer = null;
  }

  /** Workers that still have a request to run, their client answered or not. */
  busyWorkers(): SyncWorker[] {
    return [...this.#workers].filter((worker) => worker.transfer !== null);
  }

  /** Answers all that is left when a drain is at its deadline. */
  giveUp(): void {
    const why = "The server is stopping.";
    for (let pending = this.#queue.take(); pending !== undefined; pending = this.#queue.take()) {
      refuse(pending.response, 503, why, { retryAfterSeconds: 1 });
    }
    for (const worker of this.#workers) worker.transfer?.fail(503, why);
  }

  #takeFree(): SyncWorker | undefined {
    for (const worker of this.#free) {
      this.#free.delete(worker);
      return worker;
    }
    return undefined;
  }

  #giveNext(worker: SyncWorker): void {
    if (worker.isLeaving) return;
    const next = this.#queue.take();
    if (next === undefined) this.#free.add(worker);
    else this.#assign(next, worker);
  }

  #assign({ request, response, expectsContinue }: PendingRequest, worker: SyncWorker): void {
    const { account } = this.#options;
    const id = ++this.#lastId;
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
    worker.begin(transfer, request);
    response.once("close", () => worker.count(outcomeOf(response)));
    transfer.start();
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

function outcomeOf(response: ServerResponse): "answered" | "failed" | "aborted" {
  if (!isSent(response)) return "aborted";
  return response.statusCode >= 500 ? "failed" : "answered";
}
