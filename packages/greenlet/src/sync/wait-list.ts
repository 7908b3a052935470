// Who waits for one thing, in the order in which they came: what every primitive in this folder is built on.
//
// A waiter is a greenlet that parks or a promise that somebody awaits. What it waits for is handed to it: once `give` has
// returned, that waiter gets the value, whatever happens before it runs again. A waiter that was killed, aborted or timed
// out before is passed over, and the next one gets the value, so that no wake-up is lost.

import { type AnyFunction, GreenletError } from "../errors.ts";
import { startTimer } from "../timer.ts";
import { checkOptions, isUnbounded, parkWithin, taskFor, timeoutPassed, type WaitOptions } from "../wait.ts";
import { Waiter } from "../waiter.ts";

export interface WaitEntry<T, P> {
  /** What the waiter brought along. */
  readonly payload: P;
  /** False when its wait has ended already. */
  deliver(value: T): boolean;
  /** Ends its wait with an error. False as above. */
  fail(error: unknown): boolean;
}

export class WaitList<T, P = undefined> {
  // A set keeps the order, and a waiter that gives up leaves it at no cost.
  readonly #entries = new Set<WaitEntry<T, P>>();
  readonly #name: string;

  /** `name` is what people read of a greenlet that waits in this list. */
  constructor(name: string) {
    this.#name = name;
  }

  /** How many wait at this moment. */
  get size(): number {
    return this.#entries.size;
  }

  /** Parks the greenlet until it is given a value. Returns `timeoutPassed` when it got none in time. */
  park(caller: AnyFunction, options: WaitOptions, payload: P): T | typeof timeoutPassed {
    const task = taskFor(caller);
    checkOptions(options);
    const waiter = new Waiter(task, this.#name);
    const entry: WaitEntry<T, P> = {
      payload,
      deliver: (value) => waiter.wake(value),
      fail: (error) => waiter.fail(error),
    };
    this.#entries.add(entry);
    try {
      const outcome = isUnbounded(options) ? waiter.park() : parkWithin(waiter, options);
      return outcome as T | typeof timeoutPassed; // what it is woken with comes from `deliver`
    } finally {
      this.#entries.delete(entry);
    }
  }

  /** As `park`, for code outside a greenlet: a promise. */
  async promise(options: WaitOptions, payload: P): Promise<T | typeof timeoutPassed> {
    checkOptions(options);
    const { timeout, signal } = options;
    const { promise, resolve, reject } = Promise.withResolvers<T | typeof timeoutPassed>();
    let hasEnded = false;
    const end = (settle: () => void) => {
      if (hasEnded) return false;
      hasEnded = true;
      this.#entries.delete(entry);
      stopTimer?.();
      signal?.removeEventListener("abort", abort);
      settle();
      return true;
    };
    const entry: WaitEntry<T, P> = {
      payload,
      deliver: (value) => end(() => resolve(value)),
      fail: (error) => end(() => reject(error)),
    };
    const abort = () => void entry.fail(signal?.reason);
    const stopTimer =
      timeout === undefined || timeout === Infinity
        ? undefined
        : startTimer(timeout, () => void end(() => resolve(timeoutPassed)));
    signal?.addEventListener("abort", abort, { once: true });
    this.#entries.add(entry);
    return promise;
  }

  /** Gives `value` to the one that has waited longest, and returns what it brought along, in a box; null for nobody. */
  give(value: T): { readonly payload: P } | null {
    for (const entry of this.#entries) {
      this.#entries.delete(entry);
      if (entry.deliver(value)) return entry;
    }
    return null;
  }

  /** Gives `value` to everybody that waits now. */
  giveAll(value: T): void {
    for (const entry of [...this.#entries]) {
      this.#entries.delete(entry);
      entry.deliver(value);
    }
  }

  /** Ends everybody's wait with an error. */
  failAll(errorFor: () => unknown): void {
    for (const entry of [...this.#entries]) {
      this.#entries.delete(entry);
      entry.fail(errorFor());
    }
  }
}

/** What a queue or channel throws that takes and gives nothing any more. */
export function shutDown(): GreenletError {
  return new GreenletError("ERR_SHUT_DOWN", {
    saw: "The queue or channel has been shut down.",
    fix: "Stop using it; loops over it end by themselves.",
  });
}
