// A compare run made of given figures, to see what is concluded from them.

import { latencyQuantiles, plainGet } from "../../src/compare/load/orders.ts";
import type { CompareRun, Measurement, VariantReport } from "../../src/compare/run.ts";

export interface MadePath {
  readonly path: string;
  /** One request alone, in milliseconds. */
  readonly wallMs: number;
  readonly cpuMs: number;
  /** The most answers in a second, by variant, in each round. */
  readonly most: Readonly<Record<string, readonly number[]>>;
  /** Statuses that are not 200, by variant. */
  readonly statuses?: Readonly<Record<string, number>>;
}

export function madeRun(paths: readonly MadePath[], parts: Partial<CompareRun> = {}): CompareRun {
  const names = [
    ...new Set(paths.flatMap(({ most, statuses }) => [...Object.keys(most), ...Object.keys(statuses ?? {})])),
  ];
  return {
    format: "switchyard-compare-1",
    at: "2026-01-02T03:04:05.000Z",
    command: "switchyard compare app.ts",
    app: "/home/you/app.ts",
    isQuick: false,
    wasInterrupted: false,
    machine: {
      cpus: 2,
      quota: null,
      cpu: "a CPU",
      memoryBytes: 8e9,
      kernel: "6.1",
      node: "v26.0.0",
      loadBefore: 0,
    },
    paths: paths.map(({ path }) => path),
    request: plainGet,
    variants: names.map((name) => reportOf(name, paths)),
    measurements: paths.flatMap((path) => measurementsOf(path)),
    mixed: [],
    services: [],
    warnings: [],
    lengthMs: 60_000,
    ...parts,
  };
}

function reportOf(name: string, paths: readonly MadePath[]): VariantReport {
  const model = name.startsWith("sync") ? "sync" : name;
  return {
    variant: { name, model, args: ["--model", model] },
    failure: null,
    startMs: 300,
    workers: model === "sync" ? 5 : model === "async" ? 1 : 2,
    idleBytes: 1e8,
    processes: 2,
    restarts: 0,
    probes: paths.map(({ path, statuses }) => ({
      path,
      status: statuses?.[name] ?? 200,
      bytes: 10,
      hash: "same",
      repeats: true,
    })),
    unsettled: [],
  };
}

function measurementsOf({ path, wallMs, cpuMs, most }: MadePath): Measurement[] {
  return Object.entries(most).flatMap(([variant, rounds]) =>
    rounds.flatMap((perSecond, index) => [
      measurement({ variant, path, round: index + 1, clients: 1, perSecond: 1_000 / wallMs, meanMs: wallMs, cpuMs }),
      measurement({ variant, path, round: index + 1, clients: 64, perSecond, meanMs: 64_000 / perSecond, cpuMs }),
    ]),
  );
}

interface Made {
  readonly variant: string;
  readonly path: string;
  readonly round: number;
  readonly clients: number;
  readonly perSecond: number;
  readonly meanMs: number;
  readonly cpuMs: number;
}

function measurement({ variant, path, round, clients, perSecond, meanMs, cpuMs }: Made): Measurement {
  const answered = Math.round(perSecond * 1.5);
  return {
    variant,
    path,
    round,
    stream: {
      path,
      arrivals: { kind: "closed", clients },
      answered,
      statuses: { 200: answered },
      broken: 0,
      unanswered: 0,
      bytes: answered * 10,
      meanMs,
      quantilesMs: latencyQuantiles.map((quantile) => meanMs * (0.5 + quantile)),
    },
    perSecond,
    badRatio: 0,
    cpuMs,
    cpuQueuedMs: 0,
    cpusBusy: 1,
    switches: { voluntary: 2, involuntary: 0.5 },
    turns: { loop: 0.4, greenlet: variant === "greenlet" ? 2 : 0 },
    memoryBytes: 1e8 + clients * 20_000,
    generatorBusyRatio: 0.3,
    generatorBehindMs: 0,
    othersCpus: 0,
  };
}
