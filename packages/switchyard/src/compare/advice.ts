// Which model, how many workers and which lanes the measurements speak for, and why. A calculation.
//
// The rule. Requests that wait, or are light, belong on the event loops that serve most of them; a tie keeps what is simpler. A
// request that holds a loop for long belongs in a sync lane, if there is anything that it would hold up: no model computes
// faster than the cores, but it need not stop the others. When nothing differs, the default stays.

import { patternOfPath, textOf } from "../auto/shape.ts";
import { optionRecords } from "../config/options.ts";
import type { UserLane } from "../config/settings.ts";
import { ms } from "../plan/plan.ts";
import type { CompareRun, VariantReport } from "./run.ts";
import { type PathVerdict, verdicts } from "./verdict.ts";

export interface Advice {
  readonly model: string;
  readonly workers: number | "auto";
  readonly threads: number;
  readonly lanes: readonly UserLane[];
  /** What the config file says of it; empty when it is what `serve` does by itself. */
  readonly config: AdvisedConfig;
  /** The same in one sentence. */
  readonly sentence: string;
  /** Why, in a sentence for each thing advised. */
  readonly reasons: readonly string[];
  /** Whether any other model was told apart from the one advised. */
  readonly isDifference: boolean;
}

export interface AdvisedConfig {
  readonly model?: string;
  readonly workers?: number;
  readonly threads?: number;
  readonly lanes?: readonly UserLane[];
}

/** Above this a request holds up others on its loop long enough to be noticed, in milliseconds. */
const longHoldMs = 5;
/** What is simpler, or the default, comes first; a tie is decided by this order. */
const preference = ["auto", "hybrid", "async", "greenlet", "sync-threads", "sync-processes"];

/** The advice, or null when nothing was measured that it could be made from. */
export function advise(run: CompareRun): Advice | null {
  const all = verdicts(run).filter(({ ranking }) => ranking.length > 0);
  if (all.length === 0 || hasSeenTooFew(run)) return null;
  const heavy = all.filter(isHeavy);
  const others = all.filter((verdict) => !isHeavy(verdict));
  const decisive = others.length > 0 ? others : heavy;
  const chosen = chooseVariant(run, decisive);
  const { variant } = chosen.report;
  const { cpus } = run.machine;
  const isLoop = variant.model !== "sync";
  const lanes =
    isLoop && others.length > 0 ? [...laneForHeavy(heavy, cpus), ...lanesForBroken(run, all, variant.name)] : [];
  const workers = isLoop || variant.name === "sync-threads" ? "auto" : (chosen.report.workers ?? "auto");
  const threads = variant.name === "sync-threads" ? (chosen.report.workers ?? 2 * cpus + 1) : 0;
  const model = lanes.length > 0 && variant.name === "auto" ? "hybrid" : variant.model;
  return {
    model,
    workers,
    threads,
    lanes,
    config: configOf({ model, workers, threads, lanes }),
    sentence: sentenceFor({ model, workers: chosen.report.workers, threads, lanes }),
    reasons: [
      ...(chosen.candidates === 1 ? [`${variant.name} alone was measured: there is nothing to hold it against.`] : []),
      ...reasonsFor(decisive, servedBy(variant.name, model), chosen.ties),
      ...heavyReasons(heavy, lanes),
    ],
    isDifference: chosen.ties.length < chosen.candidates,
  };
}

/** Whether the time was over before half of the variants had their turn: what is best of those few says nothing. */
export function hasSeenTooFew({ variants }: CompareRun): boolean {
  const serving = variants.filter(({ failure }) => failure === null);
  return serving.filter(({ probes }) => probes.length > 0).length * 2 < serving.length;
}

/** The variant whose figures speak for the advice: with lanes, auto is advised as hybrid, which it is besides them. */
function servedBy(variant: string, model: string): string {
  return variant === "auto" ? model : variant;
}

/**
 * Whether a request keeps a loop from everything else for long: it computes, or it waits in a way that blocks. One that blocks
 * is answered by a single loop no faster than one after another.
 */
export function isHeavy({ holdsLoopMs, cpuMs, kind, wallMs }: PathVerdict): boolean {
  if (kind === "light") return false;
  const computes = (kind === "cpu" || kind === "mixed") && (cpuMs ?? 0) >= longHoldMs;
  const blocks = kind !== "cpu" && holdsLoopMs !== null && holdsLoopMs >= longHoldMs && holdsLoopMs > 0.7 * wallMs;
  return computes || blocks;
}

interface Chosen {
  readonly report: VariantReport;
  /** Variants that can't be told apart from the chosen one on these paths. */
  readonly ties: readonly string[];
  readonly candidates: number;
}

function chooseVariant(run: CompareRun, paths: readonly PathVerdict[]): Chosen {
  const candidates = run.variants.filter(({ failure }) => failure === null);
  const scored = candidates
    .map((report) => ({ report, score: scoreOf(report.variant.name, paths) }))
    .sort((a, b) => b.score - a.score || rank(a.report) - rank(b.report));
  const best = scored[0]!;
  // A tie on every path on which the best was measured is a tie.
  const ties = scored.filter(({ report, score }) => score >= best.score && isTied(report.variant.name, paths));
  const report = ties.toSorted((a, b) => rank(a.report) - rank(b.report))[0]?.report ?? best.report;
  return { report, ties: ties.map(({ report: each }) => each.variant.name), candidates: candidates.length };
}

/**
 * How much of the best a variant answers: the geometric mean of its shares over the paths. Shares that can't be told apart from
 * the best count as 1.
 */
function scoreOf(variant: string, paths: readonly PathVerdict[]): number {
  const shares = paths.map(({ ranking, best }) => {
    if (best.includes(variant)) return 1;
    const own = ranking.find((each) => each.variant === variant)?.capacity.median ?? 0;
    return own / ranking[0]!.capacity.median;
  });
  // A path that it can't serve counts as next to nothing, and not as nothing, so that the others still decide.
  return shares.reduce((product, share) => product * Math.max(share, 1e-3), 1) ** (1 / shares.length);
}

function isTied(variant: string, paths: readonly PathVerdict[]): boolean {
  return paths.every(
    ({ best, ranking }) => best.includes(variant) || !ranking.some((each) => each.variant === variant),
  );
}

function rank({ variant }: VariantReport): number {
  return preference.indexOf(variant.name);
}

function laneForHeavy(heavy: readonly PathVerdict[], cpus: number): UserLane[] {
  if (heavy.length === 0) return [];
  const match = patternsOf(heavy);
  // As many as there are CPUs for what computes: more would only share them. What blocks and waits has use for more.
  const isComputing = heavy.some(({ kind }) => kind === "cpu" || kind === "mixed");
  return [{ match, model: "sync", workers: isComputing ? cpus : 2 * cpus + 1 }];
}

/** Paths that the chosen model answers with an error, and another one does not. */
function lanesForBroken(run: CompareRun, all: readonly PathVerdict[], chosen: string): UserLane[] {
  const broken = all.filter(
    (verdict) => !isHeavy(verdict) && !verdict.ranking.some(({ variant }) => variant === chosen),
  );
  if (broken.length === 0) return [];
  const worksUnder = (name: string) => broken.every(({ ranking }) => ranking.some(({ variant }) => variant === name));
  if (worksUnder("greenlet")) return [{ match: patternsOf(broken), model: "greenlet" }];
  return [{ match: patternsOf(broken), model: "sync", workers: 2 * run.machine.cpus + 1 }];
}

function patternsOf(paths: readonly PathVerdict[]): string | string[] {
  const patterns = [...new Set(paths.map(({ path }) => textOf(patternOfPath(path.split(/[?#]/, 1)[0]!))))];
  return patterns.length === 1 ? patterns[0]! : patterns;
}

interface Parts {
  readonly model: string;
  readonly threads: number;
  readonly lanes: readonly UserLane[];
}

function configOf({ model, workers, threads, lanes }: Parts & { workers: number | "auto" }): AdvisedConfig {
  return {
    ...(model === optionRecords.model.default ? {} : { model }),
    ...(workers === "auto" ? {} : { workers }),
    ...(threads === 0 ? {} : { threads }),
    ...(lanes.length === 0 ? {} : { lanes }),
  };
}

function sentenceFor({ model, workers, threads, lanes }: Parts & { workers: number | null }): string {
  const number =
    workers === null ? "" : ` with ${workers} ${threads > 0 ? "threads" : workers === 1 ? "worker" : "workers"}`;
  const own = lanes.map(({ match, model: laneModel, workers: laneWorkers }) => {
    const size =
      typeof laneWorkers === "number" ? ` with ${laneWorkers} ${laneWorkers === 1 ? "worker" : "workers"}` : "";
    return `a ${laneModel} lane${size} for ${[match].flat().join(" and ")}`;
  });
  return `Use ${model}${number}${own.length === 0 ? "" : `, and ${own.join(", and ")}`}.`;
}

function reasonsFor(paths: readonly PathVerdict[], chosen: string, ties: readonly string[]): string[] {
  const others = ties.filter((name) => name !== chosen);
  const tie =
    others.length === 0
      ? []
      : [`No difference that this run can tell between ${[chosen, ...others].join(", ")} on ${namesOf(paths)}.`];
  const gains = paths.flatMap(({ path, ranking }) => {
    const own = ranking.find(({ variant }) => variant === chosen);
    const worst = ranking.findLast(({ variant }) => !ties.includes(variant));
    if (own === undefined || worst === undefined || own.capacity.median <= worst.capacity.median) return [];
    const factor = own.capacity.median / worst.capacity.median;
    return [`On ${path} ${chosen} answers ${factor.toPrecision(2)} times as many requests as ${worst.variant}.`];
  });
  return [...gains, ...tie];
}

function heavyReasons(heavy: readonly PathVerdict[], lanes: readonly UserLane[]): string[] {
  return heavy.map(({ path, kind, holdsLoopMs, cpuMs }) => {
    // What an event loop answers depends on what else the machine does; CPU time does not.
    const held = ms(kind === "cpu" ? (cpuMs ?? 0) : (holdsLoopMs ?? cpuMs ?? 0));
    if (lanes.length === 0)
      return `${path} keeps the CPU for ${held}: no model answers more of it than the cores can do.`;
    const what = kind === "waiting" ? "blocks the loop" : "keeps the CPU";
    return `${path} ${what} for ${held}, and everything else on its event loop waits so long; in a lane of its own it holds up nobody else.`;
  });
}

function namesOf(paths: readonly PathVerdict[]): string {
  return paths.map(({ path }) => path).join(", ");
}
