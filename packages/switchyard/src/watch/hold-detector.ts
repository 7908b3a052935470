// Tells when a loop is held, from the beats that it gives while it goes round: a calculation.
//
// A beat is a counter that a timer of the watched loop raises; whoever watches looks at it as often as it is raised. Time
// is counted in looks and not by a clock, so that a process that was stopped, or a machine that slept, is no held loop.

/** Beats, and looks, in the time that a loop may be held. */
const beatsPerThreshold = 8;
/** A loop that goes on being held is told again after ten times as long. */
export const againAfter = 10;

/** How often a loop is to beat, in milliseconds, to be told when it is held for `thresholdMs`, or a quarter longer. */
export function beatEveryMs(thresholdMs: number): number {
  return Math.max(1, thresholdMs / beatsPerThreshold);
}

/** How many looks without a beat are one too many: one more than beats, for one that was given right before a look. */
export function looksUntilHeld(thresholdMs: number, everyMs: number): number {
  return Math.ceil(thresholdMs / everyMs) + 1;
}

export class HoldDetector {
  #beat = -1;
  #sinceMs = 0;
  #looks = 0;
  #tellAfter = 0;

  /**
   * Looks once.
   *
   * @param untilHeld For how many looks a beat may stand still; 0: the loop has not begun to beat.
   * @returns for how long the loop has been held, in milliseconds, when that is to be told now; else null.
   */
  look(beat: number, untilHeld: number, nowMs: number): number | null {
    if (beat !== this.#beat || untilHeld === 0) {
      this.#beat = beat;
      this.#sinceMs = nowMs;
      this.#looks = 0;
      this.#tellAfter = untilHeld;
      return null;
    }
    if (++this.#looks < this.#tellAfter) return null;
    this.#tellAfter *= againAfter;
    return nowMs - this.#sinceMs;
  }

  /** Whether it has gone round since it was found held. */
  isFree(beat: number): boolean {
    return beat !== this.#beat;
  }
}
