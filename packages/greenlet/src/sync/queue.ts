// Queues: items that one part of a program hands to another, in an order and within a bound.
//
// A consumer parks while there is nothing, a producer while there is no room, both in the order in which they came. An item
// is never lost: it is in the store, or has been given to one consumer, or its put() has thrown. Where the idea comes from:
// Python's queue module and gevent's, with the shutdown of Python 3.13.
//
//            put (room)          get
//   producer ─────────► store ─────────► consumer        put with a consumer waiting: past the store, to that one
//       │ put (full)      ▲
//       └──► waiting ─────┘ when a get makes room

import { GreenletError } from "../errors.ts";
import { taskFor, timeoutPassed, type WaitOptions } from "../wait.ts";
import { Event } from "./event.ts";
import { FifoStore, type ItemStore, LifoStore, PriorityStore } from "./item-stores.ts";
import { shutDown, WaitList } from "./wait-list.ts";

abstract class AnyQueue<T> {
  /** The most items that it holds. */
  readonly max: number;
  readonly #store: ItemStore<T>;
  readonly #getters = new WaitList<{ readonly item: T }>("an item of a queue");
  readonly #peekers = new WaitList<{ readonly item: T }>("an item of a queue");
  readonly #putters = new WaitList<true, { readonly item: T }>("room in a queue");
  readonly #allDone = new Event();
  #unfinished = 0;
  #isShutDown = false;

  constructor(store: ItemStore<T>, max: number) {
    if (!(max === Infinity || Number.isInteger(max)) || max < 1) {
      throw new GreenletError("ERR_INVALID_ARGUMENT", {
        saw: `A queue was asked for that holds ${String(max)} items.`,
        fix: "Give it a whole number, 1 or more, or nothing for no bound. A Channel holds none.",
      });
    }
    this.#store = store;
    this.max = max;
    this.#allDone.set();
  }

  /** How many items it holds. */
  get size(): number {
    return this.#store.size;
  }

  get isFull(): boolean {
    return this.size >= this.max;
  }

  get isShutDown(): boolean {
    return this.#isShutDown;
  }

  /** How many wait for an item, and for room. */
  get waiting(): { readonly getters: number; readonly putters: number } {
    return { getters: this.#getters.size + this.#peekers.size, putters: this.#putters.size };
  }

  /** Items that were put, and of which taskDone() has not been told. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /**
   * Adds an item, and parks while the queue is full. A queue without a bound never waits, and takes items from anywhere.
   *
   * @throws {GreenletError} `ERR_WAIT_TIMEOUT`; `ERR_SHUT_DOWN`; `ERR_NOT_IN_GREENLET` where it might have to wait.
   */
  put(item: T, options: WaitOptions = {}): void {
    if (this.max !== Infinity) taskFor(this.put);
    if (this.tryPut(item)) return;
    if (this.#putters.park(this.put, options, { item }) === timeoutPassed) throw notInTime("room", options);
  }

  /** As `put`, for code outside a greenlet. */
  async putAsync(item: T, options: WaitOptions = {}): Promise<void> {
    if (this.tryPut(item)) return;
    if ((await this.#putters.promise(options, { item })) === timeoutPassed) throw notInTime("room", options);
  }

  /** Adds an item if there is room. Never waits. @throws {GreenletError} `ERR_SHUT_DOWN`. */
  tryPut(item: T): boolean {
    if (this.#isShutDown) throw shutDown();
    if (this.isFull) return false;
    this.#add(item);
    return true;
  }

  /** Takes the next item, and parks until there is one. @throws {GreenletError} `ERR_WAIT_TIMEOUT`; `ERR_SHUT_DOWN`. */
  get(options: WaitOptions = {}): T {
    taskFor(this.get);
    const taken = this.#takeBoxed() ?? this.#getters.park(this.get, options, undefined);
    if (taken === timeoutPassed) throw notInTime("an item", options);
    return taken.item;
  }

  /** As `get`, for code outside a greenlet. */
  async getAsync(options: WaitOptions = {}): Promise<T> {
    const taken = this.#takeBoxed() ?? (await this.#getters.promise(options, undefined));
    if (taken === timeoutPassed) throw notInTime("an item", options);
    return taken.item;
  }

  /** Takes the next item; undefined when there is none. Never waits. */
  tryGet(): T | undefined {
    return this.size > 0 ? this.#takeBoxed()?.item : undefined;
  }

  /** The next item, which stays; parks until there is one. */
  peek(options: WaitOptions = {}): T {
    taskFor(this.peek);
    if (this.size > 0) return this.#store.peek();
    if (this.#isShutDown) throw shutDown();
    const seen = this.#peekers.park(this.peek, options, undefined);
    if (seen === timeoutPassed) throw notInTime("an item", options);
    return seen.item;
  }

  /** The next item, which stays; undefined when there is none. */
  tryPeek(): T | undefined {
    return this.size > 0 ? this.#store.peek() : undefined;
  }

  /** Says that an item that was taken is dealt with, for join(). @throws {GreenletError} `ERR_INVALID_STATE` when all are. */
  taskDone(): void {
    if (this.#unfinished === 0) {
      throw new GreenletError("ERR_INVALID_STATE", {
        saw: "taskDone() was called more often than items were put.",
        fix: "Call it once for each item that was taken.",
      });
    }
    this.#finish(1);
  }

  /** Parks until every item that was put has been dealt with. @returns `false` when the timeout passed first. */
  join(options: WaitOptions = {}): boolean {
    return this.#allDone.wait(options);
  }

  /** As `join`, for code outside a greenlet. */
  joinAsync(options: WaitOptions = {}): Promise<boolean> {
    return this.#allDone.waitAsync(options);
  }

  /**
   * Takes no items any more: put() throws `ERR_SHUT_DOWN`, also in those that wait for room, and so does get() once the
   * queue is empty. Loops over the queue end there.
   *
   * @param now Whether to drop the items that it still holds. Default `false`.
   */
  shutdown(now = false): void {
    this.#isShutDown = true;
    this.#putters.failAll(shutDown);
    if (now) {
      this.#finish(this.#store.size);
      this.#store.clear();
    }
    if (this.size > 0) return;
    this.#getters.failAll(shutDown);
    this.#peekers.failAll(shutDown);
  }

  /** `for (const item of queue)`, in a greenlet: until the queue is shut down and empty. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (;;) {
      const item = untilShutDown(() => ({ item: this.get() }));
      if (item === null) return;
      yield item.item;
    }
  }

  /** `for await (const item of queue)`, outside a greenlet. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      let item: T;
      try {
        item = await this.getAsync();
      } catch (error) {
        if (isShutDownError(error)) return;
        throw error;
      }
      yield item;
    }
  }

  #add(item: T): void {
    this.#unfinished++;
    this.#allDone.clear();
    this.#peekers.giveAll({ item });
    // Whoever waits for an item has seen an empty store, so this one is the next in any order.
    if (this.#getters.give({ item }) === null) this.#store.add(item);
  }

  /** The next item; null when there is none yet. */
  #takeBoxed(): { readonly item: T } | null {
    if (this.size === 0) {
      if (this.#isShutDown) throw shutDown();
      return null;
    }
    const item = this.#store.take();
    const putter = this.isFull ? null : this.#putters.give(true);
    if (putter !== null) this.#add(putter.payload.item);
    return { item };
  }

  #finish(count: number): void {
    this.#unfinished -= count;
    if (this.#unfinished === 0) this.#allDone.set();
  }
}

/** First in, first out. */
export class Queue<T = unknown> extends AnyQueue<T> {
  /** @param max The most items that it holds. Default: no bound. */
  constructor(max = Infinity) {
    super(new FifoStore(), max);
  }
}

/** Last in, first out. */
export class LifoQueue<T = unknown> extends AnyQueue<T> {
  /** @param max The most items that it holds. Default: no bound. */
  constructor(max = Infinity) {
    super(new LifoStore(), max);
  }
}

export interface PriorityQueueOptions<T> {
  /** The most items that it holds. Default: no bound. */
  readonly max?: number;
  /** Negative when `a` comes before `b`. Default: by `<`, as for numbers, strings and dates. */
  readonly compare?: (a: T, b: T) => number;
}

/** The smallest first; of equal ones, the one that came first. */
export class PriorityQueue<T = unknown> extends AnyQueue<T> {
  constructor({ max = Infinity, compare = bySize }: PriorityQueueOptions<T> = {}) {
    super(new PriorityStore(compare), max);
  }
}

function bySize<T>(a: T, b: T): number {
  if (a < b) return -1;
  return b < a ? 1 : 0;
}

/** What `take` gives; null once there will be nothing more. */
export function untilShutDown<B>(take: () => B): B | null {
  try {
    return take();
  } catch (error) {
    if (isShutDownError(error)) return null;
    throw error;
  }
}

function isShutDownError(error: unknown): boolean {
  return error instanceof GreenletError && error.code === "ERR_SHUT_DOWN";
}

function notInTime(what: string, { timeout }: WaitOptions): GreenletError {
  return new GreenletError("ERR_WAIT_TIMEOUT", {
    saw: `The queue had not had ${what} after ${timeout} ms.`,
    fix: "Give it more time, or see what keeps the other side.",
  });
}
