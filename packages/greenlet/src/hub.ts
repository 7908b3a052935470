// The hub as users see it: which backend runs, how many greenlets there are and may be.

import { addon, type BackendName } from "./addon.ts";
import { GreenletError } from "./errors.ts";
import type { Greenlet, Unlink } from "./greenlet.ts";
import { hubLimits } from "./limits.ts";
import { switchCounts } from "./switching.ts";
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

  /** Counts of this moment. */
  stats(): HubStats {
    return {
      live: hubLimits.live,
      mostLive: hubLimits.mostSeen,
      started: hubLimits.started,
      ...switchCounts(),
    };
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
}

function describe(greenlet: Greenlet): string {
  const waitsFor = greenlet.waitsFor === "" ? "" : `, waits for ${greenlet.waitsFor}`;
  const stack = greenlet.stack();
  return `${greenlet.title}: ${greenlet.state}${waitsFor}${stack === "" ? "" : `\n${stack}`}`;
}

export type { Hub };
export const hub = new Hub();
