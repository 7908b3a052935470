// Loads the addon at first use and chooses its backend.
//
// Importing the package never fails: what can't be loaded is reported by the first call that needs it. Chooses once; the
// choice and its reason stay readable in `hub.backend` and `hub.backendReason`.

import { changeCredentialsOnOwnStack } from "./credentials.ts";
import { GreenletError } from "./errors.ts";
import { stayOnStackAtExit } from "./exiting.ts";
import { loadBinding, packageFolder } from "./load-binding.ts";
import { machineStackLimit, ownStackBytes } from "./machine.ts";
import { watchForOtherStacks } from "./pinning.ts";
import { guardTimeLimits } from "./vm-time-limits.ts";

/** In ascending order: a machine that can run one can run those before it. */
export const backends = ["handoff", "impersonation", "impersonation-light"] as const;
export type BackendName = (typeof backends)[number];

/** Which of them this machine can run, and why no more. */
interface BackendCheck {
  readonly impersonation: boolean;
  readonly light: boolean;
  readonly reason: string;
}

/** What native/binding.cc exports; described there. */
export interface Binding {
  checkMachine(): BackendCheck;
  open(backend: BackendName, stackBytes: number, processStacks: number, ownStackBytes: number): boolean;
  create(body: () => void): number;
  resume(index: number): StackEnding | undefined;
  park(keepAsyncContext: boolean, evenPinned: boolean): boolean;
  endWhenInterrupted?(index: number, ends: boolean): void;
  mayBePinned?(): boolean;
  whatPins(): {
    readonly microtask: boolean;
    readonly callbackScope: boolean;
    readonly native: "" | "node" | "sqlite" | "addon" | "otherStack";
    readonly file: string;
  };
  lookAtFrames?(): void;
  hasNativeCaller(): boolean;
  isInCallbackScope(): boolean;
  preempt(sliceUs: number, limitMs: number, ownScripts: string, guarded: readonly string[]): void;
  profile(periodUs: number): void;
  watchLoop(
    beats: SharedArrayBuffer,
    lookEveryMs: number,
    againAfter: number,
    nativeAfterMs: number,
    fd: number,
    nativeLine: string,
    tell: (heldMs: number, wasNative: boolean) => void,
  ): void;
  counts(): PreemptionCounts;
  whyNotPreempt(moment: PreemptionMoment, ownScripts: string, guarded: readonly string[]): PreemptionRefusal | "";
  resumable?(stacks: readonly number[], wakers: readonly (readonly object[])[]): boolean[];
  pushAsyncScope?(asyncId: number, triggerId: number): void;
  popAsyncScope?(asyncId: number): boolean;
}

/** How a stack was left, other than by parking: it has ended, its slice was over, or it was ended. */
export type StackEnding = true | "preempted" | EndedBy;
/** Why V8 has ended a greenlet: it ran over the limit, or was killed and did not wait. */
export type EndedBy = "overLimit" | "killed";

/** Why a greenlet whose slice was over went on: what was on its stack. */
export type PreemptionRefusal =
  | "withoutSwitching"
  | "moduleLoading"
  | "nativeCaller"
  | "callbackScope"
  | "microtask"
  | "matchBegins"
  | "webAssembly"
  | "nodeInternals"
  | "library";

export interface PreemptionCounts {
  readonly preemptions: number;
  readonly overLimit: number;
  readonly refusals: Readonly<Record<PreemptionRefusal, number>>;
  /** Whether it was seen where a match begins, so that matches may be interrupted further on. */
  readonly knowsMatches: boolean;
}

/** What the policy is given (native/preemption_policy.h); frames are [script, function, isWasm], innermost first. */
export interface PreemptionMoment {
  readonly frames: readonly (readonly [script: string, function: string, isWasm: boolean])[];
  readonly nativeCaller?: boolean;
  readonly callbackScope?: boolean;
  readonly microtask?: boolean;
  readonly matchBegins?: boolean;
}

export interface Addon {
  readonly binding: Binding;
  readonly backend: BackendName;
  readonly backendReason: string;
  readonly stackBytes: number;
  /** How many stacks the machine can bear in this process. */
  readonly stackLimit: number;
}

// Measured on Node 24 and 26: 2,400 JavaScript frames, and every native function of Node that we tried.
const stackBytes = 256 * 1024;
const backendVariable = "SWITCHYARD_GREENLET_BACKEND";

let loaded: Addon | undefined;

/** @throws {GreenletError} `ERR_ADDON_UNAVAILABLE`. */
export function addon(): Addon {
  loaded ??= loadAddon();
  return loaded;
}

function loadAddon(): Addon {
  const binding = loadedBinding();
  const { backend, backendReason } = chooseBackend(binding.checkMachine(), process.env[backendVariable]);
  const stackLimit = machineStackLimit(backend, stackBytes);
  if (!binding.open(backend, stackBytes, stackLimit, ownStackBytes())) throw unsupportedNode();
  binding.profile?.(profilePeriodUs(process.execArgv, process.env.NODE_OPTIONS));
  watchForOtherStacks(binding);
  guardTimeLimits();
  stayOnStackAtExit();
  if (backend !== "handoff") changeCredentialsOnOwnStack();
  return { binding, backend, backendReason, stackBytes, stackLimit };
}

function loadedBinding(): Binding {
  try {
    return loadBinding();
  } catch (error) {
    throw new GreenletError("ERR_ADDON_UNAVAILABLE", {
      saw:
        `The compiled part of @switchyard/greenlet can't be loaded in Node ${process.version} on ${process.platform} ` +
        `${process.arch}: ${error instanceof Error ? error.message.split("\n", 1)[0] : String(error)}.`,
      fix: `Build it with this Node: node ${packageFolder}/scripts/build-addon.mjs (a C++20 compiler, make and Python 3 are needed).`,
      cause: error,
    });
  }
}

/** The wish of the environment variable, where the machine allows it, else the best backend that the machine can run. */
function chooseBackend(
  machine: BackendCheck,
  wish: string | undefined,
): { backend: BackendName; backendReason: string } {
  const best = machine.light ? "impersonation-light" : machine.impersonation ? "impersonation" : "handoff";
  if (wish === undefined || wish === "") return { backend: best, backendReason: machine.reason };
  const backend = backends.find((name) => name === wish);
  if (backend === undefined) {
    throw new GreenletError("ERR_ADDON_UNAVAILABLE", {
      saw: `${backendVariable} is ${JSON.stringify(wish)}.`,
      fix: `Set it to ${backends.join(" or ")}, or remove it to let the machine decide.`,
    });
  }
  if (backends.indexOf(backend) > backends.indexOf(best)) {
    throw new GreenletError("ERR_ADDON_UNAVAILABLE", {
      saw: `${backendVariable} asks for ${backend}, which this machine can't run: ${machine.reason}.`,
      fix: `Remove it, or set it to ${best}.`,
    });
  }
  return { backend, backendReason: `${backendVariable} asks for it` };
}

/**
 * How often greenlets are sampled for a profile that Node was started to write (--cpu-prof), in microseconds; 0: never.
 * V8's own sampling sees the main stack alone.
 */
function profilePeriodUs(args: readonly string[], nodeOptions = ""): number {
  const flags = `${args.join(" ")} ${nodeOptions}`;
  if (!/--cpu-prof(?![-\w])/.test(flags)) return 0;
  return Number(/--cpu-prof-interval[= ](\d+)/.exec(flags)?.[1] ?? 1000);
}

function unsupportedNode(): GreenletError {
  return new GreenletError("ERR_ADDON_UNAVAILABLE", {
    saw:
      `Node ${process.version} does not keep its count of open callbacks where it can be found, and a greenlet that parks ` +
      "inside one would stop every promise of the process.",
    fix: "Use Node 24 or 26.",
  });
}
