// The API of node-fibers, which broke at Node 16, on greenlets.
//
// A fiber is resumed by whoever calls run(), at once, and pauses itself with Fiber.yield(): nothing is scheduled. Each run from
// start to end is a greenlet of its own, so wait(), sleep() and the rest work inside a fiber too; run() then returns
// undefined, and the event loop resumes the fiber.
//
//              run()               Fiber.yield()            run(), throwInto(), reset()
//   idle ────────────► running ────────────────► yielding ────────────────────────────► running ──► body ends ──► idle

import { GreenletError, GreenletExit } from "../errors.ts";
import { Greenlet } from "../greenlet.ts";
import { runningTask } from "../switching.ts";
import { Waiter } from "../waiter.ts";

type Body = (param?: unknown) => unknown;

/** One start of a fiber: the greenlet that it runs in, and what has come of it. */
interface Run {
  readonly greenlet: Greenlet;
  /** Set while it is paused in Fiber.yield(). */
  waiter: Waiter | null;
  /** What it has given to whoever resumed it: a yielded value, or what its body returned. */
  given: unknown;
  /** Set by reset(): what each further Fiber.yield() throws. */
  unwinding: { readonly reason: unknown } | null;
  failure: { readonly error: unknown } | null;
  hasEnded: boolean;
}

let created = 0;

/** A property, because what a WeakMap of all fibers held would count as in use (native/reachability.cc). */
class FiberGreenlet extends Greenlet {
  readonly fiber: FiberObject;

  constructor(fiber: FiberObject, body: () => void, name: string) {
    super(body, name);
    this.fiber = fiber;
    // Fibers that nobody runs to their end are usual, and node-fibers says nothing of them.
    this.unref();
  }
}

class FiberObject {
  readonly #body: Body;
  #run: Run | null = null;

  constructor(body: Body) {
    if (typeof body !== "function") throw new TypeError("Fiber expects a function");
    this.#body = body;
    created++;
  }

  /** Whether it has begun and not ended. */
  get started(): boolean {
    return this.#run !== null;
  }

  /**
   * Starts it, or resumes it where it yielded. Returns what it yields next, or what its function returns; throws what the
   * function throws.
   *
   * @param param What the function is given, or what Fiber.yield() returns.
   */
  run(param?: unknown): unknown {
    if (this.#run === null) return this.#start(param);
    const waiter = this.#takeWaiter();
    return this.#continue(() => waiter.resumeWithValue(param));
  }

  /** Resumes it with an exception, thrown from where it yielded. */
  throwInto(exception?: unknown): unknown {
    if (this.#run === null) throw notYielding();
    const waiter = this.#takeWaiter();
    return this.#continue(() => waiter.resumeWithError(exception));
  }

  /** Ends it: Fiber.yield() throws, again and again, until the function has ended. Returns what that returned. */
  reset(): unknown {
    const run = this.#run;
    if (run === null) return undefined;
    const reason = new Error("This Fiber is a zombie");
    const waiter = this.#takeWaiter();
    run.unwinding = { reason };
    try {
      return this.#continue(() => waiter.resumeWithError(reason));
    } catch (error) {
      if (error !== reason) throw error;
      return undefined;
    }
  }

  /** @internal Pauses the running fiber. */
  static pause(value: unknown): unknown {
    const fiber = currentFiber();
    const run = fiber === undefined ? null : fiber.#run;
    if (run === null) throw new Error("yield() called with no fiber running");
    if (run.unwinding !== null) throw run.unwinding.reason;
    run.given = value;
    run.waiter = new Waiter(run.greenlet, "Fiber.run()");
    try {
      return run.waiter.park();
    } finally {
      run.waiter = null;
    }
  }

  #start(param: unknown): unknown {
    const body = this.#body;
    const run: Run = {
      // What the body returns may be a promise, which a greenlet would wait for: it goes past it.
      greenlet: new FiberGreenlet(
        this,
        () => {
          run.given = undefined;
          try {
            run.given = body(param);
          } catch (error) {
            run.failure = { error };
          }
          run.hasEnded = true;
        },
        body.name || "fiber",
      ),
      waiter: null,
      given: undefined,
      unwinding: null,
      failure: null,
      hasEnded: false,
    };
    this.#run = run;
    run.greenlet.onEnd(() => this.#endedByLoop(run));
    try {
      return this.#continue(() => run.greenlet.startNow());
    } catch (error) {
      // It may be run anew: it has ended, or has not begun because there is no room for it.
      if (this.#run === run && run.greenlet.ready) this.#run = null;
      throw error;
    }
  }

  /** Lets it run, and gives to the caller what it gave. */
  #continue(resume: () => unknown): unknown {
    // Set above, by whoever calls this.
    const run = this.#run as Run;
    run.given = undefined;
    resume();
    const given = run.given;
    run.given = undefined;
    if (!run.hasEnded) return given;
    this.#run = null;
    if (run.failure !== null) throw run.failure.error;
    return given;
  }

  /** An error of a fiber that the event loop has resumed has nobody to go to, and is an uncaught exception. */
  #endedByLoop(run: Run): void {
    if (this.#run !== run) return;
    this.#run = null;
    // The hub has ended it, because nobody could.
    if (run.failure?.error instanceof GreenletExit) return;
    if (run.failure !== null) throw run.failure.error;
  }

  #takeWaiter(): Waiter {
    const run = this.#run as Run; // it is started
    if (run.waiter !== null && !run.waiter.isSettled) return run.waiter;
    if (run.greenlet.state === "running") throw new Error("This Fiber is already running");
    throw new GreenletError("ERR_INVALID_STATE", {
      saw: "A fiber was resumed that does not yield but waits, for something that only the event loop can end.",
      fix: "Resume it once it has yielded.",
    });
  }
}

function notYielding(): Error {
  return new Error("This Fiber is not yielding");
}

function currentFiber(): FiberObject | undefined {
  const task = runningTask();
  return task instanceof FiberGreenlet ? task.fiber : undefined;
}

export type Fiber = FiberObject;

export interface FiberConstructor {
  new (body: Body): Fiber;
  (body: Body): Fiber;
  readonly prototype: Fiber;
  /** The fiber that runs now; undefined outside. */
  readonly current: Fiber | undefined;
  /** Pauses the current fiber; its run() returns `value`. Returns what the next run() is given. */
  yield(value?: unknown): unknown;
  /** In node-fibers, how many stacks are kept for later. Here the hub decides that, and the number is only a number. */
  poolSize: number;
  /** How many fibers have been made. */
  readonly fibersCreated: number;
}

// A class can't be called without `new`, and programs written for node-fibers do that.
const callable = new Proxy(FiberObject, {
  apply: (target, _this, args: [Body]) => new target(...args),
});

/** `Fiber(fn)` or `new Fiber(fn)`. */
export const Fiber = Object.defineProperties(callable, {
  name: { value: "Fiber" },
  current: { get: currentFiber },
  yield: { value: (value?: unknown) => FiberObject.pause(value) },
  poolSize: { value: 120, writable: true },
  fibersCreated: { get: () => created },
}) as unknown as FiberConstructor; // as the interface says, once these are defined

export { Fiber as default, Fiber as "module.exports" };
