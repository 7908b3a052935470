// Semaphores: at most so many at once.
//
// Fair: a permit that is released goes to whoever has waited longest, and a newcomer never overtakes them. Where the idea
// comes from: gevent's Semaphore and BoundedSemaphore; Dijkstra's P and V are acquire and release.

import { GreenletError } from "../errors.ts";
import { taskFor, timeoutPassed, type WaitOptions } from "../wait.ts";
import { WaitList } from "./wait-list.ts";

export class Semaphore {
  readonly #waiting = new WaitList<true>("a semaphore");
  #free: number;

  /** @param permits How many may hold it at once. Default 1. */
  constructor(permits = 1) {
    if (!Number.isInteger(permits) || permits < 0) {
      throw new GreenletError("ERR_INVALID_ARGUMENT", {
        saw: `A semaphore was asked for with ${String(permits)} permits.`,
        fix: "Give it a whole number, 0 or more.",
      });
    }
    this.#free = permits;
  }

  /** How many permits can be taken now. */
  get free(): number {
    return this.#free;
  }

  /** How many wait for a permit. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Takes a permit, and parks until there is one.
   *
   * @returns `false` when the timeout passed first.
   * @throws {GreenletError} `ERR_NOT_IN_GREENLET` outside a greenlet, also where a permit is free.
   */
  acquire(options: WaitOptions = {}): boolean {
    taskFor(this.acquire);
    return this.tryAcquire() || this.#waiting.park(this.acquire, options, undefined) !== timeoutPassed;
  }

  /** As `acquire`, for code outside a greenlet. */
  async acquireAsync(options: WaitOptions = {}): Promise<boolean> {
    return this.tryAcquire() || (await this.#waiting.promise(options, undefined)) !== timeoutPassed;
  }

  /** Takes a permit if one is free. Never waits, so that it works anywhere. */
  tryAcquire(): boolean {
    if (this.#free === 0) return false;
    this.#free--;
    return true;
  }

  /** Gives a permit back; anybody may. */
  release(): void {
    if (this.#waiting.give(true) === null) this.#free++;
  }

  /** Runs `body` with a permit, which is given back however it ends. @throws {GreenletError} `ERR_WAIT_TIMEOUT`. */
  use<T>(body: () => T, options: WaitOptions = {}): T {
    using _ = this.hold(options);
    return body();
  }

  /** `using permit = semaphore.hold()`: takes a permit until the end of the block. @throws {GreenletError} `ERR_WAIT_TIMEOUT`. */
  hold(options: WaitOptions = {}): Disposable {
    taskFor(this.hold);
    if (!this.acquire(options)) throw notInTime("The semaphore", options);
    return releaseOnce(() => this.release());
  }
}

/** A semaphore that can't be released more often than it was acquired: more is a bug, and says so. */
export class BoundedSemaphore extends Semaphore {
  readonly #permits: number;

  constructor(permits = 1) {
    super(permits);
    this.#permits = permits;
  }

  /** @throws {GreenletError} `ERR_INVALID_STATE` when all permits are there already. */
  override release(): void {
    if (this.free >= this.#permits) {
      throw new GreenletError("ERR_INVALID_STATE", {
        saw: `A semaphore of ${this.#permits} was released more often than it was acquired.`,
        fix: "Release once for each acquire() that returned true.",
      });
    }
    super.release();
  }
}

/** Something to put after `using`; calls `release` once. */
export function releaseOnce(release: () => void): Disposable {
  let isHeld = true;
  return {
    [Symbol.dispose]() {
      if (!isHeld) return;
      isHeld = false;
      release();
    },
  };
}

export function notInTime(what: string, { timeout }: WaitOptions): GreenletError {
  return new GreenletError("ERR_WAIT_TIMEOUT", {
    saw: `${what} was not free within ${timeout} ms.`,
    fix: "Give it more time, or hold it for shorter.",
  });
}
