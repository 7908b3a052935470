// The hub as users see it: which backend runs, how many greenlets there are and may be.

import { addon, type BackendName, type PreemptionRefusal } from "./addon.ts";
import { areSpawnsRecorded, describe, recordSpawns } from "./description.ts";
import { watchEmptyLoop } from "./empty-loop.ts";
import type { Unlink } from "./ending.ts";
import { GreenletError } from "./errors.ts";
import type { Greenlet } from "./greenlet.ts";
import { hubLimits } from "./limits.ts";
import { isMidRun } from "./mid-run.ts";
import { addPinListener, type PinKind, type PinReport, pinCounts, trustAddon } from "./pinning.ts";
import {
  learnMatches,
  type PreemptOptions,
  preemption,
  preemptionCounts,
  setPreemption,
  setProfiling,
} from "./preemption.ts";
import { spawnNow } from "./spawn.ts";
import { switchCounts } from "./switching.ts";
import {
  addUnreachableListener,
  type FindUnreachableOptions,
  findUnreachable,
  type UnreachableReport,
  unreachableCount,
  type WatchUnreachableOptions,
  watchUnreachable,
} from "./unreachable.ts";
import { addBlockedListener, addSwitchListener, type BlockedReport, type SwitchEvent } from "./watching.ts";

export interface HubStats {
  /** Greenlets that have been started and have not ended. */
  readonly live: number;
  /** The most that were alive at once. */
  readonly mostLive: number;
  /** Greenlets started since this thread began. */
  readonly started: number;
  /** Times that a greenlet's stack was entered. */
  readonly switches: number;
  /** Stacks that exist: in use, and finished ones kept for the next greenlet. */
  readonly stacks: number;
  readonly idleStacks: number;
  /** Greenlets that were parked because their slice was over, and wait to go on. */
  readonly preempted: number;
  /** How often that has happened. */
  readonly preemptions: number;
  /** How often a greenlet went on though its slice was over, by what was on its stack. */
  readonly preemptionRefusals: Readonly<Record<PreemptionRefusal, number>>;
  /** Greenlets that were ended for running over the limit. */
  readonly overLimit: number;
  /** How often a greenlet waited where something could not be left on its stack, or had to be carried along, by what. */
  readonly pins: Readonly<Record<PinKind, number>>;
  /** Greenlets that were found to be parked with nothing left that could resume them, in all. */
  readonly unreachable: number;
}

function countsOfPreemption(): Pick<HubStats, "preemptions" | "preemptionRefusals" | "overLimit"> {
  const { preemptions, refusals, overLimit } = preemptionCounts();
  return { preemptions, preemptionRefusals: refusals, overLimit };
}

class Hub {
  /** How stacks are switched here. `impersonation` is fast; `handoff` runs anywhere. Loads the addon. */
  get backend(): BackendName {
    return addon().backend;
  }

  /** Why it is that backend. */
  get backendReason(): string {
    return addon().backendReason;
  }

  /** The size of a greenlet's stack, in bytes. */
  get stackBytes(): number {
    return addon().stackBytes;
  }

  /**
   * How many greenlets may be alive in this thread; starting one more throws `ERR_TOO_MANY_GREENLETS`. Default: what the
   * kernel's limits allow this process, at most 16,000; it can only be lowered from there.
   */
  get maxGreenlets(): number {
    return hubLimits.max;
  }

  set maxGreenlets(count: number) {
    hubLimits.max = count;
  }

  /**
   * Parks every greenlet that runs for longer than a slice, and lets it go on once the event loop and the others have had
   * their turn; `null` turns that off. Off by default: with it, other greenlets may run between any two statements of a
   * greenlet outside `withoutSwitching`, not only where it waits.
   *
   * Call it first in a program: loops that V8 has optimized before may go on with values that others have changed.
   *
   * @throws {GreenletError} `ERR_INVALID_ARGUMENT`; `ERR_ADDON_UNAVAILABLE`.
   */
  preempt(options: PreemptOptions | null): void {
    setPreemption(options);
    if (options === null || preemptionCounts().knowsMatches) return;
    learnMatches(spawnNow);
    setPreemption(options);
  }

  /** What `preempt` was given; null when it is off. */
  get preemption(): PreemptOptions | null {
    return preemption();
  }

  /**
   * Has greenlets sampled for V8's CPU profiles every `periodMs`, 1 by default; `null` stops that. V8 itself sees the main
   * stack alone. On from the start in a Node that was started with --cpu-prof.
   *
   * @throws {GreenletError} `ERR_INVALID_ARGUMENT`; `ERR_ADDON_UNAVAILABLE`.
   */
  profile(periodMs: number | null = 1): void {
    setProfiling(periodMs);
  }

  /** Counts of this moment. */
  stats(): HubStats {
    return {
      live: hubLimits.live,
      mostLive: hubLimits.mostSeen,
      started: hubLimits.started,
      ...switchCounts(),
      ...countsOfPreemption(),
      pins: pinCounts(),
      unreachable: unreachableCount(),
    };
  }

  /**
   * Whether `test` is true of a greenlet that stands in the middle of a run: its slice was over, or a patched function has parked
   * it, and its own code has not waited. `test` is called in the async context of each such greenlet, so that a store of
   * AsyncLocalStorage says whose it is.
   */
  isMidRun(test: () => boolean): boolean {
    return isMidRun(test);
  }

  /** For people: every greenlet that is alive, how it stands, what it waits for and in which frames. */
  dump(): string {
    const { live, stacks, idleStacks, switches } = this.stats();
    // Greenlets are all that is counted.
    const greenlets = hubLimits.members() as unknown as Greenlet[];
    const head = `${live} greenlets, ${stacks} stacks (${idleStacks} idle), ${switches} switches, ${this.backend}`;
    return [head, ...greenlets.map(describe)].join("\n");
  }

  /** Calls back at each switch to a greenlet and back, with the stack of whoever resumes it. For tracing: it costs time. */
  onSwitch(callback: (event: SwitchEvent, greenlet: Greenlet) => void): Unlink {
    return addSwitchListener(callback);
  }

  /**
   * Calls back when a greenlet has run for `ms` milliseconds or more without waiting, once it does wait or end: meanwhile the
   * thread did nothing else. What runs outside greenlets is not seen; perf_hooks.monitorEventLoopDelay() sees that.
   */
  onBlocked(ms: number, callback: (report: BlockedReport) => void): Unlink {
    if (typeof ms !== "number" || !(ms > 0)) {
      throw new GreenletError("ERR_INVALID_ARGUMENT", {
        saw: `hub.onBlocked() was given ${String(ms)} ms.`,
        fix: "Give it a number of milliseconds above 0.",
      });
    }
    return addBlockedListener(ms, callback);
  }

  /**
   * Calls back, in a microtask, for every wait with something on the stack that can't be left there (the wait throws
   * `ERR_PINNED` or `ERR_SWITCH_FORBIDDEN`), or that was carried along; `stats().pins` counts them.
   */
  onPinned(callback: (report: PinReport) => void): Unlink {
    return addPinListener(callback);
  }

  /**
   * The greenlets that nothing can resume any more: what they wait for is known to nobody else. Looks once, with a pause of
   * the whole thread as a heap snapshot makes it. Those found first are told of by a warning, or by `onUnreachable`.
   *
   * @throws {GreenletError} `ERR_ADDON_UNAVAILABLE`.
   */
  findUnreachable(options?: FindUnreachableOptions): Promise<Greenlet[]> {
    return findUnreachable(options);
  }

  /**
   * Looks so every minute, or every `everyMs`; `null` stops that. Off by default, because of the pause.
   *
   * @throws {GreenletError} `ERR_INVALID_ARGUMENT`; `ERR_ADDON_UNAVAILABLE`.
   */
  watchUnreachable(options: WatchUnreachableOptions | null): void {
    watchUnreachable(options);
  }

  /** Calls back once for each greenlet that is found so, instead of a warning. */
  onUnreachable(callback: (report: UnreachableReport) => void): Unlink {
    return addUnreachableListener(callback);
  }

  /** Whether dumps and warnings say where each greenlet was spawned. Off by default: it makes a spawn take several times as long. */
  get recordsSpawns(): boolean {
    return areSpawnsRecorded();
  }

  set recordsSpawns(isOn: boolean) {
    recordSpawns(isOn);
  }

  /**
   * Lets greenlets wait in functions that an addon has called, which otherwise throws `ERR_PINNED`; for addons that hold
   * no lock and no handle scope meanwhile, or where only one greenlet at a time does so. Without that, the process may end
   * in an assertion of Node's.
   *
   * @param part Part of the path of the addon's file, such as "better_sqlite3".
   * @returns Takes it back.
   * @throws {GreenletError} `ERR_INVALID_ARGUMENT`.
   */
  trustAddon(part: string): Unlink {
    return trustAddon(part);
  }
}

export type { Hub };

watchEmptyLoop();
export const hub = new Hub();
