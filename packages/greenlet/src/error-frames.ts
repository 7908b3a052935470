// Shows, in an error that crossed a wait, which greenlet waited and where.
//
// An error made in a callback or in an async function has no frame of the code that waited for it. They are appended to
// `stack`, once, when somebody reads it: what is thrown and caught for control flow pays for the capture alone.

import type { AnyFunction } from "./errors.ts";
import type { Task } from "./switching.ts";

const shown = new WeakSet<Error>();
const ownFolder = new URL(".", import.meta.url);
const ownFolders = [ownFolder.href, decodeURIComponent(ownFolder.pathname)];

/** Lets `error.stack` end with the frames that wait now, above `callee`. Leaves alone what is no error, or frozen. */
export function showWhereWaited(error: unknown, task: Task, callee: (...args: never) => unknown): void {
  if (!(error instanceof Error) || shown.has(error)) return;
  shown.add(error);
  const descriptor = Object.getOwnPropertyDescriptor(error, "stack");
  if (descriptor === undefined || !descriptor.configurable) return;
  const waiting: { stack?: unknown } = {};
  Error.captureStackTrace(waiting, callee);
  let text: unknown;
  let isBuilt = false;
  Object.defineProperty(error, "stack", {
    configurable: true,
    enumerable: descriptor.enumerable ?? false,
    get: () => {
      if (!isBuilt) {
        isBuilt = true;
        const own = descriptor.get === undefined ? descriptor.value : descriptor.get.call(error);
        text = typeof own === "string" ? own + waitingFrames(task, waiting.stack) : own;
      }
      return text;
    },
    set: (value) => {
      isBuilt = true;
      text = value;
    },
  });
}

function waitingFrames(task: Task, stack: unknown): string {
  // A program may have replaced Error.prepareStackTrace.
  if (typeof stack !== "string") return "";
  const frames = withoutOwnFrames(stack);
  return frames === "" ? "" : `\n    -- waited for in ${task.title} --\n${frames}`;
}

/** All frames below `callee`, whatever the program has set the limit and the form of stacks to. */
export function framesBelow(callee: AnyFunction): string[] {
  const holder: { stack?: unknown } = {};
  const { stackTraceLimit, prepareStackTrace } = Error;
  Error.stackTraceLimit = Infinity;
  delete (Error as { prepareStackTrace?: unknown }).prepareStackTrace; // declared as always there
  Error.captureStackTrace(holder, callee);
  // Read while both are as they were set above.
  const text = String(holder.stack);
  Error.stackTraceLimit = stackTraceLimit;
  if (prepareStackTrace !== undefined) Error.prepareStackTrace = prepareStackTrace;
  return text.split("\n").slice(1);
}

/** A stack's frames without its first line and those of this package. */
export function withoutOwnFrames(stack: string): string {
  return stack
    .split("\n")
    .slice(1)
    .filter((line) => !ownFolders.some((folder) => line.includes(folder)))
    .join("\n");
}
