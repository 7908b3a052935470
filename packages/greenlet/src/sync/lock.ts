// A lock that its holder may take again, and a condition to wait for under it.
//
// The owner is a greenlet, so neither works outside one; there a `Semaphore` of 1 does. Fair, as semaphores are.

import { GreenletError } from "../errors.ts";
import { runningTask, type Task } from "../switching.ts";
import { taskFor, timeoutPassed, type WaitOptions } from "../wait.ts";
import { notInTime, releaseOnce } from "./semaphore.ts";
import { WaitList } from "./wait-list.ts";

export class Lock {
  readonly #waiting = new WaitList<true, { task: Task; depth: number }>("a lock");
  #owner: Task | null = null;
  #depth = 0;

  get isLocked(): boolean {
    return this.#owner !== null;
  }

  /** Whether the current greenlet holds it. */
  get isMine(): boolean {
    return this.#owner !== null && this.#owner === runningTask();
  }

  /** How many wait for it. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Takes the lock, and parks until it is free. Its owner may take it again, and then must release it as often.
   *
   * @returns `false` when the timeout passed first.
   */
  acquire(options: WaitOptions = {}): boolean {
    return this.#acquire(taskFor(this.acquire), 1, options);
  }

  /** Takes the lock if that needs no wait. */
  tryAcquire(): boolean {
    return this.#take(taskFor(this.tryAcquire), 1);
  }

  /** @throws {GreenletError} `ERR_INVALID_STATE` when the current greenlet does not hold it. */
  release(): void {
    this.#assertMine("released");
    if (--this.#depth === 0) this.#handOver();
  }

  /** Runs `body` with the lock, which is released however it ends. @throws {GreenletError} `ERR_WAIT_TIMEOUT`. */
  use<T>(body: () => T, options: WaitOptions = {}): T {
    using _ = this.hold(options);
    return body();
  }

  /** `using held = lock.hold()`: takes the lock until the end of the block. @throws {GreenletError} `ERR_WAIT_TIMEOUT`. */
  hold(options: WaitOptions = {}): Disposable {
    if (!this.#acquire(taskFor(this.hold), 1, options)) throw notInTime("The lock", options);
    return releaseOnce(() => this.release());
  }

  /** @internal Releases it wholly, however often it was taken, and returns how often that was. */
  releaseAll(): number {
    this.#assertMine("waited under");
    const depth = this.#depth;
    this.#handOver();
    return depth;
  }

  /** @internal Takes it `depth` times. Whatever is thrown into the greenlet meanwhile is thrown once it has the lock again. */
  acquireAgain(depth: number): void {
    const task = taskFor(this.acquire);
    let interrupt: { readonly reason: unknown } | null = null;
    for (let hasIt = false; !hasIt; ) {
      try {
        hasIt = this.#acquire(task, depth, {});
      } catch (reason) {
        interrupt ??= { reason };
      }
    }
    if (interrupt !== null) throw interrupt.reason;
  }

  #acquire(task: Task, depth: number, options: WaitOptions): boolean {
    return this.#take(task, depth) || this.#waiting.park(this.acquire, options, { task, depth }) !== timeoutPassed;
  }

  #take(task: Task, depth: number): boolean {
    if (this.#owner !== null && this.#owner !== task) return false;
    this.#owner = task;
    this.#depth += depth;
    return true;
  }

  #handOver(): void {
    const next = this.#waiting.give(true);
    this.#owner = next?.payload.task ?? null;
    this.#depth = next?.payload.depth ?? 0;
  }

  #assertMine(done: string): void {
    if (this.isMine) return;
    throw new GreenletError("ERR_INVALID_STATE", {
      saw: `A lock was ${done} by something else than the greenlet that holds it.`,
      fix: "Acquire it first, in the same greenlet.",
    });
  }
}

export class Condition {
  /** What must be held to wait and to notify. */
  readonly lock: Lock;
  readonly #waiting = new WaitList<true>("a condition");

  constructor(lock: Lock = new Lock()) {
    this.lock = lock;
  }

  /** How many wait to be notified. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Releases the lock, parks until it is notified, and takes the lock again. Check what you waited for in a loop, or use
   * `waitFor`: another greenlet may have had the lock first.
   *
   * @returns `false` when the timeout passed first.
   * @throws {GreenletError} `ERR_INVALID_STATE` when the current greenlet does not hold the lock.
   */
  wait(options: WaitOptions = {}): boolean {
    taskFor(this.wait);
    const depth = this.lock.releaseAll();
    let wasNotified = false;
    let interrupt: { readonly reason: unknown } | null = null;
    try {
      wasNotified = this.#waiting.park(this.wait, options, undefined) !== timeoutPassed;
    } catch (reason) {
      interrupt = { reason };
    }
    try {
      this.lock.acquireAgain(depth);
    } catch (reason) {
      interrupt ??= { reason };
      // A notification that this greenlet will not act on belongs to the next.
      if (wasNotified) this.#waiting.give(true);
    }
    if (interrupt !== null) throw interrupt.reason;
    return wasNotified;
  }

  /** Waits until `isTrue` returns true, which is asked under the lock. False when the timeout passed first. */
  waitFor(isTrue: () => boolean, options: WaitOptions = {}): boolean {
    const endsAtMs = performance.now() + (options.timeout ?? Infinity);
    while (!isTrue()) {
      const leftMs = endsAtMs - performance.now();
      if (leftMs <= 0 || !this.wait({ ...options, timeout: leftMs })) return isTrue();
    }
    return true;
  }

  /** Wakes the `count` greenlets that have waited longest. @throws {GreenletError} `ERR_INVALID_STATE` without the lock. */
  notify(count = 1): void {
    if (!this.lock.isMine) {
      throw new GreenletError("ERR_INVALID_STATE", {
        saw: "A condition was notified by something else than the greenlet that holds its lock.",
        fix: "Acquire condition.lock first.",
      });
    }
    for (let left = count; left > 0 && this.#waiting.give(true) !== null; left--);
  }

  notifyAll(): void {
    this.notify(Infinity);
  }
}
