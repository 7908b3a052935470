// An event is a flag that greenlets wait for; a result is a value that one part of a program gives to others, once.
//
// Both are set from anywhere, and awaited in async code.

import type { Unlink } from "../ending.ts";
import { GreenletError } from "../errors.ts";
import { taskFor, timeoutPassed, type WaitOptions } from "../wait.ts";
import { WaitList } from "./wait-list.ts";

/** Callbacks to be called once, on the main stack. */
class Links<W> {
  readonly #callbacks = new Set<(waitable: W) => void>();

  add(callback: (waitable: W) => void): Unlink {
    const own = (waitable: W) => callback(waitable);
    this.#callbacks.add(own);
    return () => void this.#callbacks.delete(own);
  }

  /** Each in a microtask of its own, so that one that throws is an uncaught exception and stops no other. */
  callSoon(waitable: W): void {
    for (const callback of this.#callbacks) {
      queueMicrotask(() => this.#callbacks.delete(callback) && callback(waitable));
    }
  }
}

export class Event {
  readonly #waiting = new WaitList<true>("an event");
  readonly #links = new Links<this>();
  #isSet = false;

  get isSet(): boolean {
    return this.#isSet;
  }

  /** As `isSet`: what joinAll() and iwait() ask. */
  get ready(): boolean {
    return this.#isSet;
  }

  /** How many wait for it. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Wakes everybody that waits now, also when it is cleared at once, and lets later waits through. */
  set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    this.#waiting.giveAll(true);
    this.#links.callSoon(this);
  }

  clear(): void {
    this.#isSet = false;
  }

  /** Parks until it is set. @returns `false` when the timeout passed first. */
  wait(options: WaitOptions = {}): boolean {
    taskFor(this.wait);
    return this.#isSet || this.#waiting.park(this.wait, options, undefined) !== timeoutPassed;
  }

  /** As `wait`, for code outside a greenlet. */
  async waitAsync(options: WaitOptions = {}): Promise<boolean> {
    return this.#isSet || (await this.#waiting.promise(options, undefined)) !== timeoutPassed;
  }

  /** Calls back once, on the main stack, when it is set; in the next microtask when it is. */
  link(callback: (event: this) => void): Unlink {
    const unlink = this.#links.add(callback);
    if (this.#isSet) this.#links.callSoon(this);
    return unlink;
  }
}

type Outcome<T> = { readonly is: "value"; readonly value: T } | { readonly is: "error"; readonly error: unknown };

export class AsyncResult<T = unknown> implements PromiseLike<T> {
  readonly #waiting = new WaitList<true>("a result");
  readonly #links = new Links<this>();
  #outcome: Outcome<T> | null = null;

  /** Whether it has a value or an error. */
  get ready(): boolean {
    return this.#outcome !== null;
  }

  get successful(): boolean {
    return this.#outcome?.is === "value";
  }

  get value(): T | undefined {
    return this.#outcome?.is === "value" ? this.#outcome.value : undefined;
  }

  get exception(): unknown {
    return this.#outcome?.is === "error" ? this.#outcome.error : undefined;
  }

  /** How many wait for it. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** @throws {GreenletError} `ERR_INVALID_STATE` when it has a value or an error already. */
  set(value: T): void {
    this.#settle({ is: "value", value });
  }

  /** As `set`; get() and `await` then throw `error`. */
  setException(error: unknown): void {
    this.#settle({ is: "error", error });
  }

  /** Parks until there is a value and returns it, or throws the error. `ERR_WAIT_TIMEOUT` when the timeout passed first. */
  get(options: WaitOptions = {}): T {
    taskFor(this.get);
    // As `wait`, and not by way of it: many may be parked here, each with its frames.
    if (!this.ready && this.#waiting.park(this.get, options, undefined) === timeoutPassed) throw notSetInTime(options);
    return this.#take();
  }

  /** Parks until it is settled. Never throws its error. @returns `false` when the timeout passed first. */
  wait(options: WaitOptions = {}): boolean {
    taskFor(this.wait);
    return this.ready || this.#waiting.park(this.wait, options, undefined) !== timeoutPassed;
  }

  /** As `get`, for code outside a greenlet; `await result` is the same without options. */
  async getAsync(options: WaitOptions = {}): Promise<T> {
    if (!this.ready && (await this.#waiting.promise(options, undefined)) === timeoutPassed) throw notSetInTime(options);
    return this.#take();
  }

  // biome-ignore lint/suspicious/noThenProperty: a result is awaitable by design
  then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.getAsync().then(onValue, onError);
  }

  /** Calls back once, on the main stack, when it is settled; in the next microtask when it is. */
  link(callback: (result: this) => void): Unlink {
    const unlink = this.#links.add(callback);
    if (this.ready) this.#links.callSoon(this);
    return unlink;
  }

  #settle(outcome: Outcome<T>): void {
    if (this.#outcome !== null) {
      throw new GreenletError("ERR_INVALID_STATE", {
        saw: "A result was set a second time.",
        fix: "Make a new AsyncResult for each value, or use an Event or a Queue.",
      });
    }
    this.#outcome = outcome;
    this.#waiting.giveAll(true);
    this.#links.callSoon(this);
  }

  #take(): T {
    if (this.#outcome?.is === "error") throw this.#outcome.error;
    // Only called once it is settled.
    return (this.#outcome as Outcome<T> & { is: "value" }).value;
  }
}

function notSetInTime({ timeout }: WaitOptions): GreenletError {
  return new GreenletError("ERR_WAIT_TIMEOUT", {
    saw: `The result had not been set after ${timeout} ms.`,
    fix: "Give it more time, or see who should set it.",
  });
}
