// Preemption: a greenlet that runs longer than a slice without waiting is parked, and goes on after the others.
//
// Off unless asked for, because it takes from a program what it may rely on: that nothing else runs between two waits.
// Where a greenlet may be interrupted is decided by native/preemption_policy.cc. This file checks and passes on.

import { setFlagsFromString } from "node:v8";
import { addon, type Binding, type PreemptionCounts } from "./addon.ts";
import { GreenletError } from "./errors.ts";

export interface PreemptOptions {
  /** How long a greenlet may run before others get their turn, in milliseconds, 0.5 or more. */
  readonly sliceMs: number;
  /**
   * How long a greenlet may run without waiting, all its slices together, in milliseconds of CPU time: that it had to wait for
   * a CPU, or that the machine stood still, does not count. Over it, it ends with `ERR_RUN_LIMIT`, which it can't catch.
   * Default: as long as it likes.
   */
  readonly limitMs?: number;
  /** Parts of paths, such as "/node_modules/knex/": while such a script is on the stack, the greenlet is not interrupted. */
  readonly guard?: readonly string[];
}

/**
 * V8's optimizing compilers take for granted that nothing in the heap changes at the end of a loop's turn, where an
 * interrupt is handled: they read a variable once before the loop, and check an object's shape once. With preemption,
 * others change what they like there. These flags make the code that is compiled from then on read anew. (Seen without
 * them on V8 14.6: `while (!isDone);` never ends. The compilers' loop check is declared to write nothing.) They are the
 * process's, and stay. docs/decisions/preemption.md says why these suffice, and what they cost.
 */
const flagsForLoops = [
  ...flagsForMaglev(process.versions.v8),
  "--no-turbo-load-elimination",
  "--no-turboshaft-load-elimination",
  "--no-turbo-store-elimination",
];

/**
 * Maglev knows what a loop changes only where it has compiled its body once before, which is one optimization. Without it,
 * it takes for granted at each loop's head what stays true whatever the body does. So it was read in, and tried on, these
 * two V8; of another one nothing is known. A compilation reads this flag once, as it begins, so that it may be set while
 * others are under way; --no-maglev-optimistic-peeled-loops, which would do too, is read again and again, and crashes them.
 */
export function flagsForMaglev(v8: string): string[] {
  return /^1[34]\.6\./.test(v8) ? ["--no-maglev-loop-peeling"] : ["--no-maglev", "--no-maglev-osr"];
}

const longestMs = 60 * 60 * 1000;
let options: PreemptOptions | null = null;

export function preemption(): PreemptOptions | null {
  return options;
}

/**
 * Turns preemption on in this thread, changes it, or turns it off with `null`.
 *
 * @throws {GreenletError} `ERR_INVALID_ARGUMENT`; `ERR_ADDON_UNAVAILABLE`.
 */
export function setPreemption(wanted: PreemptOptions | null): void {
  if (wanted !== null) checkOptions(wanted);
  const binding = bindingThatPreempts();
  if (wanted !== null) for (const flag of flagsForLoops) setFlagsFromString(flag);
  const sliceUs = wanted === null ? 0 : Math.round(wanted.sliceMs * 1000);
  binding.preempt(sliceUs, Math.ceil(wanted?.limitMs ?? 0), ownScripts(import.meta.url), wanted?.guard ?? []);
  options = wanted === null ? null : { ...wanted };
}

/**
 * Has some matches interrupted, for at most some tens of milliseconds, once in a thread: a match by compiled code must not be
 * parked at its very beginning (native/script_stack.cc), and where that is, is learned by looking. Runs in a greenlet,
 * because nothing else is interrupted. Without it, only the first long match of a thread might not be interrupted.
 */
export function learnMatches(runInGreenlet: (body: () => void) => void): void {
  const binding = bindingThatPreempts();
  if (binding.counts().knowsMatches) return;
  const expression = /^(?:a+)+$/;
  const text = `${"a".repeat(17)}b`;
  // V8 interprets the first matches, and compiles then.
  for (let match = 0; match < 3; match++) expression.test(text);
  binding.preempt(500, 0, ownScripts(import.meta.url), []);
  runInGreenlet(() => {
    for (let match = 0; match < 40 && !binding.counts().knowsMatches; match++) expression.test(text);
  });
  binding.preempt(0, 0, "", []);
}

/**
 * Takes a sample of the running greenlet every `periodMs` for the profiles that are being recorded; `null` stops.
 *
 * @throws {GreenletError} `ERR_INVALID_ARGUMENT`; `ERR_ADDON_UNAVAILABLE`.
 */
export function setProfiling(periodMs: number | null): void {
  if (periodMs !== null && !isDuration(periodMs, 0.1)) {
    throw new GreenletError("ERR_INVALID_ARGUMENT", {
      saw: `hub.profile() was given ${String(periodMs)}.`,
      fix: "Give it a number of milliseconds, 0.1 or more, or null.",
    });
  }
  bindingThatPreempts().profile(periodMs === null ? 0 : Math.round(periodMs * 1000));
}

export function preemptionCounts(): PreemptionCounts {
  // An addon that was built before it could interrupt has nothing to count.
  return addon().binding.counts?.() ?? noCounts;
}

const noCounts: PreemptionCounts = {
  preemptions: 0,
  overLimit: 0,
  refusals: {
    withoutSwitching: 0,
    moduleLoading: 0,
    nativeCaller: 0,
    callbackScope: 0,
    microtask: 0,
    matchBegins: 0,
    webAssembly: 0,
    nodeInternals: 0,
    library: 0,
  },
  knowsMatches: false,
};

/** Why a greenlet was ended: it ran too long. */
export function overRunLimit(name: string): GreenletError {
  return new GreenletError("ERR_RUN_LIMIT", {
    saw: `The greenlet "${name}" ran for more than ${options?.limitMs} ms without waiting, so it was ended.`,
    fix: "See what it computes (an endless loop, or a regular expression that backtracks), or raise limitMs in hub.preempt().",
  });
}

function checkOptions({ sliceMs, limitMs, guard }: PreemptOptions): void {
  if (!isDuration(sliceMs, 0.5)) {
    throw new GreenletError("ERR_INVALID_ARGUMENT", {
      saw: `hub.preempt() was given a sliceMs of ${String(sliceMs)}.`,
      fix: "Give it a number of milliseconds between 0.5 and an hour; 2 to 10 suit a server.",
    });
  }
  if (limitMs !== undefined && !(isDuration(limitMs, 1) && limitMs >= sliceMs)) {
    throw new GreenletError("ERR_INVALID_ARGUMENT", {
      saw: `hub.preempt() was given a limitMs of ${String(limitMs)}.`,
      fix: "Give it a number of milliseconds, at least sliceMs and at most an hour, or leave it out to set no limit.",
    });
  }
  if (
    guard !== undefined &&
    !(Array.isArray(guard) && guard.every((part) => typeof part === "string" && part !== ""))
  ) {
    throw new GreenletError("ERR_INVALID_ARGUMENT", {
      saw: "hub.preempt() was given a guard that is no list of parts of paths.",
      fix: 'Give it strings such as "/node_modules/knex/".',
    });
  }
}

function isDuration(value: unknown, min: number): value is number {
  return typeof value === "number" && value >= min && value <= longestMs;
}

/** The folder of this package's scripts; "" when a bundler has put them among others. */
export function ownScripts(url: string): string {
  return /\/preemption\.[jt]s$/.test(url) ? new URL(".", url).href : "";
}

function bindingThatPreempts(): Binding {
  const { binding } = addon();
  if (binding.preempt !== undefined) return binding;
  throw new GreenletError("ERR_ADDON_UNAVAILABLE", {
    saw: "The compiled part of @switchyard/greenlet is older than the rest of it.",
    fix: "Build it anew: node scripts/build-addon.mjs in the package's folder.",
  });
}
