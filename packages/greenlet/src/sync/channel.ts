// A channel hands an item from one greenlet to another and holds none: put() returns when somebody has taken the item.

import { GreenletError } from "../errors.ts";
import { taskFor, timeoutPassed, type WaitOptions } from "../wait.ts";
import { untilShutDown } from "./queue.ts";
import { shutDown, WaitList } from "./wait-list.ts";

export class Channel<T = unknown> {
  readonly #getters = new WaitList<{ readonly item: T }>("an item of a channel");
  readonly #putters = new WaitList<true, { readonly item: T }>("a taker of a channel");
  #isShutDown = false;

  get isShutDown(): boolean {
    return this.#isShutDown;
  }

  /** How many wait for an item, and for a taker. */
  get waiting(): { readonly getters: number; readonly putters: number } {
    return { getters: this.#getters.size, putters: this.#putters.size };
  }

  /** Parks until the item is taken. @throws {GreenletError} `ERR_WAIT_TIMEOUT`; `ERR_SHUT_DOWN`. The item was then not taken. */
  put(item: T, options: WaitOptions = {}): void {
    taskFor(this.put);
    if (!this.tryPut(item) && this.#putters.park(this.put, options, { item }) === timeoutPassed) {
      throw notInTime(options);
    }
  }

  /** As `put`, for code outside a greenlet. */
  async putAsync(item: T, options: WaitOptions = {}): Promise<void> {
    if (!this.tryPut(item) && (await this.#putters.promise(options, { item })) === timeoutPassed) {
      throw notInTime(options);
    }
  }

  /** Gives the item to somebody that waits; `false` when nobody does. */
  tryPut(item: T): boolean {
    if (this.#isShutDown) throw shutDown();
    return this.#getters.give({ item }) !== null;
  }

  /** Parks until somebody puts an item. @throws {GreenletError} `ERR_WAIT_TIMEOUT`; `ERR_SHUT_DOWN`. */
  get(options: WaitOptions = {}): T {
    taskFor(this.get);
    const taken = this.#takeBoxed() ?? this.#getters.park(this.get, options, undefined);
    if (taken === timeoutPassed) throw notInTime(options);
    return taken.item;
  }

  /** As `get`, for code outside a greenlet. */
  async getAsync(options: WaitOptions = {}): Promise<T> {
    const taken = this.#takeBoxed() ?? (await this.#getters.promise(options, undefined));
    if (taken === timeoutPassed) throw notInTime(options);
    return taken.item;
  }

  /** Takes the item of somebody that waits to put it; undefined when nobody does. */
  tryGet(): T | undefined {
    return this.#isShutDown ? undefined : this.#takeBoxed()?.item;
  }

  /** Ends every wait, now and later, with `ERR_SHUT_DOWN`. Loops over the channel end. */
  shutdown(): void {
    this.#isShutDown = true;
    this.#putters.failAll(shutDown);
    this.#getters.failAll(shutDown);
  }

  /** `for (const item of channel)`, in a greenlet: until the channel is shut down. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (;;) {
      const taken = untilShutDown(() => ({ item: this.get() }));
      if (taken === null) return;
      yield taken.item;
    }
  }

  #takeBoxed(): { readonly item: T } | null {
    if (this.#isShutDown) throw shutDown();
    return this.#putters.give(true)?.payload ?? null;
  }
}

function notInTime({ timeout }: WaitOptions): GreenletError {
  return new GreenletError("ERR_WAIT_TIMEOUT", {
    saw: `Nobody was at the other end of the channel within ${timeout} ms.`,
    fix: "Give it more time, or see what keeps the other side.",
  });
}
