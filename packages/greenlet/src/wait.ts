// Waiting: what parks the current greenlet until something outside it has happened.
//
// Each function here throws `ERR_NOT_IN_GREENLET` where nothing can be parked. While a greenlet is parked the event loop
// and the other greenlets run. Every wait takes a timeout and an AbortSignal.

import { type AnyFunction, GreenletError, notInGreenlet } from "./errors.ts";
import { runningTask, type Task } from "./switching.ts";
import { isThenable } from "./thenable.ts";
import { startTimer } from "./timer.ts";
import { Waiter } from "./waiter.ts";

export interface WaitOptions {
  /** The longest to wait, in milliseconds. Default: as long as it takes. */
  readonly timeout?: number;
  /** Ends the wait when it is aborted. */
  readonly signal?: AbortSignal;
}

/**
 * The value of a promise, once it has one; throws what it rejects with. Anything that is no promise is returned at once.
 * A promise that has settled already still lets others run once.
 *
 * @throws {GreenletError} `ERR_WAIT_TIMEOUT` after `timeout`; `ERR_NOT_IN_GREENLET` outside a greenlet;
 * `ERR_SWITCH_FORBIDDEN` inside withoutSwitching(). The signal's reason when it is aborted.
 */
export function wait<T>(value: T, options?: WaitOptions): Awaited<T> {
  const task = taskFor(wait);
  if (!isThenable(value)) return value as Awaited<T>; // what is not thenable is its own awaited value
  if (options !== undefined) checkOptions(options);
  const waiter = new Waiter(task, "a promise");
  Promise.resolve(value).then(
    (value) => waiter.resumeWithValue(value),
    (error) => waiter.resumeWithError(error),
  );
  const outcome = options === undefined ? waiter.park() : parkWithin(waiter, options);
  if (outcome === timeoutPassed) throw timedOut(wait, options);
  return outcome as Awaited<T>; // the promise of a T gives an Awaited<T>; the waiter carries it untyped
}

/** Lets others run for `ms` milliseconds; with no argument or 0, until the event loop has gone round once. */
export function sleep(ms = 0): void {
  if (typeof ms !== "number" || Number.isNaN(ms)) {
    throw new GreenletError("ERR_INVALID_ARGUMENT", {
      saw: `sleep() was given ${String(ms)}.`,
      fix: "Give it a number of milliseconds.",
    });
  }
  const waiter = new Waiter(taskFor(sleep), ms > 0 ? `a timer of ${ms} ms` : "the next turn of the event loop");
  const stop = ms > 0 ? startTimer(ms, () => waiter.resumeWithValue(undefined)) : startImmediate(waiter);
  try {
    waiter.park();
  } finally {
    stop();
  }
}

/** A function that waits for what `asyncFunction` returns, and returns its value. Keeps `this`. */
export function sync<This, A extends unknown[], R>(
  asyncFunction: (this: This, ...args: A) => R,
): (this: This, ...args: A) => Awaited<R> {
  return function (this: This, ...args: A) {
    return wait(asyncFunction.apply(this, args));
  };
}

/** Runs `body` with waiting forbidden in this greenlet: what it reads and writes is not interleaved with others. */
export function withoutSwitching<T>(body: () => T): T {
  const task = runningTask();
  if (task === null) return body();
  task.switchBans++;
  try {
    return body();
  } finally {
    task.switchBans--;
  }
}

/**
 * Parks until the callback given to `arrange` is called. `arrange` returns what takes that back.
 *
 * @returns `false` when the timeout passed first.
 * @throws The signal's reason when it is aborted.
 */
export function parkUntil(
  caller: AnyFunction,
  options: WaitOptions,
  arrange: (wake: () => void) => () => void,
): boolean {
  const task = taskFor(caller);
  checkOptions(options);
  const waiter = new Waiter(task, `${caller.name}()`);
  const takeBack = arrange(() => void waiter.wake());
  try {
    return (isUnbounded(options) ? waiter.park() : parkWithin(waiter, options)) !== timeoutPassed;
  } finally {
    takeBack();
  }
}

/** The running greenlet. @throws {GreenletError} `ERR_NOT_IN_GREENLET`, naming `caller`. */
export function taskFor(caller: AnyFunction): Task {
  const task = runningTask();
  if (task === null) throw notInGreenlet(caller);
  return task;
}

/** Whether nothing ends a wait early. Such a wait parks without `parkWithin`, whose frame many parked greenlets would keep. */
export function isUnbounded(options: WaitOptions): boolean {
  return options.timeout === undefined && options.signal === undefined;
}

/** What `parkWithin` gives when the timeout passed first. */
export const timeoutPassed = Symbol("the timeout passed");

/** As `waiter.park()`, ended by the options too: with `timeoutPassed`, or by throwing the signal's reason. */
export function parkWithin(waiter: Waiter, { timeout, signal }: WaitOptions): unknown {
  const stop =
    timeout === undefined || timeout === Infinity
      ? undefined
      : startTimer(timeout, () => waiter.resumeWithValue(timeoutPassed));
  const abort = () => void waiter.fail(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return waiter.park();
  } finally {
    stop?.();
    signal?.removeEventListener("abort", abort);
  }
}

/** @throws {GreenletError} `ERR_INVALID_ARGUMENT`; the signal's reason when it is aborted already. */
export function checkOptions({ timeout, signal }: WaitOptions): void {
  if (timeout !== undefined && !(typeof timeout === "number" && timeout >= 0)) {
    throw new GreenletError("ERR_INVALID_ARGUMENT", {
      saw: `The option timeout is ${String(timeout)}.`,
      fix: "Give it a number of milliseconds, 0 or more, or leave it out to wait without a limit.",
    });
  }
  signal?.throwIfAborted();
}

function startImmediate(waiter: Waiter): () => void {
  const immediate = setImmediate(() => waiter.resumeWithValue(undefined));
  return () => clearImmediate(immediate);
}

function timedOut(caller: AnyFunction, options: WaitOptions | undefined): GreenletError {
  const error = new GreenletError("ERR_WAIT_TIMEOUT", {
    saw: `The promise had not settled after ${options?.timeout} ms.`,
    fix: "Give it more time, or see why it takes so long.",
  });
  Error.captureStackTrace(error, caller);
  return error;
}
