// Timeouts that end whatever a greenlet waits for, at any depth.
//
// Each is an error of its own, thrown into the greenlet that started it, and recognised by identity, so that nested ones
// don't take each other's. After gevent's Timeout.

import { GreenletError } from "../errors.ts";
import type { Greenlet } from "../greenlet.ts";
import { current } from "../spawn.ts";
import { startTimer } from "../timer.ts";
import { taskFor } from "../wait.ts";

/**
 * `using timeout = new Timeout(500).start()`: unless the block ends within 500 ms, its wait at that moment throws
 * `timeout`, or `error` where one is given. Code `ERR_WAIT_TIMEOUT`. A greenlet that never waits is not interrupted.
 */
export class Timeout extends GreenletError {
  override readonly name = "Timeout";
  readonly ms: number;
  readonly #error: unknown;
  #stop: (() => void) | null = null;
  #greenlet: Greenlet | null = null;

  constructor(ms: number, error?: unknown) {
    if (typeof ms !== "number" || !(ms >= 0)) {
      throw new GreenletError("ERR_INVALID_ARGUMENT", {
        saw: `A timeout of ${String(ms)} ms was asked for.`,
        fix: "Give it a number of milliseconds, 0 or more.",
      });
    }
    super("ERR_WAIT_TIMEOUT", {
      saw: `The greenlet had not come to the end of a timeout's block after ${ms} ms.`,
      fix: "Give it more time, or see what it waits for.",
    });
    this.ms = ms;
    this.#error = error;
  }

  /** Whether it may still be thrown. */
  get pending(): boolean {
    return this.#stop !== null;
  }

  /** Starts the time, for the current greenlet. @throws {GreenletError} `ERR_INVALID_STATE` when it has been started. */
  start(): this {
    taskFor(this.start);
    if (this.#greenlet !== null) {
      throw new GreenletError("ERR_INVALID_STATE", {
        saw: "A timeout was started a second time.",
        fix: "Make a new one: each is thrown at most once.",
      });
    }
    const greenlet = current();
    this.#greenlet = greenlet;
    this.#stop = startTimer(this.ms, () => {
      this.#stop = null;
      greenlet?.interrupt(this.thrown);
    });
    return this;
  }

  /** Once this has returned, it is not thrown any more. */
  cancel(): void {
    this.#stop?.();
    this.#stop = null;
    this.#greenlet?.withdraw(this.thrown);
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  /** What it throws: itself, or the error that it was given. */
  get thrown(): unknown {
    return this.#error === undefined ? this : this.#error;
  }
}

/**
 * Runs `body`, for at most `ms` milliseconds.
 *
 * @param fallback What to return when the time is over. Without one, the `Timeout` is thrown.
 */
export function withTimeout<T, F = never>(ms: number, body: () => T, ...fallback: [] | [F]): T | F {
  taskFor(withTimeout);
  using timeout = new Timeout(ms).start();
  try {
    return body();
  } catch (error) {
    if (error !== timeout || fallback.length === 0) throw error;
    return fallback[0];
  }
}
