// One wait of one greenlet: parks it, and resumes it exactly once with a value or an error.
//
// Everything that waits is built on this. The first outcome wins and later ones are ignored, so a promise that settles
// after its timeout, or a timer that fires after a kill, changes nothing.
//
//              park()              resumeWith…() from the event loop
//   new ──────────────► parked ─────────────────────────────────────► running again
//                          │  wake(), fail() from anywhere                ▲
//                          └───────────► woken ───────────────────────────┘ in the next microtask

import { showWhereWaited } from "./error-frames.ts";
import { assertMayPark, enterTask, parkTask, runningTask, type Task } from "./switching.ts";

export class Waiter {
  readonly #task: Task;
  /** For people: what the greenlet waits for. */
  readonly waitsFor: string;
  #isSettled = false;
  #hasFailed = false;
  #outcome: unknown = undefined;

  /** Throws what forbids `task` to wait at all: withoutSwitching(), or a kill that came while it ran. */
  constructor(task: Task, waitsFor = "") {
    assertMayPark(task);
    task.beforeWait();
    this.#task = task;
    this.waitsFor = waitsFor;
  }

  /** Parks the greenlet until there is an outcome; returns the value or throws the error. */
  park(): unknown {
    this.#task.willPark(this);
    try {
      parkTask(this.#task);
    } finally {
      // Where parking was refused, what was arranged must not resume a greenlet that runs.
      this.#isSettled = true;
      this.#task.hasResumed();
    }
    if (this.#hasFailed) {
      showWhereWaited(this.#outcome, this.#task, this.park);
      throw this.#outcome;
    }
    return this.#outcome;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Resumes at once. Only to be called from the event loop: a promise reaction or a timer, with nothing else on the stack. */
  resumeWithValue(value: unknown): void {
    if (this.#settle(false, value)) enterTask(this.#task);
  }

  /** Resumes at once with an error. As `resumeWithValue`. */
  resumeWithError(error: unknown): void {
    if (this.#settle(true, error)) enterTask(this.#task);
  }

  /** Resumes in the next microtask. False when there was an outcome before. */
  wake(value?: unknown): boolean {
    return this.#settle(false, value) && this.#schedule();
  }

  /** Resumes in the next microtask with an error. False when there was an outcome before. */
  fail(error: unknown): boolean {
    return this.#settle(true, error) && this.#schedule();
  }

  #settle(hasFailed: boolean, outcome: unknown): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#hasFailed = hasFailed;
    this.#outcome = outcome;
    return true;
  }

  #schedule(): true {
    runSoon(() => enterTask(this.#task));
    return true;
  }
}

let soon: (() => void)[] = [];

/** Runs `callback` on the main stack in the next microtask, in order. It must not throw. */
export function runSoon(callback: () => void): void {
  soon.push(callback);
  if (soon.length > 1) return;
  // A hook of node:async_hooks hears of the promise that is made here. Were it to wait, nobody would be run any more.
  const task = runningTask();
  if (task !== null) task.switchBans++;
  resolved.then(runAll);
  if (task !== null) task.switchBans--;
}

const resolved = Promise.resolve();

function runAll(): void {
  const callbacks = soon;
  soon = [];
  for (const callback of callbacks) callback();
}
