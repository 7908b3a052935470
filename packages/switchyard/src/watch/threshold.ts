// How long a loop may be held before that is told: a calculation.

import type { ServeSettings } from "../config/settings.ts";
import { beatEveryMs } from "./hold-detector.ts";

type Settings = Pick<ServeSettings, "blockedThresholdMs" | "runTimeoutMs" | "startTimeoutMs">;

/** How long a loop may be held, in milliseconds. */
export interface WatchLimits {
  readonly servingMs: number;
  /** While it loads the application, which may take its time; but whoever waits for it wants to know what it waits for. */
  readonly loadingMs: number;
}

/** Of a worker that runs many requests on its loop; null: it is not watched. */
export function loopLimits(settings: Settings): WatchLimits | null {
  const { blockedThresholdMs } = settings;
  return blockedThresholdMs === 0 ? null : { servingMs: blockedThresholdMs, loadingMs: loadingMsOf(settings) };
}

/** How often the loop beats, and somebody looks, in milliseconds: for the shorter of the two. */
export function lookEveryMs({ servingMs, loadingMs }: WatchLimits): number {
  return beatEveryMs(Math.min(servingMs, loadingMs));
}

/** A load may hold its loop for so many times as long as requests may; it is told of before the worker is given up. */
const loadingMayHold = 10;

function loadingMsOf({ blockedThresholdMs, startTimeoutMs }: Settings): number {
  return Math.min(blockedThresholdMs * loadingMayHold, startTimeoutMs / 2);
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
 * Of a worker of a pool; null: it is not watched. The loop of a sync worker is held by right while a request runs, so it is
 * told of once it is likely that it never ends.
 */
export function poolLimits(settings: Settings, lane: LaneLimits | null): WatchLimits | null {
  const limits = loopLimits(settings);
  if (limits === null || (lane !== null && lane.model !== "sync")) return limits;
  const { runTimeoutMs } = lane ?? settings;
  return { ...limits, servingMs: runTimeoutMs === 0 ? stuckAfterMs : runTimeoutMs * stuckAfter };
}
