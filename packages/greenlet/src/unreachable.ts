// Greenlets that nothing can resume any more: found when somebody asks, reported once, ended where that is wished.
//
// A parked greenlet keeps its frames, and they keep what it waits for, so neither is ever collected: a promise whose
// resolvers are gone, a queue that nobody else knows, parks it for ever. Such a one is found by a walk of the heap
// (native/reachability.cc), which stops the thread as a full garbage collection does, and longer; so it is never done unasked.
// One that anybody could still kill, because they have it, counts as resumable.
//
//   switchyard.greenlet.unreachable    { greenlet, waitsFor, stack }    for each, when it is found first

import { channel } from "node:diagnostics_channel";
import { addon } from "./addon.ts";
import { countOf, describeSome } from "./description.ts";
import type { Unlink } from "./ending.ts";
import { framesBelow } from "./error-frames.ts";
import { type AnyFunction, GreenletError, GreenletExit } from "./errors.ts";
import type { Greenlet } from "./greenlet.ts";
import { guarded } from "./guarded.ts";
import { hubLimits } from "./limits.ts";

export interface FindUnreachableOptions {
  /** Whether to end those that are found: an `UnreachableExit` is thrown from where they wait. Default `false`. */
  readonly free?: boolean;
}

export interface WatchUnreachableOptions extends FindUnreachableOptions {
  /** How often to look, in milliseconds. Default 60,000. Nothing is done when every greenlet has waited anew since. */
  readonly everyMs?: number;
}

export interface UnreachableReport {
  readonly greenlet: Greenlet;
  readonly waitsFor: string;
  /** The frames in which it waits. */
  readonly stack: string;
}

/**
 * What is thrown into a greenlet that nothing can resume, so that its `finally` blocks run. As with any `GreenletExit`, a
 * greenlet that ends by it counts as successful.
 */
export class UnreachableExit extends GreenletExit {
  override readonly name = "UnreachableExit";
  readonly code = "ERR_UNREACHABLE";
}

const unreachable = channel("switchyard.greenlet.unreachable");
const listeners = new Set<(report: UnreachableReport) => void>();
const reported = new WeakSet<Greenlet>();
let found = 0;
let watch: NodeJS.Timeout | undefined;
/** What greenlets waited with at the last look: one that still does has not been resumed since. */
let lastWaits = new WeakSet<object>();

/** How many have been found in this thread. */
export function unreachableCount(): number {
  return found;
}

export function addUnreachableListener(callback: (report: UnreachableReport) => void): Unlink {
  // Each is its own, also when one function is added twice.
  const own: typeof callback = (report) => callback(report);
  listeners.add(own);
  return () => void listeners.delete(own);
}

/**
 * Those that nothing can resume. Looks in the next turn of the event loop; inside a loop within the loop (deasync) there is
 * no such turn, and it finds none.
 */
export async function findUnreachable({ free = false }: FindUnreachableOptions = {}): Promise<Greenlet[]> {
  const resumable = resumableOf();
  await new Promise<void>((resolve) => setImmediate(resolve));
  return new Promise((resolve, reject) => {
    // A turn of its own, with nothing on the stack but this: what is there can't be told from what the greenlets keep.
    const look = () => {
      try {
        const greenlets = isAlone(look) ? hubLimits.withMembersHidden((members) => lost(members, resumable)) : [];
        resolve(greenlets);
        settleFate(greenlets, free);
      } catch (error) {
        reject(error);
      }
    };
    setImmediate(look);
  });
}

/** Looks every so often; `null` stops that. @throws {GreenletError} `ERR_INVALID_ARGUMENT`; `ERR_ADDON_UNAVAILABLE`. */
export function watchUnreachable(options: WatchUnreachableOptions | null): void {
  const { everyMs = 60_000, free = false } = options ?? {};
  if (!(typeof everyMs === "number" && everyMs >= 1 && everyMs < 2 ** 31)) {
    throw new GreenletError("ERR_INVALID_ARGUMENT", {
      saw: `hub.watchUnreachable() was given an everyMs of ${String(everyMs)}.`,
      fix: "Give it a number of milliseconds, 1 or more and below 2^31, or null to stop.",
    });
  }
  clearInterval(watch);
  watch = undefined;
  if (options === null) return;
  resumableOf();
  watch = setInterval(() => {
    if (anyStill()) void findUnreachable({ free });
  }, everyMs).unref();
}

type Resumable = (members: readonly Greenlet[]) => readonly boolean[];

function resumableOf(): Resumable {
  const { resumable } = addon().binding;
  if (resumable === undefined) {
    throw new GreenletError("ERR_ADDON_UNAVAILABLE", {
      saw: "The compiled part of @switchyard/greenlet is older than the rest of it.",
      fix: "Build it anew: node scripts/build-addon.mjs in the package's folder.",
    });
  }
  return (members) =>
    resumable(
      members.map(({ runsOn }) => runsOn?.index ?? -1),
      members.map((greenlet) => greenlet.wakers),
    );
}

function lost(members: readonly object[], resumable: Resumable): Greenlet[] {
  // Greenlets are all that is counted.
  const greenlets = members as readonly Greenlet[];
  const can = resumable(greenlets);
  return greenlets.filter((greenlet, index) => greenlet.state === "parked" && can[index] === false);
}

function settleFate(greenlets: readonly Greenlet[], free: boolean): void {
  const fresh = greenlets.filter((greenlet) => !reported.has(greenlet));
  found += fresh.length;
  for (const greenlet of fresh) reported.add(greenlet);
  if (fresh.length > 0) tell(fresh, free);
  if (!free) return;
  for (const greenlet of greenlets) {
    greenlet.kill(new UnreachableExit(`The greenlet waited for ${greenlet.waitsFor}, and nothing could resume it.`));
  }
}

function tell(greenlets: readonly Greenlet[], free: boolean): void {
  for (const greenlet of greenlets) {
    if (listeners.size === 0 && !unreachable.hasSubscribers) break;
    const report: UnreachableReport = { greenlet, waitsFor: greenlet.waitsFor, stack: greenlet.stack() };
    guarded(() => unreachable.publish(report));
    for (const listener of listeners) guarded(() => listener(report));
  }
  if (listeners.size > 0) return;
  const what = free ? "could be resumed by nothing and ended" : "can be resumed by nothing any more";
  process.emitWarning(`${countOf(greenlets)} ${what}.`, {
    type: "GreenletWarning",
    code: "ERR_UNREACHABLE",
    detail: describeSome(greenlets),
  });
}

/** Whether any greenlet waits as it did at the last call. */
function anyStill(): boolean {
  const waits = new WeakSet<object>();
  let isAny = false;
  // Greenlets are all that is counted.
  for (const greenlet of hubLimits.members() as unknown as Greenlet[]) {
    if (greenlet.state !== "parked") continue;
    const wait = greenlet.wakers.at(-1) ?? greenlet;
    isAny ||= lastWaits.has(wait);
    waits.add(wait);
  }
  lastWaits = waits;
  return isAny;
}

/** Whether nothing but Node's own functions is below `callee` on the stack. */
function isAlone(callee: AnyFunction): boolean {
  return framesBelow(callee).every((frame) => frame.includes("(node:internal/"));
}
