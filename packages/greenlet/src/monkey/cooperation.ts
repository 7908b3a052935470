// When a patched function suspends its greenlet, and how it does.
//
// Everywhere else the original runs: on the main stack, inside withoutSwitching(), while a module is being loaded (half of
// it would be visible to other greenlets), in a function that native code has called, and for arguments that the
// asynchronous form refuses, so that the original throws its own error.

import Module from "node:module";
import { parkMidRun } from "../mid-run.ts";
import { runningTask, runsUnderNativeCode, type Task } from "../switching.ts";
import { Waiter } from "../waiter.ts";

/** A function of the standard library, in the middle of being replaced: its arguments are the caller's. */
// biome-ignore lint/suspicious/noExplicitAny: the one place where any function of any module passes through
export type LibraryFunction = (this: any, ...args: any[]) => any;

/** One function to replace. `make` gets the original and returns what takes its place. */
export interface Patch {
  readonly holder: object;
  readonly name: string;
  readonly make: (original: LibraryFunction) => LibraryFunction;
}

/** The greenlet that a patched function may suspend now; null when the original is to run. */
export function cooperatingTask(): Task | null {
  const task = runningTask();
  if (task === null || task.switchBans !== 0 || task.moduleLoads !== 0 || runsUnderNativeCode()) return null;
  return task;
}

/** What `start` threw: the asynchronous form has not begun. */
class Refused {
  readonly reason: unknown;
  constructor(reason: unknown) {
    this.reason = reason;
  }
}

/** An error made in a callback, with no frames of its caller's: thrown as it is, and given those of the original's caller. */
class Frameless {
  readonly error: Error;
  constructor(error: Error) {
    this.error = error;
  }
}

type Callback = (error: unknown, ...values: unknown[]) => void;

/**
 * Runs the asynchronous form of a function and waits for its callback.
 *
 * @param abandon Given the value when the wait had ended before it came: what it holds must be released.
 */
export function waitForCallback(
  task: Task,
  waitsFor: string,
  start: (done: Callback) => void,
  abandon?: (value: unknown) => void,
): unknown[] | Refused {
  const waiter = new Waiter(task, waitsFor);
  try {
    start((error, ...values) => {
      const isInTime = isWithoutFrames(error)
        ? waiter.wake(new Frameless(error))
        : error
          ? waiter.fail(error)
          : waiter.wake(values);
      if (!isInTime && !error) abandon?.(values[0]);
    });
  } catch (error) {
    return new Refused(error);
  }
  const given = parkMidRun(task, waiter) as unknown[] | Frameless; // what the callback above woke it with
  if (given instanceof Frameless) throw given.error;
  return given;
}

export interface CooperativeForm {
  /** The asynchronous form: the same arguments, then a callback. */
  readonly twin: LibraryFunction;
  /** Arguments for which the original is to run all the same. */
  readonly keepsOriginal?: (args: unknown[]) => boolean;
  /** What the original returns, of what the callback was given. Default: its first value. */
  readonly result?: (values: unknown[]) => unknown;
  /** The error that the original throws, of what the callback was given; or a value to return instead, in a box. */
  readonly failure?: (error: unknown, args: unknown[]) => { readonly value: unknown } | undefined;
  readonly abandon?: (value: unknown) => void;
}

/** `original`, suspending the greenlet that calls it. */
export function cooperative(original: LibraryFunction, form: CooperativeForm): LibraryFunction {
  const patched: LibraryFunction = function (...args) {
    const task = cooperatingTask();
    if (task === null || form.keepsOriginal?.(args)) return original.apply(this, args);
    try {
      const values = waitForCallback(
        task,
        `${original.name}()`,
        (done) => form.twin.call(this, ...args, done),
        form.abandon,
      );
      if (values instanceof Refused) return original.apply(this, args);
      return form.result ? form.result(values) : values[0];
    } catch (error) {
      const instead = form.failure?.(error, args);
      if (instead) return instead.value;
      if (isWithoutFrames(error)) Error.captureStackTrace(error, patched);
      throw error;
    }
  };
  return patched;
}

function isWithoutFrames(error: unknown): error is Error {
  return error instanceof Error && typeof error.stack === "string" && !error.stack.includes("\n    at ");
}

/** Marks the greenlet that calls require() until the module is loaded. */
export const moduleLoadPatch: Patch = {
  holder: Module,
  name: "_load",
  make: (original) =>
    function (...args) {
      const task = runningTask();
      if (task === null) return original.apply(this, args);
      task.moduleLoads++;
      try {
        return original.apply(this, args);
      } finally {
        task.moduleLoads--;
      }
    },
};
