// Erlang's formulas: requests that arrive independently of each other, with exponentially distributed times, at a number of
// workers with one queue, oldest first. Calculations.
//
// (A. K. Erlang, "Solution of Some Problems in the Theory of Probabilities of Significance in Automatic Telephone
// Exchanges", 1917; the recursion: Cooper, "Introduction to Queueing Theory", 2nd edition, 1981, chapter 3.)

export interface Queueing {
  /** Workers, each with one request at a time. */
  readonly workers: number;
  /** Requests that arrive in a second. */
  readonly perSecond: number;
  /** Mean time in a worker, in milliseconds. */
  readonly meanMs: number;
}

/** How many workers are busy on average: what the load would be for workers without end. */
export function offeredLoad({ perSecond, meanMs }: Pick<Queueing, "perSecond" | "meanMs">): number {
  return (perSecond * meanMs) / 1_000;
}

/** The chance that a request finds all workers busy and waits; 1 when the load is more than they can do. */
export function chanceToWait(queueing: Queueing): number {
  const load = offeredLoad(queueing);
  const { workers } = queueing;
  if (load >= workers) return 1;
  let blocked = 1;
  for (let n = 1; n <= workers; n++) blocked = (load * blocked) / (n + load * blocked);
  return blocked / (1 - (load / workers) * (1 - blocked));
}

/** The mean wait of all requests, those that need not wait included, in milliseconds; Infinity above capacity. */
export function meanWaitMs(queueing: Queueing): number {
  const spare = queueing.workers - offeredLoad(queueing);
  return spare <= 0 ? Number.POSITIVE_INFINITY : (chanceToWait(queueing) * queueing.meanMs) / spare;
}

/** The wait that a share `quantile` of the requests stay below, in milliseconds. */
export function waitQuantileMs(queueing: Queueing, quantile: number): number {
  const spare = queueing.workers - offeredLoad(queueing);
  if (spare <= 0) return Number.POSITIVE_INFINITY;
  const chance = chanceToWait(queueing);
  return chance <= 1 - quantile ? 0 : (Math.log(chance / (1 - quantile)) * queueing.meanMs) / spare;
}

/** The latency, wait and time in the worker together, that a share `quantile` of the requests stay below. */
export function latencyQuantileMs(queueing: Queueing, quantile: number): number {
  if (queueing.workers <= offeredLoad(queueing)) return Number.POSITIVE_INFINITY;
  let high = queueing.meanMs;
  while (shareAbove(queueing, high) > 1 - quantile) high *= 2;
  let low = 0;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (shareAbove(queueing, middle) > 1 - quantile) low = middle;
    else high = middle;
  }
  return high;
}

/** The share of requests whose latency is above `ms`. Wait and time in the worker are independent of each other. */
function shareAbove(queueing: Queueing, ms: number): number {
  const { meanMs, workers } = queueing;
  const spare = workers - offeredLoad(queueing);
  const chance = chanceToWait(queueing);
  const alone = Math.exp(-ms / meanMs);
  const difference = spare - 1;
  // The sum of two exponentially distributed times; at equal rates the formula is 0 / 0, and this its limit.
  if (Math.abs(difference) < 1e-9) return alone * (1 + chance * (ms / meanMs));
  return alone + (chance * (alone - Math.exp((-spare * ms) / meanMs))) / difference;
}
