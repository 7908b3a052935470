// Making greenlets from functions.

import { Greenlet } from "./greenlet.ts";
import { runningTask } from "./switching.ts";

/**
 * A greenlet that runs `fn(...args)`, started in the next microtask, in order, before any input or output.
 *
 * @throws {GreenletError} `ERR_TOO_MANY_GREENLETS`; `ERR_ADDON_UNAVAILABLE` at the first use.
 */
export function spawn<A extends unknown[], T>(fn: (...args: A) => T, ...args: A): Greenlet<Awaited<T>> {
  return greenletFor(fn, undefined, args).start();
}

/**
 * As `spawn`, but started before it returns: it has then run until its first wait, or to its end. What a server uses for
 * a request, because listeners attached later would miss events.
 */
export function spawnNow<A extends unknown[], T>(fn: (...args: A) => T, ...args: A): Greenlet<Awaited<T>> {
  return greenletFor(fn, undefined, args).startNow();
}

/** As `spawn`, started after `ms` milliseconds. It counts as alive meanwhile; killed before, it never runs. */
export function spawnLater<A extends unknown[], T>(
  ms: number,
  fn: (...args: A) => T,
  ...args: A
): Greenlet<Awaited<T>> {
  return greenletFor(fn, undefined, args).startLater(ms);
}

/** A function that runs `fn` in a greenlet of its own, started at once, and returns a promise of its value. Keeps `this`. */
export function greenletify<This, A extends unknown[], R>(
  fn: (this: This, ...args: A) => R,
): (this: This, ...args: A) => Promise<Awaited<R>> {
  const inGreenlet = function (this: This, ...args: A) {
    return greenletFor(fn, this, args).startNow().promise();
  };
  // Frameworks read them: Express tells error handlers from others by the number of parameters.
  Object.defineProperty(inGreenlet, "length", { value: fn.length, configurable: true });
  Object.defineProperty(inGreenlet, "name", { value: fn.name, configurable: true });
  return inGreenlet;
}

/** The greenlet that runs at this moment; null on the main stack. */
export function current(): Greenlet | null {
  // Greenlet is the only kind of task.
  return runningTask() as Greenlet | null;
}

/** Whether this code may wait. */
export function inGreenlet(): boolean {
  return runningTask() !== null;
}

function greenletFor<This, A extends unknown[], T>(
  fn: (this: This, ...args: A) => T,
  thisValue: This,
  args: A,
): Greenlet<Awaited<T>> {
  // Where there is nothing to pass, one frame less lies on the stack for as long as the greenlet lives.
  const isBare = thisValue === undefined && args.length === 0;
  // A greenlet waits for a promise that its body returns, so its value is an Awaited<T>.
  const body = (isBare ? fn : () => Reflect.apply(fn, thisValue, args)) as () => Awaited<T>;
  return new Greenlet(body, fn.name);
}
