// Code that node:vm runs with a time limit, or until Ctrl-C: no greenlet may be left in it, and none is entered.
//
// When the time is over, Node's watchdog ends whatever the thread runs at that moment, without `finally`. Had a greenlet
// been parked in the limited code, that would be another greenlet, or the event loop in the middle of waking some. So a wait
// there is refused, preemption keeps out (its policy knows the name of the function below), and what is to start at once
// starts in the next microtask.

import vm from "node:vm";
import { runningTask } from "./switching.ts";

let isLimited = false;

/** Whether the code that runs may be ended by the watchdog of node:vm. */
export function isUnderTimeLimit(): boolean {
  return isLimited;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Replaces what runs code for node:vm; the functions of the module itself call these. */
export function guardTimeLimits(): void {
  // Only with --experimental-vm-modules.
  const modules = (vm as { Module?: { prototype: object } }).Module?.prototype;
  for (const [holder, name, position] of [
    [vm.Script.prototype, "runInContext", 1],
    [vm.Script.prototype, "runInThisContext", 0],
    [modules, "evaluate", 0],
  ] as const) {
    if (holder === undefined) continue;
    const original: Method = Reflect.get(holder, name);
    const guarded: Method = function (...args) {
      const options = args[position] as { timeout?: unknown; breakOnSigint?: unknown } | null | undefined; // or what Node refuses
      const hasLimit = options?.timeout !== undefined || options?.breakOnSigint === true;
      return hasLimit ? withoutSwitchingInTime(() => original.apply(this, args)) : original.apply(this, args);
    };
    for (const property of ["name", "length"] as const) {
      Object.defineProperty(guarded, property, { value: original[property], configurable: true });
    }
    Object.defineProperty(holder, name, { value: guarded, configurable: true, writable: true });
  }
}

function withoutSwitchingInTime(run: () => unknown): unknown {
  const task = runningTask();
  // Put back as they were: limits inside of this one are left without their `finally` when this one is met.
  const wasLimited = isLimited;
  const bans = task?.switchBans ?? 0;
  isLimited = true;
  if (task !== null) task.switchBans++;
  try {
    return run();
  } finally {
    isLimited = wasLimited;
    if (task !== null) task.switchBans = bans;
  }
}
