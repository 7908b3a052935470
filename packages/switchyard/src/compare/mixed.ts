// The advice put to the test: all paths at once, under what is the default, under what is advised, and under the same without
// its lanes, in turn. What is promised of the advice is the factor that was measured here, with its spread.
//
// Alone, a path that keeps the CPU looks the same under every model. What a lane is for shows only beside the other paths.
// The default, model auto, finds that out by itself while it serves, so that the time from its first request on and the time
// after that are two things. In each round every config is measured once, and its factor is of that round: a machine that gets
// slower slows all of them.

import type { Advice, AdvisedConfig } from "./advice.ts";
import { isHeavy } from "./advice.ts";
import type { Generator } from "./load/generator.ts";
import { latencyQuantiles, type Stream } from "./load/orders.ts";
import { loaded, ratesOf } from "./measure.ts";
import type { CompareRun, Failure, MixedLoad, MixedName, MixedStretch } from "./run.ts";
import type { Schedule } from "./schedule.ts";
import { differs, type Spread, spreadOf } from "./statistics.ts";
import { isFailure, type Subject } from "./subject.ts";
import { verdicts } from "./verdict.ts";

export interface MixedOptions {
  readonly subjects: readonly MixedSubject[];
  readonly streams: readonly MixedStream[];
  readonly start: (config: AdvisedConfig) => Promise<Subject | Failure>;
  readonly generator: Generator;
  readonly schedule: Schedule;
  readonly isOver: () => boolean;
}

export interface MixedSubject {
  readonly name: MixedName;
  /** What its config file says. */
  readonly config: AdvisedConfig;
}

export type MixedStream = Stream & { readonly expected: number };

/** Clients of a path that keeps the CPU: enough to keep it busy. */
const heavyClients = 4;
const otherClients = 8;

/** What is tried: without lanes too where the advice has some. */
export function mixedSubjects({ config }: Advice, { triesWithoutLanes }: Schedule): MixedSubject[] {
  const { lanes, ...rest } = config;
  return [
    { name: "default", config: {} },
    ...(triesWithoutLanes && lanes !== undefined ? [{ name: "without lanes", config: rest } as const] : []),
    { name: "advised", config },
  ];
}

/** Every path that could be measured, with a few clients each. */
export function mixedStreams(run: CompareRun, { lanes }: Advice): MixedStream[] {
  return verdicts(run)
    .filter(({ ranking }) => ranking.length > 0)
    .map((verdict) => ({
      path: verdict.path,
      arrivals: { kind: "closed", clients: lanes.length > 0 && isHeavy(verdict) ? heavyClients : otherClients },
      expected: verdict.status,
    }));
}

/** Measures each subject in each round, so that a machine that slows down slows all of them. */
export async function runMixed(options: MixedOptions): Promise<MixedLoad[]> {
  const { subjects, streams, schedule, isOver } = options;
  const loads = subjects.map(({ name, config }) => ({
    name,
    config,
    failure: null as Failure | null,
    streams: streams.map(({ path, arrivals }) => ({ path, arrivals })),
    expected: streams.map(({ expected }) => expected),
    atStart: [] as MixedStretch[],
    later: [] as MixedStretch[],
  }));
  for (let round = 0; round < schedule.mixedRounds; round++) {
    for (const load of loads) {
      if (load.failure !== null || isOver()) continue;
      const seen = await oneRound(options, load.config);
      if ("saw" in seen) {
        load.failure = isOver() ? null : seen;
        continue;
      }
      load.atStart.push(...seen.atStart);
      load.later.push(...seen.later);
    }
  }
  return loads;
}

type Round = Pick<MixedLoad, "atStart" | "later">;

async function oneRound(options: MixedOptions, config: AdvisedConfig): Promise<Round | Failure> {
  const { start, generator, streams, schedule, isOver } = options;
  const subject = await start(config);
  if (isFailure(subject)) return subject;
  const stretch = async (lengthMs: number): Promise<MixedStretch> => {
    const { result, othersCpus } = await loaded({ generator, subject, schedule }, streams, lengthMs);
    return { lengthMs: result.lengthMs, streams: result.streams, othersCpus };
  };
  try {
    const atStart = await stretch(schedule.atStartMs);
    // What was cut short is no figure.
    if (isOver()) return { atStart: [], later: [] };
    const later: MixedStretch[] = [];
    if (schedule.mixedStretches > 0) await stretch(schedule.settleMs);
    for (let i = 0; i < schedule.mixedStretches && !isOver(); i++) later.push(await stretch(schedule.mixedMs));
    return { atStart: [atStart], later };
  } finally {
    await subject.stop();
  }
}

/** What following the advice changed on a path, measured with all paths at once. */
export interface Gain {
  readonly path: string;
  readonly against: Exclude<MixedName, "advised">;
  /** From the first request after a start, or after that. */
  readonly when: "at start" | "later";
  readonly lengthMs: number;
  /** Good answers in a second, and the p99. */
  readonly perSecond: Sides;
  readonly p99Ms: Sides;
  /** How many times as many good answers, by round: what following the advice promises. */
  readonly factor: Spread;
  /** Whether the answers in a second can be told apart. */
  readonly isDifference: boolean;
}

export interface Sides {
  readonly before: Spread;
  readonly advised: Spread;
}

/** By path; empty when either side has no round. */
export function gainsIn({ mixed }: Pick<CompareRun, "mixed">): Gain[] {
  const advised = mixed.find(({ name }) => name === "advised");
  if (advised === undefined) return [];
  return mixed.flatMap((load) => {
    const against = load.name;
    if (against === "advised") return [];
    // Without lanes nothing changes by itself after the start.
    const moments = against === "default" ? (["at start", "later"] as const) : (["later"] as const);
    return moments.flatMap((when) =>
      load.streams.flatMap(({ path }, index) => gainOn({ load, advised, index }, { path, against, when }) ?? []),
    );
  });
}

interface Sought {
  readonly load: MixedLoad;
  readonly advised: MixedLoad;
  readonly index: number;
}

function gainOn({ load, advised, index }: Sought, of: Pick<Gain, "path" | "against" | "when">): Gain | null {
  const stretches = ({ atStart, later }: MixedLoad) => (of.when === "at start" ? atStart : later);
  const rates = (each: MixedLoad) =>
    stretches(each).map((stretch) => ratesOf(stretch.streams[index]!, stretch, each.expected[index]!).perSecond);
  const p99s = (each: MixedLoad) => stretches(each).map(({ streams }) => streams[index]!.quantilesMs[p99At]!);
  const [ratesBefore, ratesAdvised] = [rates(load), rates(advised)];
  const lengthMs = stretches(load)[0]?.lengthMs ?? 0;
  // One that answered nothing at all counts with one answer, so that there is a factor, which is too small then.
  const factors = ratesAdvised
    .slice(0, ratesBefore.length)
    .map((each, round) => each / Math.max(ratesBefore[round]!, 1_000 / lengthMs));
  const [factor, perSecond, p99Ms] = [
    spreadOf(factors),
    sidesOf(ratesBefore, ratesAdvised),
    sidesOf(p99s(load), p99s(advised)),
  ];
  if (factor === null || perSecond === null || p99Ms === null) return null;
  const isDifference = differs(perSecond.before, perSecond.advised);
  return { ...of, lengthMs, perSecond, p99Ms, factor, isDifference };
}

/** The place of 0.99 among `latencyQuantiles`. */
const p99At = latencyQuantiles.indexOf(0.99);

function sidesOf(before: readonly number[], advised: readonly number[]): Sides | null {
  const sides = [spreadOf(before), spreadOf(advised)] as const;
  return sides[0] === null || sides[1] === null ? null : { before: sides[0], advised: sides[1] };
}

/** What the advice promises, in a sentence for each thing that it changes; that it changes nothing is said too. */
export function promisesIn(gains: readonly Gain[], { model }: Pick<Advice, "model">): string[] {
  const sentences = gains
    .filter(({ isDifference }) => isDifference)
    .map(({ path, against, when, lengthMs, factor }) => {
      const than =
        against === "default"
          ? `under the default${when === "later" ? ", once that has settled" : ` in the first ${Math.round(lengthMs / 1_000)} s after a start`}`
          : `under ${model} without a lane`;
      const only = factor.median < 1 ? "only " : "";
      return `${path} answers ${only}${factorText(factor)} as many requests as ${than}.`;
    });
  const those = (when: Gain["when"]) => gains.filter((gain) => gain.against === "default" && gain.when === when);
  const isSame = (when: Gain["when"]) =>
    those(when).length > 0 && those(when).every(({ isDifference }) => !isDifference);
  if (isSame("at start") && isSame("later")) {
    return [...sentences, "No difference that this run can tell between the default and what is advised."];
  }
  if (isSame("later")) return [...sentences, "After that, no difference from the default that this run can tell."];
  // The default is no worse for ever than it is at first: it looks for lanes by itself.
  if (those("at start").some(({ isDifference }) => isDifference) && those("later").length === 0) {
    return [
      ...sentences,
      "Whether that lasts was not measured: the default finds lanes by itself once it has seen enough.",
    ];
  }
  return sentences;
}

/**
 * "3.4 times (2.9 to 4.1 in 3 rounds)", and "between 1.3 and 6.4 times (3 rounds)" where they are so far apart that the one in
 * the middle is none to count on: how soon the default finds a lane by itself decides that.
 */
export function factorText({ median, min, max, count }: Spread): string {
  const digits = (value: number) => (value >= 100 ? String(Math.round(value)) : value.toPrecision(2));
  if (count === 1) return `${digits(median)} times (one round)`;
  if (max > farApart * min) return `between ${digits(min)} and ${digits(max)} times (${count} rounds)`;
  return `${digits(median)} times (${digits(min)} to ${digits(max)} in ${count} rounds)`;
}

/** The greatest factor of a round over the least, above which no single one is promised. */
const farApart = 2;
