// What a simulation saw, in memory that does not grow with it: mean, chance, and quantiles from Node's own histogram (an
// HdrHistogram: three significant digits, from a microsecond on).

import { createHistogram } from "node:perf_hooks";

/** Waits and latencies of many requests. */
export interface Outcome {
  readonly requests: number;
  /** The share of requests that waited for anything: a worker, a CPU, a connection. */
  readonly chanceToWait: number;
  /** Mean over all requests, those that did not wait included, in milliseconds. */
  readonly meanWaitMs: number;
  readonly meanLatencyMs: number;
  /** The latency that the share asked for stays below, in milliseconds. */
  readonly latencyMs: number;
}

/** A wait shorter than this is none: rounding leaves such. In milliseconds. */
const shortestWaitMs = 1e-6;

export class Tally {
  readonly #latencies = createHistogram({ figures: 3 });
  #requests = 0;
  #waited = 0;
  #waitMs = 0;
  #latencyMs = 0;

  record(waitMs: number, latencyMs: number): void {
    this.#requests++;
    if (waitMs > shortestWaitMs) this.#waited++;
    this.#waitMs += waitMs;
    this.#latencyMs += latencyMs;
    this.#latencies.record(Math.max(1, Math.round(latencyMs * 1_000)));
  }

  outcome(quantile: number): Outcome {
    const requests = this.#requests;
    return {
      requests,
      chanceToWait: this.#waited / requests,
      meanWaitMs: this.#waitMs / requests,
      meanLatencyMs: this.#latencyMs / requests,
      latencyMs: this.#latencies.percentile(quantile * 100) / 1_000,
    };
  }
}
