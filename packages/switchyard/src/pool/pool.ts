// A pool keeps workers of one kind at a target number: starts them, waits until each is ready, replaces one that dies,
// stops them all. It knows nothing of requests, and starts a worker only through the `start` it was given.
//
// At first start, an application that can't be loaded ends everything: `start()` rejects with the application's own error.
// Later a replacement is tried again after growing pauses (lifecycle.ts); when one can't be loaded and no worker is ready
// any more, `onGiveUp` is told instead of trying for ever.
//
// A slot is filled by one member. It is replaced in one of two ways:
//
//   it died ──────────► #restart: another is started, after a pause when deaths come in a row
//   replace(member) ──► a successor is started beside it; once that is ready the member drains. A successor that dies is
//                       started again like any other; a member that dies before that leaves the slot to its successor.
//
// Somebody who waits for the outcome (a reload, another size, a restart by hand) makes a change instead, one at a time:
//
//   reload, resize, restart ──► newcomers are started beside the old ──all are ready──► they have the slots; the old drain
//                                          └──one can't be, or dies──► the newcomers end, the old go on; it rejects
//
// With `prepare`, the newcomers wait for somebody's word before they have the slots: two pools change together, or neither.
//
// Invariants, checked by `assertInvariants`: every member that is not stopped is in `#members`; a slot has at most one
// member that is starting or ready, no newcomer, and not about to be succeeded; nothing is started once `stop()` was called.

import assert from "node:assert";
import { nowMs } from "../clock.ts";
import { errorOf, SwitchyardError } from "../errors.ts";
import type { FromWorker, LastWords } from "../ipc/messages.ts";
import type { Log } from "../log/log.ts";
import type { BlockedReport } from "../metrics/snapshot.ts";
import { type Death, deathOf, type Exit } from "./death.ts";
import { failuresAfterDeath, pauseBeforeRestartMs, type WorkerState } from "./lifecycle.ts";
import type { WorkerHandle } from "./worker-handle.ts";

export interface PoolOptions {
  /** What its members are called in the log: "worker", "balancer". */
  readonly name: string;
  readonly size: number;
  /** Makes the member of a slot. Its owner's `onMessage` is called for each message that is not about its life. */
  readonly start: (slot: number) => WorkerHandle;
  readonly startTimeoutMs: number;
  /** How many of the first may load at once before others are held back a little. Default: all. */
  readonly startTogether?: number;
  /** How much longer than it was given to stop a member may take before it is killed, in milliseconds. */
  readonly patienceMs: number;
  readonly log: Log;
  readonly onReady: (member: Member, message: FromWorker & { type: "ready" }) => void;
  readonly onMessage: (member: Member, message: FromWorker) => void;
  /** A member is about to be told to stop: give it nothing new. */
  readonly onRetire?: (member: Member) => void;
  /** A member has ended without being told to, or was killed. Before `onGone`. */
  readonly onDeath?: (member: Member, death: Death) => void;
  /** A member has ended, asked or not. */
  readonly onGone: (member: Member, death: Death) => void;
  /** No member is ready, and the application can't be loaded any more. */
  readonly onGiveUp: (error: SwitchyardError) => void;
}

/** One worker process or thread of a pool. */
export class Member {
  readonly slot: number;
  readonly handle: WorkerHandle;
  state: WorkerState;
  /** Why Switchyard killed it, once it did. */
  killedFor: string | null = null;
  /** What it said when its program ended it. */
  lastWords: LastWords | null = null;
  /** What it said before it ended because the application could not be loaded. */
  failure: SwitchyardError | null = null;
  /** What held its loop while it loaded the application. */
  heldBy: BlockedReport | null = null;
  /** A successor is on its way, or will be started after a pause. */
  hasSuccessor = false;
  /** Kills it if it is not ready by then. */
  overdue: NodeJS.Timeout | null = null;
  /** Whom it succeeds, when that one was not dead at its start. */
  readonly succeeds: Succession | null;
  /** The change that it was started for, until that is done. */
  change: Change | null = null;

  constructor(slot: number, handle: WorkerHandle, life: { readyByMs: number; succeeds: Succession | null }) {
    this.slot = slot;
    this.handle = handle;
    this.state = { is: "starting", readyByMs: life.readyByMs };
    this.succeeds = life.succeeds;
  }

  /** What people call it: the first is 1. */
  get number(): number {
    return this.slot + 1;
  }
}

interface Succession {
  readonly member: Member;
  /** How long it has to finish, once its successor is ready. */
  readonly withinMs: number;
}

/** Newcomers that take over together or not at all. */
interface Change {
  readonly newcomers: ReadonlySet<Member>;
  /** Newcomers that are not ready yet. */
  readonly waiting: Set<Member>;
  /** All are ready. */
  whenReady: () => void;
  reject: (error: Error) => void;
  /** How long those who are ready already have to finish, when another can't be. */
  readonly withinMs: number;
}

/** Newcomers that are ready, beside those who are there. */
export interface Prepared {
  /** They have the slots from now on. @returns whether they do: not when one has ended meanwhile, and with it all. */
  takeOver(): boolean;
  /** They end, and those who were there go on. */
  abandon(): void;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #members = new Set<Member>();
  /** Deaths in a row, by slot. */
  readonly #failures: number[];
  #size: number;
  #change: Change | null = null;
  readonly #timers = new Set<NodeJS.Timeout>();
  #isStopping = false;
  #restarts = 0;
  #firstStart: { waiting: number; resolve: () => void; reject: (error: Error) => void } | null = null;
  #whenEmpty: (() => void) | null = null;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#size = options.size;
    this.#failures = Array<number>(options.size).fill(0);
  }

  /** How many members it keeps. */
  get size(): number {
    return this.#size;
  }

  /** What its members are called in the log. */
  get name(): string {
    return this.#options.name;
  }

  get members(): ReadonlySet<Member> {
    return this.#members;
  }

  /** Replacements started so far. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Starts every worker. Resolves when all are ready; rejects with the first one's error when one can't be.
   *
   * Of more than can load at once, each only makes the others late: the first answer would come when all are nearly ready.
   * So the others begin a little later each; not when those before are ready, since an application may wait for something.
   */
  start(): Promise<void> {
    const together = this.#options.startTogether ?? this.#size;
    return new Promise((resolve, reject) => {
      this.#firstStart = { waiting: this.#size, resolve, reject };
      for (let slot = 0; slot < this.#size; slot++) {
        if (slot < together) this.#startMember(slot, null);
        else this.#after(Math.floor(slot / together) * loadsForMs, () => this.#startMember(slot, null));
      }
    });
  }

  /** Ends a member now and lets another take its slot. */
  kill(member: Member, reason: string): void {
    if (member.state.is === "stopped" || member.killedFor !== null) return;
    member.killedFor = reason;
    member.handle.kill();
  }

  /** Starts a successor, and stops the member once that one is ready. */
  replace(member: Member, withinMs: number): void {
    if (this.#isStopping || member.state.is !== "ready" || member.hasSuccessor) return;
    member.hasSuccessor = true;
    this.#restarts++;
    this.#startMember(member.slot, { member, withinMs });
  }

  /** Replaces every member, by `size` new ones. The old have `withinMs` to finish, once all of the new are ready. */
  reload({ size = this.#size, withinMs }: { size?: number; withinMs: number }): Promise<void> {
    return this.#begin(slotsFrom(0, size), withinMs, () => {
      this.#size = size;
      this.#retire((member) => !this.#isIn(member), withinMs);
    });
  }

  /** The first half of a reload: starts the new members, and resolves when all are ready. No other change meanwhile. */
  prepare(withinMs: number): Promise<Prepared> {
    return new Promise((resolve, reject) => {
      const change = this.#start(slotsFrom(0, this.#size), { withinMs, reject, whenReady: () => resolve(prepared) });
      const prepared: Prepared = {
        takeOver: () => {
          if (change === null || this.#change !== change) return false;
          this.#retire((member) => !this.#isIn(member), withinMs);
          this.#endChange();
          return true;
        },
        abandon: () => {
          if (change !== null && this.#change === change) this.#cancel(change);
        },
      };
    });
  }

  /** Keeps another number of members from now on. */
  resize(size: number, withinMs: number): Promise<void> {
    return this.#begin(slotsFrom(this.#size, size), withinMs, () => {
      this.#size = size;
      this.#retire((member) => member.slot >= size, withinMs);
    });
  }

  /** Keeps one member more, started now like any other; nobody waits for it. */
  grow(): void {
    if (this.#isStopping || this.#change !== null) return;
    this.#startMember(this.#size++, null);
  }

  /** Keeps one member less: the last. */
  shrink(withinMs: number): void {
    if (this.#isStopping || this.#change !== null) return;
    const last = --this.#size;
    this.#retire((member) => member.slot >= last, withinMs);
  }

  /** Replaces one member. */
  restart(member: Member, withinMs: number): Promise<void> {
    this.#restarts++;
    return this.#begin([member.slot], withinMs, () =>
      this.#retire((each) => each.slot === member.slot && !this.#isIn(each), withinMs),
    );
  }

  /**
   * Lets every member finish what is in flight; kills what is left after `withinMs`. Resolves when all have ended. With
   * `handsOver`, somebody else serves from now on, and idle connections are not closed under their clients.
   */
  async stop(withinMs: number, handsOver = false): Promise<void> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    // Whoever waits for a change hears of it now: when the last member has ended, so may have the server.
    const change = this.#change;
    this.#endChange();
    change?.reject(stopping());
    for (const member of this.#members) {
      if (member.state.is === "draining") this.#hurry(member, withinMs, handsOver);
      else this.#stopMember(member, withinMs, handsOver);
    }
    if (this.#members.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
  }

  /** Kills every member now. */
  killAll(reason: string): void {
    this.#isStopping = true;
    for (const member of this.#members) this.kill(member, reason);
  }

  assertInvariants(): void {
    const taken = new Map<number, number>();
    for (const member of this.#members) {
      assert(member.state.is !== "stopped");
      if (!member.hasSuccessor && member.change === null && member.state.is !== "draining")
        taken.set(member.slot, (taken.get(member.slot) ?? 0) + 1);
    }
    for (const count of taken.values()) assert(count <= 1, "a slot has two workers");
  }

  /** Starts newcomers in these slots; when all are ready, `takeOver` retires whoever is to go. */
  #begin(slots: readonly number[], withinMs: number, takeOver: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const whenReady = () => {
        takeOver();
        this.#endChange();
        resolve();
      };
      this.#start(slots, { withinMs, whenReady, reject });
    });
  }

  #start(slots: readonly number[], parts: Pick<Change, "whenReady" | "withinMs" | "reject">): Change | null {
    if (this.#isStopping || this.#change !== null) {
      parts.reject(this.#isStopping ? stopping() : new Error("A pool makes one change at a time."));
      return null;
    }
    const newcomers = new Set(slots.map((slot) => this.#startMember(slot, null)));
    const change: Change = { ...parts, newcomers, waiting: new Set(newcomers) };
    this.#change = change;
    for (const member of newcomers) member.change = change;
    if (newcomers.size === 0) change.whenReady();
    return change;
  }

  #isIn(member: Member): boolean {
    return this.#change?.newcomers.has(member) ?? false;
  }

  #retire(isMeant: (member: Member) => boolean, withinMs: number): void {
    for (const member of this.#members) if (isMeant(member)) this.#stopMember(member, withinMs);
  }

  #endChange(): void {
    for (const member of this.#change?.newcomers ?? []) member.change = null;
    this.#change = null;
  }

  /** A newcomer has ended before they took over: the others end too, and those who were there stay. */
  #failChange(change: Change, member: Member, death: Death): void {
    this.#cancel(change);
    change.reject(this.#isStopping ? stopping() : (member.failure ?? endedWhileLoading(death)));
  }

  /** One that was ready may have requests, which it finishes. */
  #cancel(change: Change): void {
    this.#endChange();
    for (const newcomer of change.newcomers) this.#stopMember(newcomer, change.withinMs);
  }

  /** Whether somebody is there, or on the way, to serve in a slot. */
  #isTaken(slot: number): boolean {
    for (const member of this.#members) {
      if (member.slot !== slot || member.hasSuccessor || member.change !== null) continue;
      if (member.state.is !== "draining") return true;
    }
    return slot >= this.#size;
  }

  #startMember(slot: number, succeeds: Succession | null): Member {
    const readyByMs = nowMs() + this.#options.startTimeoutMs;
    const member = new Member(slot, this.#options.start(slot), { readyByMs, succeeds });
    this.#members.add(member);
    member.handle.onMessage = (message) => this.#onMessage(member, message);
    member.handle.onExit = (exit) => this.#onExit(member, exit);
    // The worker has the same deadline and reports what it waited for; this is for one that can't, being stuck.
    member.overdue = this.#after(this.#options.startTimeoutMs + 2_000, () => {
      if (member.state.is !== "starting") return;
      member.failure = stuckWhileLoading(this.#options.startTimeoutMs, member.heldBy);
      this.kill(member, "not ready in time");
    });
    return member;
  }

  #onMessage(member: Member, message: FromWorker): void {
    switch (message.type) {
      case "ready":
        if (member.state.is === "starting") this.#onReady(member, message);
        return;
      case "failed":
        // The first is the cause: of a process's threads, each may say what the end of another made of it.
        member.failure ??= errorOf(message.error);
        return;
      case "lastWords":
        member.lastWords = message.words;
        return;
      default:
        if (message.type === "blocked" && message.report.isLoading) member.heldBy = message.report;
        this.#options.onMessage(member, message);
    }
  }

  #onReady(member: Member, message: FromWorker & { type: "ready" }): void {
    member.state = { is: "ready", sinceMs: nowMs() };
    this.#forget(member.overdue);
    this.#options.onReady(member, message);
    const { succeeds } = member;
    if (succeeds !== null) this.#stopMember(succeeds.member, succeeds.withinMs);
    const { change } = member;
    if (change?.waiting.delete(member) && change.waiting.size === 0) change.whenReady();
    if (this.#firstStart !== null && --this.#firstStart.waiting === 0) {
      this.#firstStart.resolve();
      this.#firstStart = null;
    }
  }

  #stopMember(member: Member, withinMs: number, handsOver = true): void {
    if (member.state.is === "draining" || member.state.is === "stopped") return;
    // Nothing is in flight in one that is still loading its application.
    const finishMs = member.state.is === "starting" ? 0 : withinMs;
    member.state = { is: "draining", stopByMs: nowMs() + finishMs };
    this.#options.onRetire?.(member);
    member.handle.send({ type: "stop", withinMs: finishMs, handsOver });
    setTimeout(() => this.#killLate(member, finishMs), finishMs + this.#options.patienceMs).unref();
  }

  /** The server stops while this one still finishes: nobody will take its idle connections, and it has less time. */
  #hurry(member: Member, withinMs: number, handsOver: boolean): void {
    if (member.state.is !== "draining" || nowMs() + withinMs > member.state.stopByMs) withinMs = msUntil(member);
    member.handle.send({ type: "stop", withinMs, handsOver });
    setTimeout(() => this.#killLate(member, withinMs), withinMs + this.#options.patienceMs).unref();
  }

  #killLate(member: Member, withinMs: number): void {
    if (member.state.is === "stopped" || member.killedFor !== null) return;
    const { log, name, patienceMs } = this.#options;
    const waitedMs = withinMs + patienceMs;
    log.warn(
      { [name]: member.number, pid: member.handle.pid },
      `${name} ${member.number} has not ended ${waitedMs} ms after it was told to stop; it is killed.`,
    );
    this.kill(member, `not done ${waitedMs} ms after it was told to stop`);
  }

  #onExit(member: Member, exit: Exit): void {
    const stateBefore = member.state;
    const death = deathOf(exit, member.killedFor);
    const wasAsked = (stateBefore.is === "draining" || this.#isStopping) && member.killedFor === null;
    if (!wasAsked && member.lastWords?.wasTold !== true) this.#options.onDeath?.(member, death);
    member.state = { is: "stopped" };
    this.#forget(member.overdue);
    this.#members.delete(member);
    this.#options.onGone(member, death);
    if (this.#members.size === 0) this.#whenEmpty?.();
    if (member.change !== null) {
      this.#failChange(member.change, member, death);
      return;
    }
    if (stateBefore.is === "draining" || this.#isStopping) return;
    if (this.#firstStart !== null) {
      this.#failFirstStart(member, death);
      return;
    }
    if (member.hasSuccessor) return;
    this.#restart(member, stateBefore, death);
  }

  #failFirstStart(member: Member, death: Death): void {
    const first = this.#firstStart;
    this.#firstStart = null;
    this.killAll("another worker could not start");
    first?.reject(member.failure ?? endedWhileLoading(death));
  }

  #restart(member: Member, stateBefore: WorkerState, death: Death): void {
    const { log, name } = this.#options;
    if (this.#readyCount() === 0 && this.#hasFailedForGood(member, stateBefore)) {
      this.killAll("the application can't be loaded any more");
      this.#options.onGiveUp(member.failure ?? endedWhileLoading(death));
      return;
    }
    const failures = failuresAfterDeath(this.#failuresOf(member), {
      state: stateBefore,
      nowMs: nowMs(),
      wasOurKill: member.killedFor !== null,
    });
    this.#failures[member.slot] = failures;
    const pauseMs = pauseBeforeRestartMs(failures);
    const reason = member.failure === null ? death.cause : `${death.cause}; ${member.failure.message}`;
    log.error(
      { [name]: member.number, pid: member.handle.pid, cause: death.cause, nextStartMs: pauseMs },
      `${name} ${member.number} ended (${reason}); another is started ${pauseMs === 0 ? "now" : `in ${pauseMs} ms`}`,
    );
    this.#restarts++;
    const restart = () => {
      // Another may have taken the slot during the pause, or it is gone.
      if (!this.#isTaken(member.slot)) this.#startMember(member.slot, member.succeeds);
    };
    if (pauseMs === 0) restart();
    else this.#after(pauseMs, restart);
  }

  /** A worker that says so after it was ready has made its own tries; one that never was gets a few. */
  #hasFailedForGood(member: Member, stateBefore: WorkerState): boolean {
    if (stateBefore.is === "ready") return member.failure !== null;
    return this.#failuresOf(member) >= lastTry;
  }

  #failuresOf(member: Member): number {
    return this.#failures[member.slot] ?? 0;
  }

  #readyCount(): number {
    let count = 0;
    for (const member of this.#members) if (member.state.is === "ready") count++;
    return count;
  }

  #forget(timer: NodeJS.Timeout | null): void {
    if (timer === null) return;
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  #after(delayMs: number, action: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#isStopping) action();
    }, delayMs);
    this.#timers.add(timer);
    return timer;
  }
}

/** What a CPU has to do for a worker until it serves a small application, in milliseconds (Node 26). */
const loadsForMs = 100;
/** A replacement that fails to load while none is ready is tried this often before the server gives up. */
const lastTry = 5;

function slotsFrom(first: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index);
}

function msUntil(member: Member): number {
  return member.state.is === "draining" ? Math.max(0, member.state.stopByMs - nowMs()) : 0;
}

function stopping(): SwitchyardError {
  return new SwitchyardError("SY_STOPPING", {
    saw: "The server is stopping.",
    fix: "Start it again, then repeat the command.",
  });
}

/** Of a worker that can't say itself what it waits for. */
function stuckWhileLoading(startTimeoutMs: number, heldBy: BlockedReport | null): SwitchyardError {
  const [innermost, ...callers] = heldBy?.stack ?? [];
  if (innermost === undefined) {
    return new SwitchyardError("SY_APP_SLOW", {
      saw: `The application was not ready after ${startTimeoutMs} ms, and its worker did not say why.`,
      fix: "Look for an endless loop, or a synchronous call that never returns, at the top level of the application, or raise startTimeoutMs.",
    });
  }
  const from = callers.slice(0, callersToldOf).map((frame) => `, called from ${frame}`);
  return new SwitchyardError("SY_APP_SLOW", {
    saw: `The application was not ready after ${startTimeoutMs} ms: its own code held the worker, at ${innermost}${from.join("")}.`,
    fix: "Look there for a loop that does not end or a synchronous call that takes long, or raise startTimeoutMs.",
  });
}

/** Of those that called what held a worker; the log has all. */
const callersToldOf = 2;

function endedWhileLoading(death: Death): SwitchyardError {
  return new SwitchyardError("SY_APP_EXITED", {
    saw: `The application ended its own process while it was being loaded (${death.cause}).`,
    fix: "Remove the call of process.exit(), or look above for what the application or Node printed.",
    cause: death.error,
  });
}
