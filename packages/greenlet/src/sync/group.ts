// Greenlets that belong together: what one of them does to the others, and to whoever waits for them.
//
// Structured, as Trio's nurseries are (Smith, "Notes on structured concurrency", 2018): when a member fails, the others are
// killed; join() waits until every one has ended, and then throws that first error. So an error is never lost and no member
// outlives the group. A pool is a group that runs at most so many at once.
//
//            spawn                a member fails                    all have ended, join() throws
//   open ───────────► open ─────────────────────────► cancelling ───────────────────────────────► open, empty

import { type AnyFunction, GreenletError, GreenletExit } from "../errors.ts";
import type { Greenlet, KillOptions } from "../greenlet.ts";
import { current, spawn } from "../spawn.ts";
import { runningTask } from "../switching.ts";
import { taskFor, type WaitOptions } from "../wait.ts";
import { Event } from "./event.ts";
import { killAll } from "./waitable.ts";

export interface GroupOptions {
  /**
   * Whether a member that fails cancels the others and makes join() throw. With `false`, its error is its own: an unhandled
   * rejection unless somebody gets, links or awaits that member. Default `true`.
   */
  readonly cancelOnFailure?: boolean;
}

export interface MapOptions {
  /** How many may run, or wait to be taken, at once. Default: the size of a pool; in a group, all. */
  readonly concurrency?: number;
}

/** What the group does about a member's error: it is the group's, the member's own, or that of the map() that made it. */
export type ErrorOwner = "group" | "member" | "map";

export class Group {
  readonly #members = new Set<Greenlet>();
  readonly #empty = new Event();
  readonly #cancelOnFailure: boolean;
  /** Who made it, and should join it. */
  readonly #maker = current();
  /** The greenlet that runs the body of Group.run(), for as long as it does. */
  #runner: Greenlet | null = null;
  #errors: unknown[] = [];
  #joiners = 0;

  constructor({ cancelOnFailure = true }: GroupOptions = {}) {
    this.#cancelOnFailure = cancelOnFailure;
    this.#empty.set();
  }

  /**
   * Runs `body` with a new group, and waits for the members that it spawned. When a member fails, `body` is interrupted
   * where it waits; when `body` throws, the members are killed. When this returns or throws, everything has ended.
   */
  static run<T>(body: (group: Group) => T): T {
    taskFor(Group.run);
    const group = new Group();
    let value: T;
    try {
      group.#runner = current();
      value = body(group);
    } catch (error) {
      group.#stopInterrupting();
      const { firstError } = group.#endAll();
      throw firstError === null ? error : firstError.error;
    }
    group.#stopInterrupting();
    group.join();
    return value;
  }

  /** How many members have not ended. */
  get size(): number {
    return this.#members.size;
  }

  has(greenlet: Greenlet): boolean {
    return this.#members.has(greenlet);
  }

  /** The members that have not ended, oldest first. */
  [Symbol.iterator](): Iterator<Greenlet> {
    return [...this.#members].values();
  }

  /** Errors of members since the last join(), the first one first. */
  get errors(): readonly unknown[] {
    return this.#errors;
  }

  /** Starts `fn(...args)` as a member. @throws {GreenletError} `ERR_INVALID_STATE` while the group is being cancelled. */
  spawn<A extends unknown[], T>(fn: (...args: A) => T, ...args: A): Greenlet<Awaited<T>> {
    this.#assertOpen();
    this.enter(this.spawn);
    return this.startEntered(() => spawn(fn, ...args));
  }

  /** Makes a greenlet a member. */
  add(greenlet: Greenlet): void {
    if (this.#members.has(greenlet)) return;
    this.#assertOpen();
    this.enter(this.add);
    this.startEntered(() => greenlet);
  }

  /** Lets a member go: it runs on, and what becomes of it does not concern the group. */
  discard(greenlet: Greenlet): void {
    this.#remove(greenlet);
  }

  /** Runs `fn(...args)` as a member and returns its value, or throws its error. */
  apply<A extends unknown[], T>(fn: (...args: A) => T, ...args: A): Awaited<T> {
    taskFor(this.apply);
    const [value] = this.map((values) => fn(...values), [args]);
    return value as Awaited<T>; // one for one item
  }

  /**
   * Runs `fn` for each item, as many at once as there is room for.
   *
   * @returns The values, in the order of the items.
   * @throws The first error of any; the others are killed and have ended. It is not the group's.
   */
  map<I, T>(fn: (item: I) => T, items: Iterable<I>, options: MapOptions = {}): Awaited<T>[] {
    taskFor(this.map);
    checkMapped(fn, items);
    return [...this.#mapped(fn, items, { ...options, isOrdered: true })];
  }

  /** As `map`, each value as soon as those before it have been taken. Items are read when there is room for them. */
  imap<I, T>(fn: (item: I) => T, items: Iterable<I>, options: MapOptions = {}): Generator<Awaited<T>, void> {
    checkMapped(fn, items);
    return this.#mapped(fn, items, { ...options, isOrdered: true });
  }

  /** As `imap`, each value as soon as it is there. */
  imapUnordered<I, T>(fn: (item: I) => T, items: Iterable<I>, options: MapOptions = {}): Generator<Awaited<T>, void> {
    checkMapped(fn, items);
    return this.#mapped(fn, items, { ...options, isOrdered: false });
  }

  /**
   * Waits until every member has ended, then throws the error of the first that failed, if one did.
   *
   * @returns `false` when the timeout passed first.
   */
  join(options: WaitOptions = {}): boolean {
    taskFor(this.join);
    this.#joiners++;
    try {
      if (!this.#empty.wait(options)) return false;
    } finally {
      this.#joiners--;
    }
    this.#throwFirst();
    return true;
  }

  /** As `join`, for code outside a greenlet. */
  async joinAsync(options: WaitOptions = {}): Promise<boolean> {
    this.#joiners++;
    try {
      if (!(await this.#empty.waitAsync(options))) return false;
    } finally {
      this.#joiners--;
    }
    this.#throwFirst();
    return true;
  }

  /** Kills every member; with `block`, waits until all have ended. @returns Whether all have ended. */
  kill(reason: unknown = new GreenletExit(), options: KillOptions = {}): boolean {
    return killAll(this.#members, reason, options);
  }

  /** `using group = new Group()`: kills what has not ended, and in a greenlet waits for it. */
  [Symbol.dispose](): void {
    if (runningTask() === null) this.kill();
    else this.#endAll();
  }

  /** `await using group = new Group()`, in async code. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#empty.waitAsync();
    this.#errors = [];
  }

  /** What runs at once where map() is not told. */
  protected get room(): number {
    return Infinity;
  }

  /** Called before a member is made, and when one has ended or was let go. A pool counts its places there. */
  protected enter(_caller: AnyFunction): void {}
  protected leave(): void {}

  #adopt<T>(greenlet: Greenlet<T>, owner: ErrorOwner): Greenlet<T> {
    this.#members.add(greenlet);
    this.#empty.clear();
    const ended = () => this.#memberEnded(greenlet, owner);
    if (owner === "member") greenlet.onEnd(ended);
    else greenlet.link(ended);
    return greenlet;
  }

  #memberEnded(greenlet: Greenlet, owner: ErrorOwner): void {
    const isMember = this.#members.has(greenlet);
    if (isMember && owner === "group" && !greenlet.successful) this.#fail(greenlet.exception);
    this.#remove(greenlet);
  }

  #fail(error: unknown): void {
    this.#errors.push(error);
    if (this.#errors.length > 1) return;
    this.kill();
    this.#runner?.interrupt(error);
  }

  #remove(greenlet: Greenlet): void {
    if (!this.#members.delete(greenlet)) return;
    this.leave();
    if (this.#members.size > 0) return;
    this.#empty.set();
    if (this.#errors.length > 0) this.#reportUnlessJoined();
  }

  /** An error that nobody will join for becomes an unhandled rejection, at the latest when the group's maker has ended. */
  #reportUnlessJoined(): void {
    const report = () => {
      if (this.#joiners === 0 && this.#errors.length > 0) void Promise.reject(this.#errors[0]);
    };
    if (this.#maker === null) report();
    else this.#maker.onEnd(report);
  }

  #stopInterrupting(): void {
    for (const error of this.#errors) this.#runner?.withdraw(error);
    this.#runner = null;
  }

  /** Kills what has not ended and waits for it, however often that wait is interrupted. */
  #endAll(): { firstError: { readonly error: unknown } | null } {
    let interrupt: { readonly reason: unknown } | null = null;
    this.#joiners++;
    while (this.#members.size > 0) {
      try {
        this.kill();
        this.#empty.wait();
      } catch (reason) {
        interrupt ??= { reason };
      }
    }
    this.#joiners--;
    const [first] = this.#errors;
    const firstError = this.#errors.length > 0 ? { error: first } : null;
    this.#errors = [];
    if (interrupt !== null && firstError === null) throw interrupt.reason;
    return { firstError };
  }

  #throwFirst(): void {
    if (this.#errors.length === 0) return;
    const [first] = this.#errors;
    this.#errors = [];
    throw first;
  }

  *#mapped<I, T>(
    fn: (item: I) => T,
    items: Iterable<I>,
    { concurrency = this.room, isOrdered }: MapOptions & { isOrdered: boolean },
  ): Generator<Awaited<T>, void> {
    taskFor(isOrdered ? this.imap : this.imapUnordered);
    const left = items[Symbol.iterator]();
    // In the order in which they are taken: as they were started, or as they end.
    const next: Greenlet<Awaited<T>>[] = [];
    const running = new Set<Greenlet<Awaited<T>>>();
    const aMemberEnded = new Event();
    let failed: Greenlet<Awaited<T>> | null = null;
    let untaken = 0;
    const ended = (greenlet: Greenlet<Awaited<T>>) => {
      running.delete(greenlet);
      if (!greenlet.successful) failed ??= greenlet;
      if (!isOrdered) next.push(greenlet);
      aMemberEnded.set();
    };
    try {
      for (let hasMore = true; hasMore || untaken > 0; ) {
        while (hasMore && untaken < concurrency && failed === null) {
          const item = left.next();
          hasMore = !item.done;
          if (item.done) continue;
          const greenlet = this.#enterAndStart(this.map, "map", () => spawn(fn, item.value));
          greenlet.link(ended);
          running.add(greenlet);
          if (isOrdered) next.push(greenlet);
          untaken++;
        }
        // The compiler does not see that a link sets it.
        (failed as Greenlet<Awaited<T>> | null)?.get();
        if (next[0]?.ready) {
          untaken--;
          yield next.shift()!.get(); // there is one
        } else if (untaken > 0) {
          aMemberEnded.clear();
          aMemberEnded.wait();
        }
      }
    } finally {
      left.return?.();
      killAll(running, new GreenletExit(), { block: true });
    }
  }

  #enterAndStart<T>(caller: AnyFunction, owner: ErrorOwner, start: () => Greenlet<T>): Greenlet<T> {
    this.#assertOpen();
    this.enter(caller);
    return this.startEntered(start, owner);
  }

  /** Makes a member of what `start` gives; enter() has been called for it. */
  protected startEntered<T>(start: () => Greenlet<T>, owner?: ErrorOwner): Greenlet<T> {
    try {
      // Another member may have failed while this one waited to enter.
      this.#assertOpen();
      return this.#adopt(start(), owner ?? (this.#cancelOnFailure ? "group" : "member"));
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  #assertOpen(): void {
    if (this.#errors.length === 0 || this.#members.size === 0) return;
    throw new GreenletError("ERR_INVALID_STATE", {
      saw: "A member was to be added to a group that is being cancelled, because another member failed.",
      fix: "Wait with join(), which throws that member's error.",
    });
  }
}

/** Others have the two in the other order. */
function checkMapped(fn: unknown, items: unknown): void {
  const isIterable =
    items !== undefined && items !== null && typeof Reflect.get(Object(items), Symbol.iterator) === "function";
  if (typeof fn === "function" && isIterable) return;
  throw new GreenletError("ERR_INVALID_ARGUMENT", {
    saw: `A group was to map ${nameOf(items)} with ${nameOf(fn)}.`,
    fix: "Give it the function first, and then what can be iterated: map(fn, items).",
  });
}

function nameOf(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  return value === null ? "null" : typeof value === "object" ? "an object" : `a value of type ${typeof value}`;
}
