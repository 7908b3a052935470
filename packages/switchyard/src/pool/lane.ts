// A lane with workers of its own: one balancer with one queue, and the pool of its workers, which grows and shrinks.
//
// Workers that are stuck are replaced one at a time, so that a route that blocks for ever can't take all of them away at
// once; only when no other is left that takes requests, all are.
//
//   stuck ──condemn──► condemned ──no other is being replaced, or all are stuck──► killed, and replaced by the pool
//                          └──ends its request after all──► takes requests again

import { availableParallelism } from "node:os";
import { nowMs } from "../clock.ts";
import type { LaneSettings, Range } from "../config/lanes.ts";
import type { SwitchyardError } from "../errors.ts";
import type { FromWorker, StartOrder } from "../ipc/messages.ts";
import type { Log } from "../log/log.ts";
import type { BlockedReport, DeathReport, LaneWorkersSnapshot, WorkerSnapshot } from "../metrics/snapshot.ts";
import { poolLimits } from "../watch/threshold.ts";
import { Balancer } from "./balancer.ts";
import { Changes } from "./changes.ts";
import { completed, deathReport } from "./death.ts";
import { type Member, Pool } from "./pool.ts";
import { ProcessHandle } from "./process-handle.ts";
import { mostOf, Recycler } from "./recycle.ts";
import { residentBytes } from "./resident.ts";
import { siblingModule } from "./sibling-module.ts";
import { shouldGrow, shouldShrink } from "./sizing.ts";
import { SyncWorker } from "./sync-worker.ts";
import { ThreadHandle } from "./thread-handle.ts";
import type { WorkerHandle } from "./worker-handle.ts";

/** A worker was told when it must have ended; this is for what it needs to do so in order, in milliseconds. */
const workerPatienceMs = 1_000;
/**
 * How long a worker may live on without its channel for requests, in milliseconds. The channel of one that dies is closed
 * first, and on a busy machine the rest of it has taken more than a second: it would count as killed, and nobody would be
 * told that its heap was full.
 */
const endAfterCloseMs = 5_000;
/** How often a lane that may shrink looks for idle workers, as a part of idleMs. */
const looksForIdle = 4;

export interface PoolLaneOptions {
  readonly lane: LaneSettings;
  /** What its workers are started with, but their numbers. */
  readonly order: StartOrder;
  readonly log: Log;
  /** Gives a number to a worker, and takes it back. */
  readonly numbers: WorkerNumbers;
  readonly onReady: (message: FromWorker & { type: "ready" }) => void;
  /** A process was started, whose handle is not among the members yet, or has ended. */
  readonly onProcesses: (started: number | null) => void;
  /** A worker of the automatic lane tells what it ran. */
  readonly onHolds: (message: FromWorker & { type: "holds" }) => void;
  readonly onDeath: (death: DeathReport) => void;
  /** A worker's loop is held. */
  readonly onBlocked: (report: BlockedReport) => void;
  /** No worker is ready, and the application can't be loaded any more. */
  readonly onGiveUp: (error: SwitchyardError) => void;
}

/** Numbers of workers, each taken by one at a time; the lowest that is free is next. */
export class WorkerNumbers {
  readonly #first: number;
  readonly #taken = new Set<number>();

  constructor(first: number) {
    this.#first = first;
  }

  take(): number {
    let number = this.#first;
    while (this.#taken.has(number)) number++;
    this.#taken.add(number);
    return number;
  }

  giveBack(number: number): void {
    this.#taken.delete(number);
  }
}

export class PoolLane {
  readonly lane: LaneSettings;
  readonly balancer: Balancer;
  readonly #options: PoolLaneOptions;
  readonly #pool: Pool;
  readonly #threadsEach: number;
  readonly #changes = new Changes();
  readonly #recycler: Recycler;
  #range: Range;
  readonly #byMember = new Map<Member, SyncWorker[]>();
  /** By slot: those who take a slot one after the other have the same numbers. */
  readonly #numbers = new Map<number, number[]>();
  readonly #condemned = new Map<SyncWorker, string>();
  #growTimer: NodeJS.Timeout | null = null;
  #shrinkTimer: NodeJS.Timeout | null = null;
  #isStopping = false;

  constructor(options: PoolLaneOptions) {
    this.#options = options;
    this.lane = options.lane;
    const { lane, order, log } = options;
    this.#range = lane.workers ?? { min: 1, max: 1 };
    this.#threadsEach = Math.max(1, lane.threadsEach);
    this.balancer = new Balancer({
      lane,
      log,
      onStuck: (worker, why) => this.#condemn(worker, why),
      onQueued: () => this.#watchGrowth(),
    });
    this.#pool = new Pool({
      name: lane.threadsEach > 0 ? "process" : "worker",
      size: this.#range.min / this.#threadsEach,
      start: (slot) => this.#start(slot),
      startTimeoutMs: order.settings.startTimeoutMs,
      startTogether: availableParallelism(),
      patienceMs: workerPatienceMs,
      log,
      onReady: (member, message) => this.#onReady(member, message),
      onMessage: (member, message) => this.#onMessage(member, message),
      onRetire: (member) => {
        for (const worker of this.#workersOf(member)) this.balancer.retireWorker(worker);
        for (const channel of member.handle.channels) channel.send({ type: "last" });
      },
      onDeath: (member, death) => {
        const workers = this.#workersOf(member).map((worker) => this.#snapshotOf(worker, false));
        const what = `${this.#pool.name} ${this.#numbers.get(member.slot)?.join(", ")}`;
        options.onDeath(deathReport({ what, pid: member.handle.pid, death, workers, lastWords: member.lastWords }));
      },
      onGone: (member, death) => {
        // The last answer of a process that ended in order may still be in its channel, whose close removes the worker.
        const mayHaveAnswered = death.code === 0 && member.handle.isolation === "process";
        for (const worker of this.#workersOf(member)) {
          if (!mayHaveAnswered || worker.requests.size === 0) this.#remove(worker, death.cause);
        }
        this.#byMember.delete(member);
        this.#giveNumbersBack(member.slot);
        if (member.handle.isolation === "process") options.onProcesses(null);
        // Not before the pool has started another in its place.
        queueMicrotask(() => this.#killCondemned());
      },
      onGiveUp: options.onGiveUp,
    });
    this.#recycler = new Recycler({
      pool: this.#pool,
      limits: () => order.settings,
      usageOf: (member) => ({
        requests: mostOf(this.#workersOf(member).map((worker) => worker.counts().begun)),
        // Of threads of this process, nobody can tell whose memory it is.
        rssBytes: member.handle.isolation === "thread" ? 0 : residentBytes(member.handle.pid),
        heapBytes: mostOf(this.#workersOf(member).map(({ vitals }) => vitals?.heapUsedBytes ?? 0)),
      }),
      restart: (member) =>
        this.#changes.run("recycle", async () => {
          if (member.state.is === "ready") await this.#pool.restart(member, this.#drainTimeoutMs);
        }),
      log,
      name: this.#pool.name,
    });
  }

  /** Resolves when the first workers are ready; rejects with the application's error when one can't be. */
  start(): Promise<void> {
    return this.#pool.start();
  }

  get restarts(): number {
    return this.#pool.restarts;
  }

  /** Processes of its own. */
  get pids(): number[] {
    return [...this.#pool.members]
      .filter(({ handle }) => handle.isolation === "process")
      .map(({ handle }) => handle.pid);
  }

  /** It has this many workers from now on. Resolves when they are ready; rejects when one can't be, and nothing changes. */
  resize(workers: number): Promise<void> {
    return this.#changes.run("scale", async () => {
      await this.#pool.resize(Math.max(1, Math.ceil(workers / this.#threadsEach)), this.#drainTimeoutMs);
      this.#range = { min: workers, max: workers };
      this.#watchIdle();
    });
  }

  /** Starts a successor of a worker and stops it when that is ready. Resolves then, at once for a worker of another lane. */
  restart(number: number): Promise<void> {
    return this.#changes.run("restart", async () => {
      for (const [member, workers] of this.#byMember) {
        if (member.state.is !== "ready" || !workers.some((worker) => worker.number === number)) continue;
        await this.#pool.restart(member, this.#drainTimeoutMs);
        return;
      }
    });
  }

  /** Replaces a worker that has served for long enough or has grown too large, if there is one. */
  recycle(): void {
    this.#recycler.check();
  }

  reopenLogs(): void {
    for (const { handle } of this.#pool.members) handle.send({ type: "reopenLogs" });
  }

  /** Ends the workers; those whose request is not done by then are killed at once. */
  async stop(withinMs: number): Promise<void> {
    this.#isStopping = true;
    if (this.#growTimer !== null) clearTimeout(this.#growTimer);
    if (this.#shrinkTimer !== null) clearInterval(this.#shrinkTimer);
    await this.#pool.stop(withinMs);
  }

  killBusy(why: string): void {
    for (const { member } of this.balancer.busyWorkers()) this.#pool.kill(member, why);
  }

  snapshot(): LaneWorkersSnapshot {
    const { min, max } = this.#range;
    return {
      name: this.lane.name,
      workers: { live: this.balancer.workers.size, starting: this.#startingCount() * this.#threadsEach, min, max },
      queue: this.balancer.queueSnapshot(),
    };
  }

  workerSnapshots(isDraining: boolean): WorkerSnapshot[] {
    return [...this.balancer.workers].map((worker) => this.#snapshotOf(worker, isDraining));
  }

  #snapshotOf(worker: SyncWorker, isDraining: boolean): WorkerSnapshot {
    return {
      worker: worker.number,
      pid: worker.member.handle.pid,
      isolation: this.lane.isolation,
      model: this.lane.model,
      lane: this.lane.name,
      state: isDraining || worker.isLeaving ? "draining" : "ready",
      requests: worker.counts(),
      rssBytes: rssOf(worker),
      vitals: worker.vitals,
      latest: worker.latest(),
    };
  }

  get #drainTimeoutMs(): number {
    return this.#options.order.settings.drainTimeoutMs;
  }

  #start(slot: number): WorkerHandle {
    const { order, lane, numbers, onProcesses } = this.#options;
    const entry = siblingModule(import.meta.url, "./worker/main");
    const workers = this.#numbers.get(slot) ?? Array.from({ length: this.#threadsEach }, () => numbers.take());
    this.#numbers.set(slot, workers);
    const own: StartOrder = { ...order, lane, workers };
    if (lane.isolation === "thread" && lane.threadsEach === 0) {
      return new ThreadHandle({
        entry,
        order: own,
        withPort: true,
        fd: null,
        limits: poolLimits(order.settings, lane),
      });
    }
    const handle = new ProcessHandle({ entry, channelCount: this.#threadsEach });
    handle.send({ type: "start", order: own });
    onProcesses(handle.pid);
    return handle;
  }

  #onReady(member: Member, message: FromWorker & { type: "ready" }): void {
    const numbers = this.#numbers.get(member.slot) ?? [];
    const capacity = this.lane.inFlightLimit;
    const workers = member.handle.channels.map(
      (channel, index) => new SyncWorker({ number: numbers[index] ?? 0, member, channel, capacity }),
    );
    this.#byMember.set(member, workers);
    for (const worker of workers) {
      worker.channel.onClose = () => {
        this.#remove(worker, "it died");
        if (this.#threadsEach === 1 && member.state.is === "ready") this.#killUnlessEnded(member);
      };
      this.balancer.addWorker(worker);
      const recovered = worker.onRecovered;
      worker.onRecovered = () => {
        if (this.#condemned.delete(worker)) worker.isCondemned = false;
        recovered();
      };
    }
    this.#options.onReady(message);
    this.#watchGrowth();
    this.#watchIdle();
    // Not before the pool has counted it as ready.
    queueMicrotask(() => this.#killCondemned());
  }

  #onMessage(member: Member, message: FromWorker): void {
    switch (message.type) {
      case "vitals":
        for (const worker of this.#workersOf(member))
          if (worker.number === message.worker) worker.vitals = message.vitals;
        return;
      case "blocked":
        this.#options.onBlocked(this.#withRequest(message.report));
        return;
      case "death": {
        const dead = this.#workersOf(member).filter(({ number }) => message.death.what === `worker ${number}`);
        this.#options.onDeath(
          completed(
            message.death,
            dead.map((worker) => this.#snapshotOf(worker, false)),
          ),
        );
        return;
      }
      case "holds":
        this.#options.onHolds(message);
        return;
      case "impaired":
        if (member.state.is !== "ready" || member.hasSuccessor) return;
        this.#options.log.error(
          { pid: member.handle.pid, cause: message.cause },
          `${message.cause}; the workers ${this.#numbers.get(member.slot)?.join(", ")} are replaced.`,
        );
        this.#pool.replace(member, this.#drainTimeoutMs);
        return;
    }
  }

  /** A sync worker that is in native code can't say which request it has; we have given it the one. */
  #withRequest(report: BlockedReport): BlockedReport {
    if (report.path !== null || !report.isNative || report.isLoading || this.lane.model !== "sync") return report;
    const held = [...this.balancer.workers].find(({ number }) => number === report.worker);
    const request = held?.requests.size === 1 ? held.latest()[0] : undefined;
    return request === undefined ? report : { ...report, ...request };
  }

  #remove(worker: SyncWorker, why: string): void {
    this.#condemned.delete(worker);
    this.balancer.removeWorker(worker, why);
  }

  /** A worker that closed its channel serves nothing, so it must end, in case that it does not by itself. */
  #killUnlessEnded(member: Member): void {
    setTimeout(() => this.#pool.kill(member, "it closed its channel for requests"), endAfterCloseMs).unref();
  }

  #condemn(worker: SyncWorker, why: string): void {
    worker.isCondemned = true;
    this.#condemned.set(worker, why);
    this.#killCondemned();
  }

  #killCondemned(): void {
    for (const [worker, why] of this.#condemned) {
      const others = [...this.balancer.workers].some((each) => !each.isLeaving && !each.isCondemned);
      if (others && this.#isReplacing()) return;
      this.#condemned.delete(worker);
      this.balancer.retireWorker(worker);
      if (this.#threadsEach === 1) this.#pool.kill(worker.member, why);
      else worker.member.handle.send({ type: "endThread", worker: worker.number });
    }
  }

  #isReplacing(): boolean {
    return [...this.#pool.members].some(
      ({ state, killedFor, hasSuccessor }) => state.is === "starting" || killedFor !== null || hasSuccessor,
    );
  }

  #startingCount(): number {
    return [...this.#pool.members].filter(({ state }) => state.is === "starting").length;
  }

  /** Looks again when the oldest request in the queue will have waited for growAfterMs. */
  #watchGrowth(): void {
    const { growAfterMs } = this.lane;
    if (this.#growTimer !== null || this.#range.max <= this.#pool.size * this.#threadsEach) return;
    if (this.balancer.queueSnapshot().length === 0 || this.#isStopping) return;
    const leftMs = Math.max(1, growAfterMs - this.balancer.oldestWaitMs());
    this.#growTimer = setTimeout(() => {
      this.#growTimer = null;
      this.#growIfLate();
      this.#watchGrowth();
    }, leftMs).unref();
  }

  #growIfLate(): void {
    const { growAfterMs } = this.lane;
    const oldestWaitMs = this.balancer.oldestWaitMs();
    // A timer may be up to a millisecond early by the clock.
    if (!shouldGrow(this.#sizes(), { oldestWaitMs: oldestWaitMs + 1, growAfterMs })) return;
    this.#pool.grow();
    this.#options.log.info(
      { lane: this.lane.name, workers: this.#pool.size, oldestWaitMs: Math.round(oldestWaitMs) },
      `Lane ${this.lane.name}: a request has waited ${Math.round(oldestWaitMs)} ms, so there are ${this.#pool.size} workers from now on.`,
    );
  }

  #watchIdle(): void {
    if (this.#shrinkTimer !== null || this.#pool.size * this.#threadsEach <= this.#range.min) return;
    const { idleMs } = this.lane;
    const everyMs = Math.max(1, Math.ceil(idleMs / looksForIdle));
    this.#shrinkTimer = setInterval(() => this.#shrinkIfIdle(), everyMs).unref();
  }

  #shrinkIfIdle(): void {
    const { idleMs } = this.lane;
    // Requests go to the first workers, so the last has been idle for the longest.
    const last = [...this.balancer.workers].find(({ member }) => member.slot === this.#pool.size - 1);
    const longestIdleMs = last?.isIdle && last.hasRoom ? nowMs() - last.idleSinceMs : null;
    if (last !== undefined && shouldShrink(this.#sizes(), { longestIdleMs, idleMs })) {
      this.#pool.shrink(this.#drainTimeoutMs);
      this.#options.log.info(
        { lane: this.lane.name, workers: this.#pool.size, worker: last.number },
        `Lane ${this.lane.name}: worker ${last.number} has been idle for ${idleMs} ms and is stopped; ${this.#pool.size} remain.`,
      );
    }
    if (this.#pool.size * this.#threadsEach > this.#range.min || this.#shrinkTimer === null) return;
    clearInterval(this.#shrinkTimer);
    this.#shrinkTimer = null;
  }

  #sizes() {
    const { min, max } = this.#range;
    return { min, max, workers: this.#pool.size * this.#threadsEach, starting: this.#startingCount() };
  }

  #workersOf(member: Member): readonly SyncWorker[] {
    return this.#byMember.get(member) ?? [];
  }

  #giveNumbersBack(slot: number): void {
    if (slot < this.#pool.size || [...this.#pool.members].some((each) => each.slot === slot)) return;
    for (const number of this.#numbers.get(slot) ?? []) this.#options.numbers.giveBack(number);
    this.#numbers.delete(slot);
  }
}

/** Of one that has ended, as it was seen last. */
function rssOf(worker: SyncWorker): number {
  const bytes = residentBytes(worker.member.handle.pid);
  if (bytes > 0) worker.rssBytes = bytes;
  return worker.rssBytes;
}
