// When a lane's pool grows and when it shrinks: a calculation.
//
// It grows by the time that requests wait, not by their number: a long queue of short requests needs no worker. One worker
// at a time, since each takes a while to load and the queue may be empty by then. It shrinks by workers that have been
// idle for long, so that a lane with pauses keeps what it needs.

export interface Sizes {
  readonly min: number;
  readonly max: number;
  /** Workers that are ready or about to be, those that leave not counted. */
  readonly workers: number;
  /** Of these, those that are still loading. */
  readonly starting: number;
}

/** Whether to start another worker. */
export function shouldGrow(
  { max, workers, starting }: Sizes,
  { oldestWaitMs, growAfterMs }: { oldestWaitMs: number; growAfterMs: number },
): boolean {
  return starting === 0 && workers < max && oldestWaitMs >= growAfterMs;
}

/** Whether to stop the worker that has been idle for the longest. */
export function shouldShrink(
  { min, workers, starting }: Sizes,
  { longestIdleMs, idleMs }: { longestIdleMs: number | null; idleMs: number },
): boolean {
  return starting === 0 && workers > min && longestIdleMs !== null && longestIdleMs >= idleMs;
}
