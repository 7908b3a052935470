// Medians and their spread, of figures of several rounds. Calculations.

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

export function spreadOf(figures: readonly number[]): Spread | null {
  if (figures.length === 0) return null;
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, count: sorted.length };
}

/** What one round may differ by from the next where there was only one to see it by. */
const usualNoise = 0.2;
/** A difference below this is none that anybody would notice, however well it repeats. */
const leastDifference = 0.1;

/** Whether two figures differ by more than their rounds do among themselves. */
export function differs(a: Spread, b: Spread): boolean {
  const [low, high] = a.median <= b.median ? [a, b] : [b, a];
  if (high.median <= 0) return false;
  const ratio = 1 - low.median / high.median;
  const noise = low.count < 3 || high.count < 3 ? usualNoise : leastDifference;
  return ratio > noise && (low.count < 3 || high.count < 3 || low.max < high.min);
}

/** Whether a figure is the one that was promised: no further from it than the rounds of both, and usual noise, explain. */
export function keeps(seen: Spread, promised: Spread): boolean {
  const allowed = seen.max - seen.min + (promised.max - promised.min) + usualNoise * promised.median;
  return Math.abs(seen.median - promised.median) <= allowed;
}
