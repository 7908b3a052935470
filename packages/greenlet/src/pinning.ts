// Waits with something on the stack that can't be left there, or that should be told of: pinning.
//
// A greenlet parks with all its frames. JavaScript's may be left for any time. Native code in the middle of a call may not,
// when it holds a lock, or handle scopes that must be closed in order; nor may a WebAssembly stack, of which V8 keeps one
// chain for the whole isolate. Each such wait is refused or counted, and those who watch are told. What is looked at is the
// state of the stack at each wait, cheaply (native/script_stack.cc); nothing is guessed.
//
//   switchyard.greenlet.pinned    { greenlet, by, file, isRefused, stack }   for every wait of these kinds

import { channel } from "node:diagnostics_channel";
import type { Binding } from "./addon.ts";
import type { Unlink } from "./ending.ts";
import { withoutOwnFrames } from "./error-frames.ts";
import { type ErrorParts, GreenletError, type GreenletErrorCode } from "./errors.ts";
import type { Greenlet } from "./greenlet.ts";
import { guarded } from "./guarded.ts";

/**
 * What was on the stack of a greenlet that waited:
 * `withoutSwitching`, a call of it · `timeLimit`, code that node:vm runs with a timeout or breakOnSigint · `microtask`, one that runs on this very stack · `asyncScope`, one that this Node can't
 * put back · `addon`, a function of a native library that has called JavaScript · `sqlite`, a query of node:sqlite that has ·
 * `otherStack`, WebAssembly on a stack of its own (JSPI) · `callbackScope`, a callback of Node's, which is carried along ·
 * `node`, another native function of Node's.
 */
export type PinKind = (typeof pinKinds)[number];

const pinKinds = [
  "withoutSwitching",
  "timeLimit",
  "microtask",
  "asyncScope",
  "addon",
  "sqlite",
  "otherStack",
  "callbackScope",
  "node",
] as const;

export interface PinReport {
  readonly greenlet: Greenlet;
  readonly by: PinKind;
  /** The native library's file, where that is known; else empty. */
  readonly file: string;
  /** Whether the wait threw instead of parking. */
  readonly isRefused: boolean;
  /** The frames that waited. */
  readonly stack: string;
}

interface Pin {
  readonly by: PinKind;
  readonly file: string;
}

const pinned = channel("switchyard.greenlet.pinned");
const listeners = new Set<(report: PinReport) => void>();
const trusted = new Set<{ readonly part: string }>();
const counts: Record<PinKind, number> = {
  withoutSwitching: 0,
  timeLimit: 0,
  microtask: 0,
  asyncScope: 0,
  addon: 0,
  sqlite: 0,
  otherStack: 0,
  callbackScope: 0,
  node: 0,
};

/** How often each kind was met in this thread, refused or not. */
export function pinCounts(): Record<PinKind, number> {
  return { ...counts };
}

export function addPinListener(callback: (report: PinReport) => void): Unlink {
  // Each is its own, also when one function is added twice.
  const own: typeof callback = (report) => callback(report);
  listeners.add(own);
  return () => void listeners.delete(own);
}

/** Lets greenlets park under functions of the native libraries whose path contains `part`. */
export function trustAddon(part: string): Unlink {
  if (typeof part !== "string" || part === "") {
    throw new GreenletError("ERR_INVALID_ARGUMENT", {
      saw: "hub.trustAddon() was given no part of a path.",
      fix: 'Give it a string such as "better_sqlite3".',
    });
  }
  const entry = { part };
  trusted.add(entry);
  return () => void trusted.delete(entry);
}

/**
 * Counts and tells what keeps the running greenlet from being parked as any other.
 *
 * @param greenlet The running one, as a `Task`.
 * @returns What to throw; `null` where it may park all the same.
 */
export function judgePin(binding: Binding, greenlet: object): GreenletError | null {
  const pin = pinOf(binding);
  if (pin === null) return endedByLimit();
  const refusal = refusalOf(pin);
  tellPin(greenlet, pin.by, refusal !== null, pin.file);
  return refusal;
}

/**
 * Whether the running greenlet had better block where it stands: where a wait would be refused, and inside native functions of
 * Node's, which make a stack's text or begin to load a module and do not expect others to run before they return.
 */
export function mustStay(binding: Binding): boolean {
  // An addon that was built before it could be asked is not.
  if (binding.mayBePinned?.() !== true) return false;
  const pin = pinOf(binding);
  return pin !== null && (pin.by === "node" || refusalOf(pin) !== null);
}

export function tellPin(greenlet: object, by: PinKind, isRefused: boolean, file = ""): void {
  counts[by]++;
  if (listeners.size === 0 && !pinned.hasSubscribers) return;
  const stack = withoutOwnFrames(String(new Error().stack));
  // Greenlet is the only kind of task.
  const report: PinReport = { greenlet: greenlet as Greenlet, by, file, isRefused, stack };
  queueMicrotask(() => {
    pinned.publish(report);
    for (const listener of listeners) guarded(() => listener(report));
  });
}

/**
 * Has waits look for WebAssembly's own stacks once a program asks for one: nothing cheaper tells of them. What asked before
 * this was called is not seen.
 */
export function watchForOtherStacks(binding: Binding): void {
  // Only where this V8 has JSPI; TypeScript's library does not know it.
  const { WebAssembly: assembly } = globalThis as {
    WebAssembly?: { promising?: (this: unknown, ...args: unknown[]) => unknown };
  };
  const original = assembly?.promising;
  if (assembly === undefined || original === undefined || binding.lookAtFrames === undefined) return;
  const promising = function (this: unknown, ...args: unknown[]): unknown {
    binding.lookAtFrames?.();
    return Reflect.apply(original, this, args);
  };
  for (const name of ["name", "length"] as const) {
    Object.defineProperty(promising, name, { value: original[name], configurable: true });
  }
  assembly.promising = promising;
}

/** Null where nothing pins it: V8 is about to end it. */
function pinOf(binding: Binding): Pin | null {
  const { microtask, callbackScope, native, file } = binding.whatPins();
  if (microtask) return { by: "microtask", file: "" };
  if (native === "addon" || native === "sqlite" || native === "otherStack") return { by: native, file };
  if (callbackScope) return { by: "callbackScope", file: "" };
  return native === "node" ? { by: "node", file: "" } : null;
}

const refusals: Partial<Record<PinKind, { code: GreenletErrorCode } & ErrorParts>> = {
  microtask: {
    code: "ERR_PINNED",
    saw: "A greenlet waited inside a microtask that ran on its own stack, or in what the inspector evaluates there, and parking would stop every promise of the process.",
    fix: "Wrap the function that waits in greenletify(), so that it runs in a greenlet of its own.",
  },
  sqlite: {
    code: "ERR_PINNED",
    saw: "A greenlet waited in a function that node:sqlite had called, and SQLite would keep the database's mutex locked meanwhile.",
    fix: "Wait before the query or after it.",
  },
  otherStack: {
    code: "ERR_PINNED",
    saw: "A greenlet waited under a WebAssembly.promising() export, whose stack V8 can't keep apart from those of others.",
    fix: "Return the promise from a WebAssembly.Suspending() import instead, or wait for what the export returns.",
  },
};

function refusalOf({ by, file }: Pin): GreenletError | null {
  if (by === "addon") return [...trusted].some(({ part }) => file.includes(part)) ? null : pinnedByAddon(file);
  const refusal = refusals[by];
  return refusal === undefined ? null : new GreenletError(refusal.code, refusal);
}

function pinnedByAddon(file: string): GreenletError {
  return new GreenletError("ERR_PINNED", {
    saw: `A greenlet waited in a function that native code had called (${file || "its file is not known"}), which may hold locks and open handle scopes.`,
    fix:
      "Wait before or after that call, or wrap the function in greenletify() where its caller takes a promise. " +
      "hub.trustAddon() lifts the ban for an addon that holds neither.",
  });
}

/** For a wait in the moment before V8 ends the greenlet, which sees nothing of it. */
function endedByLimit(): GreenletError {
  return new GreenletError("ERR_RUN_LIMIT", {
    saw: "A greenlet waited after it had run for longer than hub.preempt()'s limitMs.",
    fix: "See what it computes, or raise the limit.",
  });
}
