// The advice put to the test: all paths at once, under the default and under what is advised, in turn.
//
// Alone, a path that keeps the CPU looks the same under every model. What a lane is for shows only beside the other paths.

import { type Advice, type AdvisedConfig, isHeavy } from "./advice.ts";
import type { Generator } from "./load/generator.ts";
import { latencyQuantiles, type Stream, type StreamResult } from "./load/orders.ts";
import type { CompareRun, Failure, MixedLoad } from "./run.ts";
import type { Schedule } from "./schedule.ts";
import { type Spread, spreadOf } from "./statistics.ts";
import { isFailure, type Subject } from "./subject.ts";
import { verdicts } from "./verdict.ts";

export interface MixedOptions {
  readonly subjects: readonly MixedSubject[];
  readonly streams: readonly Stream[];
  readonly start: (config: AdvisedConfig) => Promise<Subject | Failure>;
  readonly generator: Generator;
  readonly schedule: Schedule;
  readonly isOver: () => boolean;
}

export interface MixedSubject {
  readonly name: string;
  /** What its config file says. */
  readonly config: AdvisedConfig;
}

/** Clients of a path that keeps the CPU: enough to keep it busy. */
const heavyClients = 4;
const otherClients = 8;

/** Every path that could be measured, with a few clients each. */
export function mixedStreams(run: CompareRun, { lanes }: Advice): Stream[] {
  return verdicts(run)
    .filter(({ ranking }) => ranking.length > 0)
    .map((verdict) => ({
      path: verdict.path,
      arrivals: { kind: "closed", clients: lanes.length > 0 && isHeavy(verdict) ? heavyClients : otherClients },
    }));
}

/** Runs each subject in each round, so that a machine that slows down slows both. */
export async function runMixed(options: MixedOptions): Promise<MixedLoad[]> {
  const { subjects, streams, schedule, isOver } = options;
  const loads = subjects.map(({ name, config }) => ({
    name,
    config,
    failure: null as Failure | null,
    streams,
    rounds: [] as StreamResult[][],
    lengthMs: schedule.mixedMs,
  }));
  for (let round = 0; round < schedule.mixedRounds; round++) {
    for (const load of loads) {
      if (load.failure !== null || isOver()) continue;
      const seen = await oneRound(options, load.config);
      if ("saw" in seen) load.failure = isOver() ? null : seen;
      else load.rounds.push([...seen]);
    }
  }
  return loads;
}

async function oneRound(
  { start, generator, streams, schedule }: MixedOptions,
  config: AdvisedConfig,
): Promise<readonly StreamResult[] | Failure> {
  const subject = await start(config);
  if (isFailure(subject)) return subject;
  try {
    const { target } = subject;
    const { patienceMs } = schedule;
    const run = (lengthMs: number) => generator.run({ target, streams, lengthMs, patienceMs });
    await run(schedule.warmUpMs / 2);
    return (await run(schedule.mixedMs)).streams;
  } finally {
    await subject.stop();
  }
}

export interface Gain {
  readonly path: string;
  /** Good answers in a second, and the p99, by subject. */
  readonly perSecond: { readonly byDefault: Spread; readonly advised: Spread };
  readonly p99Ms: { readonly byDefault: Spread; readonly advised: Spread };
}

/** What following the advice changed, by path; empty when either side has no round. */
export function gainsIn({ mixed }: Pick<CompareRun, "mixed">): Gain[] {
  const [byDefault, advised] = mixed;
  if (byDefault === undefined || advised === undefined) return [];
  return byDefault.streams.flatMap(({ path }, index) => {
    const perSecond = sidesOf([byDefault, advised], (load) =>
      load.rounds.map((round) => (round[index]!.answered * 1_000) / load.lengthMs),
    );
    const p99Ms = sidesOf([byDefault, advised], (load) =>
      load.rounds.map((round) => round[index]!.quantilesMs[p99At]!),
    );
    return perSecond === null || p99Ms === null ? [] : [{ path, perSecond, p99Ms }];
  });
}

/** The place of 0.99 among `latencyQuantiles`. */
const p99At = latencyQuantiles.indexOf(0.99);

function sidesOf(
  [byDefault, advised]: readonly [MixedLoad, MixedLoad],
  figures: (load: MixedLoad) => number[],
): { byDefault: Spread; advised: Spread } | null {
  const sides = [spreadOf(figures(byDefault)), spreadOf(figures(advised))] as const;
  return sides[0] === null || sides[1] === null ? null : { byDefault: sides[0], advised: sides[1] };
}
