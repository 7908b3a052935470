// A variable with a value for each greenlet, and one for the main stack.
//
// Not inherited: what a greenlet should get from its maker is an AsyncLocalStorage's business.

import { current } from "../spawn.ts";

const locals = new Map<unknown, unknown>();

export class Local<T> {
  readonly #initial: (() => T) | undefined;

  /** @param initial Gives the first value of each greenlet, when it is asked for. Default: `undefined`. */
  constructor(initial?: () => T) {
    this.#initial = initial;
  }

  get(): T | undefined {
    const values = valuesHere();
    if (this.#initial !== undefined && !values.has(this)) values.set(this, this.#initial());
    return values.get(this) as T | undefined; // only `set` and `initial` put it there
  }

  set(value: T): void {
    valuesHere().set(this, value);
  }

  delete(): void {
    valuesHere().delete(this);
  }
}

function valuesHere(): Map<unknown, unknown> {
  return current()?.locals ?? locals;
}
