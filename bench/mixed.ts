// The case that lanes are for: 16 clients on a fast route while 4 clients keep a route busy that holds the CPU for 50 ms.
// All servers are measured one after the other in each round, and each figure compares those of the same round.

import { markdownTable, median } from "./figures.ts";
import { load } from "./load.ts";
import { busyClients, fastClients, type Mixed, mixedLoad } from "./mixed-load.ts";
import { ensurePeers, pm2, watt } from "./node-peers.ts";
import type { RoundOptions, RoundResult, Row } from "./row.ts";
import { bareNode, cpuSeconds, nodeCluster, ours, processesOf, type Subject, whileRunning } from "./subject.ts";
import { roundsFor } from "./work.mjs";

const workMs = 50;
const learningSeconds = 5;

/** One server under both loads. */
interface MixedRun {
  /** `/hello` alone on one bare node:http. */
  readonly bareAlonePerSecond: number;
  /** The busy route alone in the lane's two workers. */
  readonly laneAlonePerSecond: number;
  readonly servers: Readonly<Record<string, Mixed>>;
}

const app = "./apps/mixed.mjs";
const lane = ["--model", "async", "--lane", "/cpu=sync:2"];

const subjects: Readonly<Record<string, () => Subject | Promise<Subject>>> = {
  "node:http": () => bareNode(app),
  "node:cluster 2": () => nodeCluster(app, 2),
  "node:cluster 4": () => nodeCluster(app, 4),
  "PM2 2": () => pm2(app, 2),
  "Watt 2": () => watt(app, 2),
  lane: () => ours("lane", app, lane),
  auto: () => ours("auto", app, ["--model", "auto"]),
};

export const mixedRows: readonly Row[] = [
  row(
    "lane-p99",
    "lane for the CPU route: /hello p99",
    "ms",
    { atMost: 10 },
    ({ servers }) => servers.lane!.helloP99Ms,
  ),
  row("lane-p99-cluster", "the same against node:cluster with 2 workers", "ratio", { atMost: 0.1 }, ({ servers }) => {
    return servers.lane!.helloP99Ms / servers["node:cluster 2"]!.helloP99Ms;
  }),
  row("lane-hello", "/hello served, against bare node:http alone", "ratio", { atLeast: 0.4 }, (run) => {
    return run.servers.lane!.helloPerSecond / run.bareAlonePerSecond;
  }),
  row("lane-cpu", "the CPU route, against what it does alone in the same workers", "ratio", { atLeast: 0.2 }, (run) => {
    return run.servers.lane!.cpuPerSecond / run.laneAlonePerSecond;
  }),
  row(
    "auto-p99",
    "--model auto after 5 s: /hello p99",
    "ms",
    { atMost: 12.5 },
    ({ servers }) => servers.auto!.helloP99Ms,
  ),
  row("auto-hello", "the same: /hello served, against bare node:http alone", "ratio", { atLeast: 0.3 }, (run) => {
    return run.servers.auto!.helloPerSecond / run.bareAlonePerSecond;
  }),
];

/** The servers of each round, by the round's options: measured once, whichever row asks first. */
const runs = new WeakMap<RoundOptions, Promise<MixedRun>>();
let rounds: string | undefined;

function row(id: string, what: string, unit: string, goal: Row["goal"], figure: (run: MixedRun) => number): Row {
  return {
    id,
    what,
    unit,
    goal,
    round: async (options): Promise<RoundResult> => {
      let run = runs.get(options);
      if (run === undefined) {
        run = measureAll(options);
        runs.set(options, run);
      }
      const measured = await run;
      return { figure: figure(measured), parts: partsOf(measured) };
    },
  };
}

async function measureAll({ seconds }: RoundOptions): Promise<MixedRun> {
  ensurePeers();
  rounds ??= String(roundsFor(workMs));
  const bareAlonePerSecond = await whileRunning(withWork(await subjects["node:http"]!()), async ({ url }) => {
    await load({ url: `${url}/hello`, connections: fastClients, seconds: 1 });
    return (await load({ url: `${url}/hello`, connections: fastClients, seconds })).perSecond;
  });
  const laneAlonePerSecond = await whileRunning(withWork(ours("lane", app, lane)), async ({ url }) => {
    return (await load({ url: `${url}/cpu`, connections: busyClients, seconds })).perSecond;
  });
  const servers: Record<string, Mixed> = {};
  for (const [name, make] of Object.entries(subjects)) servers[name] = await measure(withWork(await make()), seconds);
  return { bareAlonePerSecond, laneAlonePerSecond, servers };
}

function measure(subject: Subject, seconds: number): Promise<Mixed> {
  const warmSeconds = subject.name === "auto" ? learningSeconds : 1;
  return whileRunning(subject, ({ url }) => mixedLoad(url, { warmSeconds, seconds }));
}

function withWork(subject: Subject): Subject {
  return { ...subject, env: { ...subject.env, WORK_ROUNDS: rounds ?? "" } };
}

function partsOf(run: MixedRun): Record<string, number> {
  const parts: Record<string, number> = {
    "node:http alone, /hello per second": run.bareAlonePerSecond,
    "lane alone, /cpu per second": run.laneAlonePerSecond,
  };
  for (const [name, server] of Object.entries(run.servers)) {
    for (const [key, value] of Object.entries(server)) parts[`${name}, ${key}`] = value;
  }
  return parts;
}

/** The table of all servers, from the raw parts of one of the rows: medians of the rounds. */
export function mixedTable(each: readonly RoundResult[]): string {
  const middle = (key: string) => median(each.map(({ parts }) => parts[key] ?? Number.NaN));
  const lines = Object.keys(subjects).map((name) => {
    const figures = [
      middle(`${name}, helloPerSecond`).toFixed(0),
      middle(`${name}, helloP50Ms`).toFixed(1),
      middle(`${name}, helloP99Ms`).toFixed(1),
      middle(`${name}, cpuPerSecond`).toFixed(1),
      middle(`${name}, errors`).toFixed(0),
    ];
    return [labels[name] ?? name, ...figures];
  });
  return markdownTable(["server", "/hello per second", "p50, ms", "p99, ms", "/cpu per second", "errors"], lines);
}

const labels: Readonly<Record<string, string>> = {
  "node:http": "node:http, one process",
  "node:cluster 2": "node:cluster, 2 workers",
  "node:cluster 4": "node:cluster, 4 workers",
  "PM2 2": "PM2, 2 workers",
  "Watt 2": "Watt, 2 workers",
  lane: 'Switchyard, async with a lane "/cpu=sync:2"',
  auto: "Switchyard, --model auto, after 5 s",
};

/** Three isolates of the pool's process compile the whole way of a request each: what is measured is a server that has. */
const warmSeconds = 4;

/** CPU time of a request through a lane over one without, in microseconds, and hello world through a lane. */
export const crossingRows: readonly Row[] = [
  {
    id: "lane-crossing",
    what: "crossing to a sync lane, POST with a body of 1 KB: CPU over the same without a lane",
    unit: "µs",
    goal: { atMost: 60 },
    round: async ({ seconds }) => {
      const own = await cpuMicros(
        ours("lane", "./apps/echo-length.mjs", ["--model", "async", "--lane", "/**=sync:2"]),
        seconds,
      );
      const without = await cpuMicros(ours("async", "./apps/echo-length.mjs", ["--model", "async"]), seconds);
      return { figure: own - without, parts: { laneMicros: own, withoutMicros: without } };
    },
  },
  {
    id: "lane-through",
    what: "hello world through a sync lane of two threads, against bare node:http on one core",
    unit: "ratio",
    goal: { atLeast: 0.35 },
    round: async ({ seconds }) => {
      const perSecond = (subject: Subject) =>
        whileRunning(subject, async ({ url }) => {
          await load({ url, connections: 64, seconds: warmSeconds });
          return (await load({ url, connections: 64, seconds })).perSecond;
        });
      const peer = await perSecond(bareNode("./apps/hello.mjs", "0"));
      const own = await perSecond(ours("lane", "./apps/hello.mjs", ["--model", "async", "--lane", "/**=sync:2"]));
      return { figure: own / peer, parts: { ownPerSecond: own, peerPerSecond: peer } };
    },
  },
];

function cpuMicros(subject: Subject, seconds: number): Promise<number> {
  return whileRunning(subject, async ({ url, pid }) => {
    const options = { url, connections: 8, bodyBytes: 1_024 };
    await load({ ...options, seconds: warmSeconds });
    const before = cpuSeconds(processesOf(pid));
    const { requests } = await load({ ...options, seconds });
    return ((cpuSeconds(processesOf(pid)) - before) / requests) * 1e6;
  });
}
