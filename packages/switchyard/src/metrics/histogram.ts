// A histogram of lengths of time with fixed buckets: cheap to record into, exact to add up.
//
// It is on the path of every request, so recording one is a search among 36 numbers and three additions, without a new
// object. Every histogram of the server has the same bounds, so that the supervisor can add up those of all workers and
// keep what dead ones had. A quantile read from it is off by less than half: neighbouring bounds are that near.

/** Upper bounds in milliseconds, each part of its bucket: six in each power of ten from 0.1 ms to 70 s. */
export const boundsMs: readonly number[] = [-1, 0, 1, 2, 3, 4].flatMap((exponent) =>
  [1, 1.5, 2, 3, 5, 7].map((step) => Number((step * 10 ** exponent).toPrecision(2))),
);

/** Plain data. `counts` has one more than there are bounds: what was longer than the last. */
export interface HistogramData {
  readonly counts: readonly number[];
  readonly sumMs: number;
}

export class Histogram {
  readonly #counts: number[] = Array<number>(boundsMs.length + 1).fill(0);
  #sumMs = 0;

  record(lengthMs: number): void {
    let low = 0;
    let high = boundsMs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      // Within the array, by the loop's condition.
      if (lengthMs <= boundsMs[middle]!) high = middle;
      else low = middle + 1;
    }
    this.#counts[low]!++;
    this.#sumMs += lengthMs;
  }

  data(): HistogramData {
    return { counts: [...this.#counts], sumMs: this.#sumMs };
  }
}

export const emptyHistogram: HistogramData = { counts: Array<number>(boundsMs.length + 1).fill(0), sumMs: 0 };

export function countOf({ counts }: HistogramData): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

export function sumOfHistograms(histograms: Iterable<HistogramData>): HistogramData {
  const counts = [...emptyHistogram.counts];
  let sumMs = 0;
  for (const each of histograms) {
    for (let i = 0; i < counts.length; i++) counts[i]! += each.counts[i] ?? 0;
    sumMs += each.sumMs;
  }
  return { counts, sumMs };
}

/** What was recorded after `before`, which is an earlier state of the same histogram. */
export function since(now: HistogramData, before: HistogramData): HistogramData {
  return {
    counts: now.counts.map((count, index) => Math.max(0, count - (before.counts[index] ?? 0))),
    sumMs: Math.max(0, now.sumMs - before.sumMs),
  };
}

/**
 * The length that a share of all stayed below, in milliseconds, or null when nothing was recorded. Lengths are taken to be
 * spread evenly within a bucket.
 *
 * @param share between 0 and 1: 0.99 for p99.
 */
export function quantileMs(histogram: HistogramData, share: number): number | null {
  const total = countOf(histogram);
  if (total === 0) return null;
  const wanted = share * total;
  let below = 0;
  for (const [index, count] of histogram.counts.entries()) {
    if (count > 0 && below + count >= wanted) {
      const fromMs = index === 0 ? 0 : boundsMs[index - 1]!;
      // What was longer than the last bound is only known to have been so.
      const toMs = boundsMs[index] ?? fromMs;
      return fromMs + (toMs - fromMs) * ((wanted - below) / count);
    }
    below += count;
  }
  return boundsMs.at(-1)!;
}
