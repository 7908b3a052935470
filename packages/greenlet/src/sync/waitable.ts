// Waiting for several things, and for things that are no promises: events of emitters, and asynchronous iterations.

import { type EventEmitter, once } from "node:events";
import type { Unlink } from "../ending.ts";
import { GreenletExit } from "../errors.ts";
import type { Greenlet, KillOptions } from "../greenlet.ts";
import { taskFor, type WaitOptions, wait } from "../wait.ts";
import { Event } from "./event.ts";

/** What joinAll() and iwait() wait for: a Greenlet, an Event, an AsyncResult. */
export interface Waitable {
  readonly ready: boolean;
  /** Calls back once it is ready, on the main stack. */
  link(callback: () => void): Unlink;
}

export interface IterateOptions extends WaitOptions {
  /** End after so many. Default: all. */
  readonly count?: number;
}

export interface JoinAllOptions extends IterateOptions {
  /** Whether to throw the error of the first one that failed. Default `false`. */
  readonly raise?: boolean;
}

/** The given things, each as it becomes ready. Ends when all have, after `count`, or when the timeout for all has passed. */
export function* iwait<W extends Waitable>(waitables: Iterable<W>, options: IterateOptions = {}): Generator<W, void> {
  taskFor(iwait);
  const { timeout, signal, count = Infinity } = options;
  const endsAtMs = performance.now() + (timeout ?? Infinity);
  const ready: W[] = [];
  const arrived = new Event();
  const all = [...waitables];
  const unlinks = all.map((each) =>
    each.link(() => {
      ready.push(each);
      arrived.set();
    }),
  );
  try {
    for (let left = Math.min(count, all.length); left > 0; left--) {
      const leftMs = Math.max(0, endsAtMs - performance.now());
      if (!arrived.wait(signal === undefined ? { timeout: leftMs } : { timeout: leftMs, signal })) return;
      if (ready.length === 1) arrived.clear();
      yield ready.shift() as W; // whoever set the event has put one there
    }
  } finally {
    for (const unlink of unlinks) unlink();
  }
}

/** Waits for all of them, or the first `count`; returns those that are ready, in the order in which they became so. */
export function joinAll<W extends Waitable>(waitables: Iterable<W>, options: JoinAllOptions = {}): W[] {
  taskFor(joinAll);
  const ready: W[] = [];
  for (const each of iwait(waitables, options)) {
    ready.push(each);
    if (options.raise && hasFailed(each)) throw each.exception;
  }
  return ready;
}

/** Kills all of them, then, with `block`, waits until all have ended. @returns Whether all have ended. */
export function killAll(
  greenlets: Iterable<Greenlet>,
  reason: unknown = new GreenletExit(),
  options: KillOptions = {},
): boolean {
  const all = [...greenlets];
  // The current one last: its own kill throws.
  const others = all.filter((greenlet) => greenlet.state !== "running");
  for (const greenlet of others) greenlet.kill(reason);
  for (const greenlet of all) if (!others.includes(greenlet)) greenlet.kill(reason);
  if (options.block) joinAll(all, options.timeout === undefined ? {} : { timeout: options.timeout });
  return all.every((greenlet) => greenlet.ready);
}

function hasFailed(waitable: Waitable): waitable is Waitable & { readonly exception: unknown } {
  return "successful" in waitable && waitable.successful === false && "exception" in waitable;
}

/**
 * Parks until the emitter emits `name`, and returns the event's arguments. An `error` event of an EventEmitter is thrown. An
 * event that comes before this is called, or between two calls, is missed: `iterate(on(emitter, name))` misses none.
 */
export function waitEvent(
  emitter: EventEmitter | EventTarget,
  name: string | symbol,
  options: WaitOptions = {},
): unknown[] {
  taskFor(waitEvent);
  const listening = new AbortController();
  // `once` has a form for each of the two, and the name of an EventTarget's event is a string.
  const event = once(emitter as EventEmitter, name, { signal: listening.signal });
  try {
    return wait(event, options);
  } finally {
    // A wait that has failed leaves no listener.
    listening.abort();
  }
}

/** `for (const item of iterate(stream))`, in a greenlet: an asynchronous iteration as a plain one. */
export function* iterate<T>(source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>): Generator<Awaited<T>, void> {
  taskFor(iterate);
  if (!(Symbol.asyncIterator in source)) {
    for (const item of source) yield wait(item) as Awaited<T>; // what the promise of a T gives
    return;
  }
  const items = source[Symbol.asyncIterator]();
  let hasEnded = false;
  try {
    for (;;) {
      const next = wait(items.next());
      if (next.done) {
        hasEnded = true;
        return;
      }
      yield next.value as Awaited<T>; // an asynchronous iterator gives no promises
    }
  } finally {
    // Also after an error of the source itself, which has then ended and takes this without harm.
    if (!hasEnded && items.return) wait(items.return());
  }
}
