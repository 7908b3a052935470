// The life of one worker as its parent sees it, and how long to wait before a dead one is replaced.
//
//   starting ──ready message──► ready ──stop()──► draining ──exit──► stopped
//       └────────────── exit, or overdue and killed ─────────────────►┘
//
// Calculations only: time is an argument, and nothing here starts or ends anything.

export type WorkerState =
  | { readonly is: "starting"; readonly readyByMs: number }
  | { readonly is: "ready"; readonly sinceMs: number }
  | { readonly is: "draining"; readonly stopByMs: number }
  | { readonly is: "stopped" };

/** The first pause before a replacement, in milliseconds; it doubles with each failure in a row. */
const firstPauseMs = 100;
const longestPauseMs = 30_000;
/** A worker that was ready for this long has shown that the application works: its death is the first of a new row. */
export const provenAfterMs = 10_000;

/** How long to wait before the next start, after `failures` deaths in a row, in milliseconds. */
export function pauseBeforeRestartMs(failures: number): number {
  if (failures <= 1) return 0;
  return Math.min(firstPauseMs * 2 ** (failures - 2), longestPauseMs);
}

/** A death, as far as it tells whether another worker would live. */
export interface LastMoments {
  /** Its state before it died. */
  readonly state: WorkerState;
  readonly nowMs: number;
  /** The pool killed it. */
  readonly wasOurKill: boolean;
}

/**
 * Deaths in a row, counting this one. A ready worker that the pool killed (a request was too long in it) did not fail: a
 * pause would only keep the others' requests waiting.
 */
export function failuresAfterDeath(before: number, { state, nowMs, wasOurKill }: LastMoments): number {
  if (state.is === "ready" && wasOurKill) return before;
  const wasProven = state.is === "ready" && nowMs - state.sinceMs >= provenAfterMs;
  return wasProven ? 1 : before + 1;
}
