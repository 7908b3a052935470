// How long a loop may be held before that is told: a calculation.

import type { ServeSettings } from "../config/settings.ts";

type Limits = Pick<ServeSettings, "blockedThresholdMs" | "runTimeoutMs">;

/** Of a worker that runs many requests on its loop, in milliseconds; 0: it is not watched. */
export function loopThresholdMs({ blockedThresholdMs }: Limits): number {
  return blockedThresholdMs;
}

/** The part of runTimeoutMs after which a sync worker counts as stuck: its report comes before it is killed. */
const stuckAfter = 0.6;
/** Where runTimeoutMs sets no limit, in milliseconds. */
const stuckAfterMs = 30_000;

interface LaneLimits {
  readonly model: string;
  readonly runTimeoutMs: number;
}

/**
 * Of a worker of a pool, in milliseconds; 0: it is not watched. The loop of a sync worker is held by right while a request
 * runs, so it is told of once it is likely that it never ends.
 */
export function poolThresholdMs(settings: Limits, lane: LaneLimits | null): number {
  const { blockedThresholdMs } = settings;
  if (blockedThresholdMs === 0 || (lane !== null && lane.model !== "sync")) return blockedThresholdMs;
  const { runTimeoutMs } = lane ?? settings;
  return runTimeoutMs === 0 ? stuckAfterMs : runTimeoutMs * stuckAfter;
}
