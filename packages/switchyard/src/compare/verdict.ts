// What the measurements say of each path: how much each variant answers, and whether a request is bound by the CPU or by
// waiting. Calculations; none gives an answer that its figures don't carry.

import type { MeasuredService } from "../plan/sources.ts";
import { latencyQuantiles } from "./load/orders.ts";
import type { CompareRun, Measurement, VariantReport } from "./run.ts";
import { differs, type Spread, spreadOf } from "./statistics.ts";

/** cpu: it computes. waiting: it waits for something else. mixed: both. light: it is over before either matters. */
export type Kind = "cpu" | "waiting" | "mixed" | "light";

export interface PathVerdict {
  readonly path: string;
  readonly status: number;
  readonly kind: Kind | "unknown";
  /** One request that is alone: its time. Its CPU time where that is least (null: not known). In milliseconds. */
  readonly wallMs: number;
  readonly cpuMs: number | null;
  /** How long it keeps an event loop from everything else, in milliseconds; null where async was not measured. */
  readonly holdsLoopMs: number | null;
  /** Best first. */
  readonly ranking: readonly Ranked[];
  /** Variants that differ from the best by no more than the rounds do; the best among them. */
  readonly best: readonly string[];
  /** Why variants are not in the ranking, in a sentence each. */
  readonly excluded: readonly string[];
}

export interface Ranked {
  readonly variant: string;
  /** The most good answers in a second, at any number of clients. */
  readonly capacity: Spread;
  readonly clients: number;
}

type Measured = Pick<CompareRun, "measurements" | "variants" | "paths">;

export function verdicts(run: Measured): PathVerdict[] {
  return run.paths.map((path) => verdictOn(run, path));
}

function verdictOn(run: Measured, path: string): PathVerdict {
  const alone = aloneOn(run, path);
  const ranking = rankingOf(run, path);
  const loop = ranking.find(({ variant }) => variant === "async");
  const best = ranking.filter((each) => each === ranking[0] || !differs(each.capacity, ranking[0]!.capacity));
  return {
    path,
    status: expectedStatus(run.variants, path) ?? 0,
    kind: alone === null ? "unknown" : kindOf(alone, onOneLoop(run, ranking)),
    wallMs: alone?.wallMs ?? 0,
    cpuMs: alone?.cpuMs ?? null,
    holdsLoopMs: loop === undefined ? null : 1_000 / loop.capacity.median,
    ranking,
    best: best.map(({ variant }) => variant),
    excluded: run.variants.flatMap((report) => whyExcluded(run, report, path) ?? []),
  };
}

/** Clients that a measurement's closed loop had, or null for an open one. */
export function clientsOf({ stream }: Measurement): number | null {
  return stream.arrivals.kind === "closed" ? stream.arrivals.clients : null;
}

/** Answers in a second by the number of clients, of all rounds. */
export function levelsOf(
  measurements: readonly Measurement[],
  { variant, path }: { variant: string; path: string },
): Map<number, Measurement[]> {
  const levels = new Map<number, Measurement[]>();
  for (const each of measurements) {
    const clients = clientsOf(each);
    if (each.variant !== variant || each.path !== path || clients === null) continue;
    levels.set(clients, [...(levels.get(clients) ?? []), each]);
  }
  return levels;
}

/** The most that a variant answered on a path, in a second; 0 when it was not measured. */
export function capacityOf(measurements: readonly Measurement[], variant: string, path: string): number {
  return mostOf(measurements, { variant, path })?.capacity.median ?? 0;
}

function mostOf(measurements: readonly Measurement[], of: { variant: string; path: string }): Ranked | null {
  let most: Ranked | null = null;
  for (const [clients, rounds] of levelsOf(measurements, of)) {
    const capacity = spreadOf(rounds.map(({ perSecond }) => perSecond));
    if (capacity === null || (most !== null && capacity.median <= most.capacity.median)) continue;
    most = { variant: of.variant, capacity, clients };
  }
  return most;
}

function rankingOf({ measurements, variants }: Measured, path: string): Ranked[] {
  return variants
    .filter(({ failure }) => failure === null)
    .map(({ variant }) => mostOf(measurements, { variant: variant.name, path }))
    .filter((ranked) => ranked !== null)
    .filter(({ capacity }) => capacity.median > 0)
    .sort((a, b) => b.capacity.median - a.capacity.median);
}

/** The status that most variants gave; of as many, the lower. A server error is never what is expected where another is. */
export function expectedStatus(variants: readonly VariantReport[], path: string): number | null {
  const counts = new Map<number, number>();
  for (const { probes } of variants) {
    const status = probes.find((each) => each.path === path)?.status ?? 0;
    if (status > 0) counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  const sorted = [...counts].sort(
    ([a, countA], [b, countB]) => Number(a >= 500) - Number(b >= 500) || countB - countA || a - b,
  );
  return sorted[0]?.[0] ?? null;
}

function whyExcluded(run: Measured, { variant, failure, probes }: VariantReport, path: string): string | null {
  if (failure !== null) return null;
  const probe = probes.find((each) => each.path === path);
  if (probe === undefined) return `${variant.name} was not measured: the time was over.`;
  if (probe.status === 0) return `${variant.name} did not answer.`;
  if (probe.status >= 500) return `${variant.name} answers ${probe.status}.`;
  const expected = expectedStatus(run.variants, path);
  return probe.status === expected ? null : `${variant.name} answers ${probe.status}, the others ${expected}.`;
}

interface Alone {
  readonly wallMs: number;
  readonly cpuMs: number | null;
  /** The share of its time for which it used a CPU or was ready to and had none. */
  readonly cpuShare: number | null;
}

/** Those with least between the client and the application come first. */
const plainest = ["async", "hybrid", "greenlet", "sync-threads", "sync-processes", "auto"];

/** One client: what a request costs that has the server for itself. */
function aloneOn({ measurements }: Measured, path: string): Alone | null {
  for (const variant of plainest) {
    const rounds = (levelsOf(measurements, { variant, path }).get(1) ?? []).filter(({ stream }) => stream.answered > 0);
    const wall = spreadOf(rounds.map(({ stream }) => stream.meanMs));
    if (wall === null || wall.median === 0) continue;
    const cpu = spreadOf(rounds.flatMap(({ cpuMs }) => cpuMs ?? []));
    const queued = spreadOf(rounds.flatMap(({ cpuQueuedMs }) => cpuQueuedMs ?? []));
    const used = cpu === null ? null : cpu.median + (queued?.median ?? 0);
    return {
      wallMs: wall.median,
      cpuMs: leastCpuMs(measurements, { variant, path }),
      cpuShare: used === null ? null : Math.min(1, used / wall.median),
    };
  }
  return null;
}

/**
 * The CPU time of a request at the number of clients where it is least. With one client, what the server does by itself (its
 * clocks, its reports) counts with the few requests there are: 4 ms in place of 1 was seen.
 */
function leastCpuMs(measurements: readonly Measurement[], of: { variant: string; path: string }): number | null {
  const medians = Array.from(levelsOf(measurements, of).values(), (rounds) => {
    const answered = rounds.filter(({ stream, badRatio }) => stream.answered > 0 && badRatio < mostBadRatio);
    return spreadOf(answered.flatMap(({ cpuMs }) => cpuMs ?? []))?.median ?? Number.POSITIVE_INFINITY;
  });
  const least = Math.min(...medians);
  return Number.isFinite(least) ? least : null;
}

/** Refusals take next to no time: with more of them than this the CPU time is not that of a request. */
const mostBadRatio = 0.01;

/** The most answers in a second for each event loop, where that is known. */
function onOneLoop({ variants }: Measured, ranking: readonly Ranked[]): number | null {
  for (const name of ["async", "hybrid", "greenlet"]) {
    const ranked = ranking.find(({ variant }) => variant === name);
    const workers = name === "async" ? 1 : variants.find(({ variant }) => variant.name === name)?.workers;
    if (ranked !== undefined && workers != null) return ranked.capacity.median / workers;
  }
  return null;
}

/** A loop that has this many in work at once has them waiting, whatever else took the CPU while one was alone. */
const surelyWaiting = 4;

/** A request that uses less CPU time than this holds nobody up for long, in milliseconds. */
const lightMs = 2;

function kindOf({ wallMs, cpuMs, cpuShare }: Alone, perLoop: number | null): Kind | "unknown" {
  if (cpuMs === null || cpuShare === null) return wallMs < lightMs ? "light" : "unknown";
  const atOnce = ((perLoop ?? 0) * wallMs) / 1_000;
  if ((cpuShare < 0.3 || atOnce > surelyWaiting) && wallMs >= lightMs) return "waiting";
  if (cpuMs < lightMs && wallMs < 2 * lightMs) return "light";
  return cpuShare > 0.6 ? "cpu" : "mixed";
}

/** Requests that a variant had in work at once on average, by Little's law; what a waiting path gains from a model. */
export function servedAtOnce(verdict: PathVerdict, variant: string): number | null {
  const ranked = verdict.ranking.find((each) => each.variant === variant);
  return ranked === undefined ? null : (ranked.capacity.median * verdict.wallMs) / 1_000;
}

/** What `plan` needs of each path: the times of requests that were alone, as even quantiles. */
export function servicesIn(run: Measured): MeasuredService[] {
  return run.paths.flatMap((path) => {
    const variant = plainest.find((name) => levelsOf(run.measurements, { variant: name, path }).has(1));
    const alone = aloneOn(run, path);
    if (variant === undefined || alone?.cpuMs == null) return [];
    const rounds = levelsOf(run.measurements, { variant, path }).get(1) ?? [];
    const all = rounds.map(({ stream }) => evenQuantiles(stream.quantilesMs));
    const quantilesMs = all[0]!.map((_, place) => spreadOf(all.map((each) => each[place]!))!.median);
    return [{ path, quantilesMs, cpuMs: Math.min(alone.cpuMs, alone.wallMs) }];
  });
}

/** A hundred evenly spaced quantiles between those that were noted. */
function evenQuantiles(noted: readonly number[]): number[] {
  return Array.from({ length: 100 }, (_, index) => {
    const quantile = (index + 0.5) / 100;
    const above = latencyQuantiles.findIndex((each) => each >= quantile);
    const [from, to] = [latencyQuantiles[above - 1]!, latencyQuantiles[above]!];
    const share = (quantile - from) / (to - from);
    return noted[above - 1]! + share * (noted[above]! - noted[above - 1]!);
  });
}
