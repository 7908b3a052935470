// How long requests take: the CPU time and the waiting of one request, given by a mean and a spread, or as they were
// measured.
//
// The spread is the coefficient of variation, the standard deviation divided by the mean: 0 for requests that all take the
// same time, 1 for exponentially distributed ones (for which Erlang's formula is exact), more where a few take very long.

import type { Random } from "./random.ts";

export interface ServiceTimes {
  /** Mean time in a worker with nothing else to do, in milliseconds, CPU time included. */
  readonly meanMs: number;
  /** How much of the mean is CPU time, or null when that is not known. */
  readonly cpuMs: number | null;
  /** The coefficient of variation. */
  readonly spread: number;
  /** Measured times in milliseconds, sorted, or null where mean and spread are all that is known. */
  readonly samplesMs: Float64Array | null;
}

/** Times with a mean and a coefficient of variation. */
export function servicesOf(given: { meanMs: number; cpuMs: number | null; spread: number }): ServiceTimes {
  return { ...given, samplesMs: null };
}

/** Times as they were measured. */
export function measuredServices(timesMs: Iterable<number>, cpuMs: number | null): ServiceTimes {
  const samplesMs = Float64Array.from(timesMs).sort();
  let sum = 0;
  let squares = 0;
  for (const each of samplesMs) {
    sum += each;
    squares += each * each;
  }
  const meanMs = sum / samplesMs.length;
  const variance = Math.max(0, squares / samplesMs.length - meanMs * meanMs);
  return { meanMs, cpuMs, spread: meanMs === 0 ? 0 : Math.sqrt(variance) / meanMs, samplesMs };
}

/** Whether Erlang's formula is exact for these times. */
export function isExponential(service: ServiceTimes): boolean {
  return service.samplesMs === null && service.spread === 1;
}

/** Returns a function that draws the time of one request as a multiple of the mean. */
export function samplerOf({ samplesMs, meanMs, spread }: ServiceTimes, random: Random): () => number {
  if (samplesMs !== null) {
    return () => samplesMs[random.below(samplesMs.length)]! / meanMs;
  }
  if (spread === 0) return () => 1;
  if (spread === 1) return random.exponential;
  // Log-normal: what response times of real services look like, and defined for every spread.
  const variance = Math.log(1 + spread * spread);
  const deviation = Math.sqrt(variance);
  return () => Math.exp(deviation * random.normal() - variance / 2);
}

/** How long the request is that is longer than a share `quantile` of all, in milliseconds. */
export function serviceQuantileMs(service: ServiceTimes, quantile: number): number {
  const { samplesMs, meanMs, spread } = service;
  if (samplesMs !== null) return samplesMs[Math.min(samplesMs.length - 1, Math.floor(quantile * samplesMs.length))]!;
  if (spread === 0) return meanMs;
  if (spread === 1) return -Math.log(1 - quantile) * meanMs;
  const variance = Math.log(1 + spread * spread);
  return meanMs * Math.exp(Math.sqrt(variance) * normalQuantile(quantile) - variance / 2);
}

/** The inverse of the normal distribution, by bisection of its integral: it is asked for a handful of times. */
function normalQuantile(quantile: number): number {
  let low = -10;
  let high = 10;
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (normalIntegral(middle) < quantile) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.2.17; its error is below 7.5e-8. */
function normalIntegral(x: number): number {
  if (x < 0) return 1 - normalIntegral(-x);
  const t = 1 / (1 + 0.2316419 * x);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * series;
}
