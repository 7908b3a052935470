// Which greenlets stand in the middle of a run: where they are parked, their own code does not wait.
//
// JavaScript runs to completion, and code relies on it: a promise that is made and awaited in one run can't be found
// unhandled in between. Preemption parks a greenlet inside of such a run, and so does a patched function, which would have
// blocked. Whoever judges what came of a run can ask here whether it is over.

import { preemptedTasks, type Task } from "./switching.ts";
import type { Waiter } from "./waiter.ts";

const inLibrary = new Set<Task>();

/** `waiter.park()`, for a function whose callers do not know that it waits. */
export function parkMidRun(task: Task, waiter: Waiter): unknown {
  inLibrary.add(task);
  try {
    return waiter.park();
  } finally {
    inLibrary.delete(task);
  }
}

/** Whether `test`, called in the async context of each greenlet that stands in the middle of a run, is true of one. */
export function isMidRun(test: () => boolean): boolean {
  const isTrueFor = (task: Task) => task.scope.runInAsyncScope(test);
  return preemptedTasks().some(isTrueFor) || [...inLibrary].some(isTrueFor);
}
