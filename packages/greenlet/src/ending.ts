// How a greenlet ended, and who is told: those who linked, and those who await it.
//
// Settled once. An error that nobody has asked for by then becomes an unhandled rejection, as an async function's does.

import { Task } from "./switching.ts";

/** Takes a link back; its callback is then not called. */
export type Unlink = () => void;

export abstract class Ending<T> extends Task implements PromiseLike<T> {
  #isSettled = false;
  #outcome: unknown = undefined;
  #hasFailed = false;
  #links: Set<() => void> | null = null;
  #isObserved = false;
  #promise: Promise<T> | null = null;
  #settlePromise: { resolve(value: T): void; reject(error: unknown): void } | null = null;

  /** Whether it has ended, in whatever way. */
  get ready(): boolean {
    return this.#isSettled;
  }

  /** Whether it has ended without an error. A kill with no reason counts as success. */
  get successful(): boolean {
    return this.#isSettled && !this.#hasFailed;
  }

  /** What its function returned, or the `GreenletExit` that ended it; `undefined` before that and after an error. */
  get value(): T | undefined {
    // The outcome of a greenlet that has not failed is what its body gave.
    return this.successful ? (this.#outcome as T) : undefined;
  }

  /** The error that ended it; `undefined` when there was none. */
  get exception(): unknown {
    return this.#hasFailed ? this.#outcome : undefined;
  }

  /**
   * Calls back on the main stack once it has ended, or in the next microtask when it has. An exception in the callback is
   * an uncaught exception; other links are called all the same.
   */
  link(callback: (greenlet: this) => void): Unlink {
    this.observe();
    return this.onEnd(callback);
  }

  /** @internal As `link`, by somebody who does not look after its error. */
  onEnd(callback: (greenlet: this) => void): Unlink {
    if (this.#isSettled) {
      let isLinked = true;
      queueMicrotask(() => isLinked && callback(this));
      return () => {
        isLinked = false;
      };
    }
    // Each link is its own, also when one function is linked twice.
    const link = () => callback(this);
    this.#links ??= new Set();
    this.#links.add(link);
    return () => {
      this.#links?.delete(link);
    };
  }

  /** As `link`, for an end with a value only. */
  linkValue(callback: (greenlet: this) => void): Unlink {
    return this.link((greenlet) => greenlet.successful && callback(greenlet));
  }

  /** As `link`, for an end by an error only. */
  linkException(callback: (greenlet: this) => void): Unlink {
    return this.link((greenlet) => !greenlet.successful && callback(greenlet));
  }

  // biome-ignore lint/suspicious/noThenProperty: a greenlet is awaitable by design
  then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.promise().then(onValue, onError);
  }

  catch<B = never>(onError?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.promise().catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<T> {
    return this.promise().finally(onEnd);
  }

  /** A promise of its value. Made at the first call, and the same one ever after. */
  promise(): Promise<T> {
    this.#isObserved = true;
    this.#promise ??= this.#makePromise();
    return this.#promise;
  }

  /** The value, or its error thrown; only once it has ended. */
  protected takeOutcome(): T {
    if (this.#hasFailed) throw this.#outcome;
    return this.#outcome as T;
  }

  /** Somebody looks after its error from now on. */
  protected observe(): void {
    if (this.#isObserved) return;
    this.#isObserved = true;
    this.#promise?.catch(() => {});
  }

  /** Called once. `tell` is called before anybody else is told. */
  protected settle(hasFailed: boolean, outcome: unknown, tell: (ended: this) => void): void {
    this.#isSettled = true;
    this.#hasFailed = hasFailed;
    this.#outcome = outcome;
    tell(this);
    this.#settleOwnPromise();
    if (this.#links === null) return;
    for (const link of this.#links) {
      const links = this.#links;
      queueMicrotask(() => links.has(link) && link());
    }
  }

  /** Settles the promise where there is one; makes a rejected one where an error would go unseen. */
  #settleOwnPromise(): void {
    if (this.#settlePromise !== null) {
      if (this.#hasFailed) this.#settlePromise.reject(this.#outcome);
      else this.#settlePromise.resolve(this.#outcome as T);
    } else if (this.#hasFailed && !this.#isObserved) {
      this.#promise = Promise.reject(this.#outcome);
    }
  }

  #makePromise(): Promise<T> {
    if (this.#isSettled) {
      return this.#hasFailed ? Promise.reject(this.#outcome) : Promise.resolve(this.#outcome as T);
    }
    return new Promise((resolve, reject) => {
      this.#settlePromise = { resolve, reject };
    });
  }
}
