// The Future of node-fibers: a value that is not there yet, which a fiber waits for.
//
// Importing it gives every function a method `future()`, as that package's did. A future's callbacks run at once, in the order
// in which they were added, on the stack of whoever resolves it; what one of them throws is thrown in the next tick.

import { GreenletError } from "../errors.ts";
import { parkUntil } from "../wait.ts";
import { Fiber } from "./fiber.ts";

type AnyFunction = (this: unknown, ...args: never[]) => unknown;
// Written as a method, so that a future of something is a Future too.
type NodeCallback<T> = { call(error?: unknown, value?: T): void }["call"];

type Outcome<T> = { readonly is: "value"; readonly value: T } | { readonly is: "error"; readonly error: unknown };

export class Future<T = unknown> {
  #outcome: Outcome<T> | null = null;
  #callbacks: NodeCallback<T>[] = [];
  /** What a function that Future.wrap() has wrapped returned, beside calling back. */
  _: unknown;

  /** The value; throws the error, and an error of its own when neither is there yet. */
  get(): T {
    if (this.#outcome === null) throw new Error("Future must resolve before value is ready");
    if (this.#outcome.is === "error") throw this.#outcome.error;
    return this.#outcome.value;
  }

  /** Pauses the current fiber or greenlet until there is a value and returns it, or throws the error. */
  wait(): T {
    Future.wait(this as Future); // whose value does not matter there
    return this.get();
  }

  return(value?: T): void {
    // Nothing is what a Future<void> holds.
    this.#settle({ is: "value", value: value as T });
  }

  throw(error: unknown): void {
    if (!error) throw new Error("Must throw non-empty error");
    this.#settle({ is: "error", error });
  }

  isResolved(): boolean {
    return this.#outcome !== null;
  }

  /** A callback as Node's functions take one, which resolves this future. */
  resolver(): NodeCallback<T> {
    return (error, value) => (error ? this.throw(error) : this.return(value));
  }

  /** Calls `callback(error, value)` once resolved; or, with two arguments, `callback(value)`, and throws an error into `future`. */
  resolve(callback: NodeCallback<T>): this;
  resolve(future: Future, callback: (value: T) => void): this;
  resolve(first: NodeCallback<T> | Future, onValue?: (value: T) => void): this {
    const callback: NodeCallback<T> =
      typeof first === "function" ? first : (error, value) => (error ? first.throw(error) : onValue?.(value as T)); // there is a value without an error
    if (this.#outcome === null) this.#callbacks.push(callback);
    else call(callback, this.#outcome);
    return this;
  }

  resolveSuccess(callback: (value: T) => void): this {
    return this.resolve((error, value) => {
      if (!error) callback(value as T); // there is a value without an error
    });
  }

  /** Resolves `future` as this one. */
  proxy(future: Future<T>): void {
    this.resolve(future.resolver());
  }

  /** Throws this one's error into others. */
  proxyErrors(futures: Future | Future[]): this {
    return this.resolve((error) => {
      if (error) for (const future of [futures].flat()) future.throw(error);
    });
  }

  /** Nobody will ask for its value, but its error is to be an uncaught exception. */
  detach(): void {
    this.resolve((error) => {
      if (error) throw error;
    });
  }

  promise(): Promise<T> {
    return new Promise((resolve, reject) => {
      this.resolve((error, value) => (error ? reject(error) : resolve(value as T))); // there is a value without an error
    });
  }

  #settle(outcome: Outcome<T>): void {
    if (this.#outcome !== null) throw new Error("Future resolved more than once");
    this.#outcome = outcome;
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    for (const callback of callbacks) {
      try {
        call(callback, outcome);
      } catch (error) {
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }

  /** Pauses until all of them are resolved. Throws none of their errors. */
  static wait(...futures: (Future | Future[])[]): void {
    const all = futures.flat();
    for (const future of all) if (!(future instanceof Future)) throw new Error(`${String(future)} is not a future`);
    for (const future of all) if (future instanceof TaskFuture) future.start();
    const pending = new Set(all.filter((future) => !future.isResolved()));
    const whenAllAre = (done: () => void) => {
      for (const future of pending) future.resolve(() => pending.delete(future) && pending.size === 0 && done());
    };
    const fiber = Fiber.current;
    if (fiber !== undefined) {
      if (pending.size === 0) return;
      let waits = true;
      whenAllAre(() => waits && fiber.run());
      try {
        Fiber.yield();
      } finally {
        waits = false;
      }
    } else {
      waitInGreenlet(pending, whenAllAre);
    }
  }

  /** Runs each function in a fiber of its own: the future of its value, or of all values where there are several. */
  static task<T>(body: () => T): Future<T>;
  static task(...bodies: (() => unknown)[]): Future<unknown[]>;
  static task(...bodies: (() => unknown)[]): Future {
    const [first] = bodies;
    if (bodies.length === 1 && first !== undefined) return new TaskFuture(first, undefined, []);
    return new TaskFuture(
      () => {
        const tasks = bodies.map((body) => new TaskFuture(body, undefined, []));
        Future.wait(tasks);
        return tasks.map((task) => task.get());
      },
      undefined,
      [],
    );
  }

  static fromPromise<T>(promise: PromiseLike<T>): Future<T> {
    const future = new Future<T>();
    promise.then(
      (value) => future.return(value),
      (error) => future.throw(error),
    );
    return future;
  }

  /**
   * A function that takes a callback last, as one that returns a future. An object becomes one that has, for each of its
   * functions, such a one beside it, with a suffix.
   *
   * @param multi Whether the callback is given several values, which become an array.
   * @param suffix For an object's functions. Default "Future".
   */
  static wrap<F extends object>(wrapped: F, multi = false, suffix = "Future"): F & Record<string, WrappedFunction> {
    const members = addWrappedMembers(wrapped, Object.create(wrapped), multi, suffix);
    // Some packages export a function that has others as properties: they are reached through the wrapped one.
    const result =
      typeof wrapped === "function"
        ? Object.setPrototypeOf(wrapFunction(wrapped as unknown as AnyFunction, multi), members) // it is a function
        : members;
    return result as F & Record<string, WrappedFunction>; // what is added has names that no type knows
  }
}

type WrappedFunction = (...args: unknown[]) => Future;

/** A function that runs in a fiber of its own: from the next tick, or as soon as somebody waits for it. */
class TaskFuture<T = unknown> extends Future<T> {
  #body: (() => T) | null;

  constructor(body: (...args: never[]) => T, context: unknown, args: unknown[]) {
    super();
    this.#body = () => Reflect.apply(body, context, args);
    process.nextTick(() => this.start());
  }

  start(): void {
    const body = this.#body;
    if (body === null) return;
    this.#body = null;
    Fiber(() => {
      let value: T;
      try {
        value = body();
      } catch (error) {
        this.throw(error);
        return;
      }
      this.return(value);
    }).run();
  }
}

function call<T>(callback: NodeCallback<T>, outcome: Outcome<T>): void {
  if (outcome.is === "error") callback(outcome.error);
  else callback(undefined, outcome.value);
}

function waitInGreenlet(pending: Set<Future>, whenAllAre: (done: () => void) => void): void {
  try {
    if (pending.size === 0) return;
    parkUntil(Future.wait, {}, (wake) => {
      whenAllAre(wake);
      return () => pending.clear();
    });
  } catch (error) {
    if (error instanceof GreenletError && error.code === "ERR_NOT_IN_GREENLET") {
      throw new Error("Can't wait without a fiber", { cause: error });
    }
    throw error;
  }
}

function wrapFunction(wrapped: AnyFunction, multi: boolean): AnyFunction {
  return function (this: unknown, ...args: unknown[]) {
    const future = new Future();
    const done = future.resolver();
    const callback = multi ? (error: unknown, ...values: unknown[]) => done(error, values) : done;
    future._ = Reflect.apply(wrapped, this, [...args, callback]);
    return future;
  };
}

/** Gives `target` a wrapped form of each function that `source` has, beside the function itself. */
function addWrappedMembers(source: object, target: object, multi: boolean, suffix: string): object {
  for (const name in source) {
    const member: unknown = Reflect.get(source, name);
    if (typeof member === "function") Reflect.set(target, name + suffix, wrapFunction(member as AnyFunction, multi)); // it is a function
  }
  return target;
}

declare global {
  interface Function {
    /** A function that runs this one in a fiber of its own, and returns a `Future`. `detach`: its error is an uncaught exception. */
    future<This, A extends unknown[], R>(
      this: (this: This, ...args: A) => R,
      detach?: boolean,
    ): (this: This, ...args: A) => Future<R>;
  }
}

Object.defineProperty(Function.prototype, "future", {
  configurable: true,
  writable: true,
  value: function (this: AnyFunction, detach = false) {
    const body = this;
    return function (this: unknown, ...args: unknown[]) {
      const future = new TaskFuture(body, this, args);
      if (detach) future.detach();
      return future;
    };
  },
});

export { Future as default, Future as "module.exports" };
