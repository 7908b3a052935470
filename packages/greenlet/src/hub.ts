// The hub as users see it: which backend runs, how many greenlets there are and may be.

import { addon, type BackendName } from "./addon.ts";
import { hubLimits } from "./limits.ts";
import { switchCounts } from "./switching.ts";

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
}

export type { Hub };
export const hub = new Hub();
