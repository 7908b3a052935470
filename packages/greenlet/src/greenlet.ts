// A greenlet: a function with its own stack, which can park in the middle and be resumed.
//
//           start            runs body             wait                     resumed
//   pending ─────► running ───────────► running ────────► parked ──────────────────► running
//      │ kill         │ body ends; a promise that it returned is waited for without the stack (parked)
//      ▼              ▼
//     done ◄──────── done     value, or exception; those who asked are told (ending.ts); nothing changes any more
//
// Greenlets know nothing of servers.

import { type InspectOptions, inspect } from "node:util";
import type { EndedBy } from "./addon.ts";
import { Ending } from "./ending.ts";
import { withoutOwnFrames } from "./error-frames.ts";
import { type AnyFunction, GreenletError, GreenletExit } from "./errors.ts";
import { hubLimits, type Link } from "./limits.ts";
import { overRunLimit } from "./preemption.ts";
import { endWhenInterrupted, framesOf, runningTask, startTask, type Wakeable } from "./switching.ts";
import { isThenable } from "./thenable.ts";
import { startTimer } from "./timer.ts";
import { isUnderTimeLimit } from "./vm-time-limits.ts";
import { parkUntil, type WaitOptions } from "./wait.ts";
import { runSoon } from "./waiter.ts";
import { tellEnded, tellSpawned } from "./watching.ts";

export type GreenletState = "pending" | "running" | "parked" | "done";

export interface KillOptions {
  /** Whether to wait until the greenlet has ended; only inside another greenlet. Default `false`. */
  readonly block?: boolean;
  /** How long `block` waits, in milliseconds. Default: as long as it takes. */
  readonly timeout?: number;
}

let nextId = 1;

export class Greenlet<T = unknown> extends Ending<T> {
  /** Counts from 1 in each thread. */
  readonly id: number;
  /** For people: the function's name, or "greenlet 7". */
  name: string;

  /** @internal Its place among those that are alive. */
  admission: Link | null = null;
  #body: (() => unknown) | null;
  #state: GreenletState = "pending";
  #isStarted = false;
  /** What the body returned or threw. */
  #result: unknown = undefined;
  #hasThrown = false;
  #waiter: Wakeable | null = null;
  /** To be thrown from its next waits, one each: they came while it ran, or when it had been woken and not yet resumed. */
  #interrupts: unknown[] | null = null;
  #stopStartTimer: (() => void) | null = null;
  #controller: AbortController | null = null;
  #locals: Map<unknown, unknown> | null = null;
  #wasKilled = false;
  /** The kill that came while an interrupt had parked it, until it is thrown. */
  #unseenKill: { readonly reason: unknown } | null = null;
  #isExpectedToEnd = true;

  /** A greenlet that runs `body` once `start()` is called. Inherits the AsyncLocalStorage stores of this moment. */
  constructor(body: () => T | PromiseLike<T>, name: string) {
    super();
    this.id = nextId++;
    this.name = name || `greenlet ${this.id}`;
    this.#body = body;
  }

  get state(): GreenletState {
    return this.#state;
  }

  /** Starts it in the next microtask, in order. Does nothing when it was started before. */
  start(): this {
    if (this.#isStarted) return this;
    hubLimits.admit(this);
    this.#isStarted = true;
    tellSpawned(this);
    runSoon(() => this.#beginOrFail());
    return this;
  }

  /** As `start()`, after `ms` milliseconds. It counts as alive from now on, and a kill before then means that it never runs. */
  startLater(ms: number): this {
    if (typeof ms !== "number" || Number.isNaN(ms)) {
      throw new GreenletError("ERR_INVALID_ARGUMENT", {
        saw: `A greenlet was to start after ${String(ms)} ms.`,
        fix: "Give a number of milliseconds.",
      });
    }
    if (this.#isStarted) return this;
    hubLimits.admit(this);
    this.#isStarted = true;
    tellSpawned(this);
    this.#stopStartTimer = startTimer(ms, () => this.#beginOrFail());
    return this;
  }

  /**
   * Starts it before returning; it runs until it first parks, or to its end. In code that node:vm runs with a time limit, it
   * starts in the next microtask.
   *
   * @throws {GreenletError} `ERR_TOO_MANY_GREENLETS`.
   */
  startNow(): this {
    if (this.#isStarted) return this;
    if (isUnderTimeLimit()) return this.start();
    hubLimits.admit(this);
    this.#isStarted = true;
    tellSpawned(this);
    try {
      this.#begin();
    } catch (error) {
      this.observe();
      this.#finish(true, error);
      throw error;
    }
    return this;
  }

  /**
   * Waits until it has ended. Never throws its error.
   *
   * @returns `false` when the timeout passed first.
   * @throws {GreenletError} `ERR_NOT_IN_GREENLET` when it has not ended and the caller is in no greenlet.
   */
  join(options: WaitOptions = {}): boolean {
    return this.#joinFor(this.join, options);
  }

  /** Waits until it has ended; returns its value or throws its error. `ERR_WAIT_TIMEOUT` when the timeout passed first. */
  get(options: WaitOptions = {}): T {
    if (!this.#joinFor(this.get, options)) {
      throw new GreenletError("ERR_WAIT_TIMEOUT", {
        saw: `The greenlet "${this.name}" had not ended after ${options.timeout} ms.`,
        fix: "Give it more time, or kill it.",
      });
    }
    return this.takeOutcome();
  }

  /** Aborted, with the kill's reason, once it is killed: pass it to what it starts, such as fetch(). */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** Values that belong to this greenlet, by any key. Not inherited. */
  get locals(): Map<unknown, unknown> {
    this.#locals ??= new Map();
    return this.#locals;
  }

  /** @internal What whoever can resume or end it must have hold of; the last is of this wait alone. */
  get wakers(): readonly object[] {
    return this.#waiter === null ? [this] : [this, this.#waiter];
  }

  /** That it is still parked when the event loop is empty is expected, and no warning tells of it. */
  unref(): this {
    this.#isExpectedToEnd = false;
    return this;
  }

  /** Takes `unref()` back. */
  ref(): this {
    this.#isExpectedToEnd = true;
    return this;
  }

  /** Whether a warning tells of it when it is still parked as the event loop is empty. Default `true`. */
  hasRef(): boolean {
    return this.#isExpectedToEnd;
  }

  /** For people: what a parked greenlet waits for; empty when it waits for nothing. */
  get waitsFor(): string {
    if (this.#state !== "parked") return "";
    return this.#waiter === null && this.bodyEnded
      ? "the promise that its function returned"
      : (this.#waiter?.waitsFor ?? "");
  }

  /** The frames in which it is parked, or in which it runs; empty when it is not on a stack. */
  stack(): string {
    if (runningTask() === this) return withoutOwnFrames(String(new Error().stack));
    return this.#waiter === null ? "" : withoutOwnFrames(framesOf(this));
  }

  /**
   * Ends it: one that has not started never runs; in a parked one, `reason` is thrown from where it waits; the current
   * one throws `reason` at once; one that has started the current one, or was interrupted, gets it at its next wait. One that was
   * interrupted, and is so again before it waits, ends there, and none of its `catch` and `finally` runs. Only the first kill
   * counts.
   *
   * @param reason What is thrown. Default: a new `GreenletExit`, which counts as success.
   * @returns Whether it has ended.
   */
  kill(reason: unknown = new GreenletExit(), options: KillOptions = {}): boolean {
    if (this.#state !== "done" && !this.#wasKilled) {
      this.#wasKilled = true;
      this.#controller?.abort(reason);
      this.#kill(reason);
    }
    if (options.block !== true) return this.ready;
    return this.#joinFor(this.kill, options.timeout === undefined ? {} : { timeout: options.timeout });
  }

  /** `using greenlet = spawn(...)`: kills it, and in a greenlet waits until it has ended. */
  [Symbol.dispose](): void {
    if (this.ready) return;
    // Whoever disposes of it does not ask what became of it.
    this.observe();
    const self = runningTask();
    if (self === this) return;
    this.kill();
    if (self !== null && self.switchBans === 0) this.join();
  }

  /** `await using greenlet = spawn(...)`, in async code: kills it and waits until it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.observe();
    this.kill();
    await this.promise().catch(() => {});
  }

  /** @internal */
  override runBody(): void {
    const body = this.#body;
    this.#body = null;
    try {
      const result = body?.();
      if (result === this)
        throw new TypeError("A greenlet's function returned the greenlet itself, whose value would never come.");
      // Read here, where a getter that throws or waits is the greenlet's own.
      if (isThenable(result)) this.#result = Promise.resolve(result);
      else this.#result = result;
    } catch (error) {
      this.#hasThrown = true;
      this.#result = error;
    }
  }

  /** @internal */
  override leftStack(): void {
    const result = this.#result;
    this.#result = undefined;
    if (this.#hasThrown || !(result instanceof Promise)) {
      this.#finish(this.#hasThrown, result);
      return;
    }
    this.#state = "parked";
    result.then(
      (value) => this.#finish(false, value),
      (error) => this.#finish(true, error),
    );
  }

  /** @internal */
  override leftStackByForce(why: EndedBy): void {
    this.#finish(true, why === "killed" ? this.#unseenKill?.reason : overRunLimit(this.name));
  }

  /** What console.log shows: who it is and how it stands. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const outcome = !this.ready
      ? ""
      : this.successful
        ? ` with ${inspect(this.value, options)}`
        : ` failed with ${inspect(this.exception, options)}`;
    const waitsFor = this.waitsFor === "" ? "" : `, waits for ${this.waitsFor}`;
    return `Greenlet ${this.title.slice("greenlet ".length)} (${this.#state}${outcome}${waitsFor})`;
  }

  /** @internal */
  override get title(): string {
    const name = this.name === `greenlet ${this.id}` ? "" : ` ${JSON.stringify(this.name)}`;
    return `greenlet ${this.id}${name}`;
  }

  /** @internal */
  override beforeWait(): void {
    if (this.#interrupts === null) return;
    const reason = this.#interrupts.shift();
    if (this.#interrupts.length === 0) this.#interrupts = null;
    if (reason === this.#unseenKill?.reason) {
      this.#unseenKill = null;
      endWhenInterrupted(this, false);
    }
    throw reason;
  }

  /** @internal Throws `reason` from where it waits; from its next wait when it runs, or has been woken already. */
  interrupt(reason: unknown): void {
    if (this.bodyEnded || this.#waiter?.fail(reason)) return;
    this.#interrupts ??= [];
    this.#interrupts.push(reason);
  }

  /** @internal Takes an interrupt back that has not been thrown yet. */
  withdraw(reason: unknown): void {
    const left = this.#interrupts?.filter((each) => each !== reason) ?? [];
    this.#interrupts = left.length > 0 ? left : null;
  }

  /** @internal */
  override willPark(waiter: Wakeable): void {
    this.#waiter = waiter;
    this.#state = "parked";
  }

  /** @internal */
  override hasResumed(): void {
    this.#waiter = null;
    this.#state = "running";
  }

  #begin(): void {
    this.#state = "running";
    startTask(this);
  }

  #beginOrFail(): void {
    if (this.#state !== "pending") return;
    try {
      this.#begin();
    } catch (error) {
      this.#finish(true, error);
    }
  }

  #kill(reason: unknown): void {
    if (this.#state === "pending") {
      const wasStarted = this.#isStarted;
      this.#isStarted = true;
      if (!wasStarted) hubLimits.admit(this);
      this.#stopStartTimer?.();
      this.#finish(true, reason);
      return;
    }
    if (runningTask() === this) throw reason;
    // A promise that the body has returned is abandoned.
    if (this.bodyEnded) this.#finish(true, reason);
    else this.interrupt(reason);
    if (this.#state !== "running" || this.bodyEnded) return;
    this.#unseenKill = { reason };
    endWhenInterrupted(this, true);
  }

  #finish(hasFailed: boolean, outcome: unknown): void {
    if (this.#state === "done") return;
    this.#state = "done";
    this.#body = null;
    this.#locals = null;
    hubLimits.leave(this);
    this.settle(hasFailed && !(outcome instanceof GreenletExit), outcome, tellEnded);
  }

  #joinFor(caller: AnyFunction, options: WaitOptions): boolean {
    this.observe();
    if (this.#state === "done") return true;
    return parkUntil(caller, options, (wake) => this.link(wake));
  }
}
