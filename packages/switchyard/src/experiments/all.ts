// The experiments, in the order in which they tell the story: a queue, many waits, many computations, one route that blocks,
// a database with a limit, what a switch costs, memory.

import { latencyQuantiles } from "../compare/load/orders.ts";
import type { Bar } from "../compare/report/svg.ts";
import { memoryOf } from "../compare/usage.ts";
import type { ServerStatus } from "../metrics/snapshot.ts";
import { ms } from "../plan/plan.ts";
import { type Bench, burst, computingPath, type Experiment, type Finding, waitingPath } from "./experiment.ts";
import { switchCosts } from "./switches.ts";
import { tenConnections } from "./ten-connections.ts";

export const experiments: readonly Experiment[] = [
  { name: "five", title: "Five clients and four workers", run: fiveClients },
  {
    name: "hundred-waiting",
    title: "A hundred requests that wait arrive together",
    run: (bench) => hundred(bench, waitingPath),
  },
  {
    name: "hundred-computing",
    title: "A hundred requests that compute arrive together",
    run: (bench) => hundred(bench, computingPath),
  },
  { name: "blocking", title: "One route keeps the CPU: what becomes of the others?", run: blocking },
  {
    name: "database",
    title: "What becomes of a hundred requests when the database allows ten connections?",
    run: tenConnections,
  },
  { name: "switch", title: "What does it cost to switch to something else?", run: switchCosts },
  { name: "memory", title: "How much memory is a worker, and how much a request?", run: memory },
];

async function fiveClients({ withServer }: Bench): Promise<Finding> {
  const latenciesMs = await withServer(["--model", "sync", "--workers", "4"], async ({ target }) => {
    // What a worker does once is done before.
    await burst(target, { path: waitingPath, count: 16 });
    return burst(target, { path: waitingPath, count: 5 });
  });
  return {
    done: "Model sync with 4 workers; five requests at the same moment, each of which waits a tenth of a second for a slow service.",
    seen: [
      `Four were answered within ${ms(latenciesMs[3]!)}; the fifth waited for a worker and took ${ms(latenciesMs[4]!)}.`,
      "A sync worker has one request at a time: the fifth client waits in the queue until the first of the four is done.",
    ],
    pictures: [
      {
        title: "When each was answered",
        bars: latenciesMs.map(
          (latency, index): Bar => ({
            name: `client ${index + 1}`,
            place: index < 4 ? 3 : 2,
            parts: [{ value: latency, kind: "" }],
            said: ms(latency),
          }),
        ),
      },
    ],
  };
}

const hundredModels = [
  ["sync, 4 workers", ["--model", "sync", "--workers", "4"]],
  ["async", ["--model", "async"]],
  ["hybrid, 4 × 25", ["--model", "hybrid", "--workers", "4"]],
  ["greenlet", ["--model", "greenlet", "--workers", "1"]],
] as const;

async function hundred({ withServer, cpus }: Bench, path: string): Promise<Finding> {
  const bars: Bar[] = [];
  const seen: string[] = [];
  for (const [place, [name, args]] of hundredModels.entries()) {
    const latenciesMs = await withServer(args, async ({ target }) => {
      await burst(target, { path, count: 20 });
      return burst(target, { path, count: 100 });
    });
    const lastMs = latenciesMs.at(-1)!;
    bars.push({ name, place, parts: [{ value: lastMs, kind: "" }], said: `all in ${ms(lastMs)}` });
    seen.push(`${name}: half were answered within ${ms(latenciesMs[49]!)}, the last after ${ms(lastMs)}.`);
  }
  seen.push(
    path === waitingPath
      ? "An event loop begins all hundred waits at once. Four sync workers have four at a time, and wait 25 times in a row."
      : `Computing costs the CPU, and there ${cpus === 1 ? "is 1" : `are ${cpus}`}: no model computes faster than that. One event loop uses one CPU; more workers than CPUs only share them.`,
  );
  return {
    done: `100 requests for ${path} at the same moment, under each model.`,
    seen,
    pictures: [{ title: "Until the last was answered", bars }],
  };
}

const blockingModels = [
  ["async", ["--model", "async"]],
  ["hybrid", ["--model", "hybrid", "--workers", "2"]],
  ["sync, 5 threads", ["--model", "sync", "--threads", "5"]],
  ["async, a lane", ["--model", "async", "--lane", "/report/**=sync:2"]],
  ["auto", ["--model", "auto"]],
] as const;

const reports = { path: "/report/FR?cities=5", arrivals: { kind: "closed", clients: 2 } } as const;
const hellos = { path: "/hello", arrivals: { kind: "closed", clients: 4 } } as const;
/** How long auto may take to see which route blocks; it needs a few seconds of requests. */
const learningTries = 15;

async function blocking({ withServer, generator }: Bench): Promise<Finding> {
  const p99 = (latencyQuantiles as readonly number[]).indexOf(0.99);
  const bars: Bar[] = [];
  const seen: string[] = [];
  for (const [place, [name, args]] of blockingModels.entries()) {
    const { hello, lengthMs, moves } = await withServer(args, async ({ target, status }) => {
      const load = { target, streams: [reports, hellos], lengthMs: 2_000, patienceMs: 5_000 };
      let moves: ServerStatus["moves"] = [];
      for (let tries = 0; name === "auto" && moves.length === 0 && tries < learningTries; tries++) {
        await generator.run({ ...load, lengthMs: 1_000 });
        moves = (await status())?.moves ?? [];
      }
      const { streams, lengthMs } = await generator.run(load);
      return { hello: streams[1]!, lengthMs, moves };
    });
    const latencyMs = hello.quantilesMs[p99]!;
    if (name === "auto") seen.push(learned(moves));
    bars.push({ name, place, parts: [{ value: latencyMs, kind: "" }], said: `p99 ${ms(latencyMs)}` });
    seen.push(
      `${name}: /hello was answered ${Math.round((hello.answered * 1_000) / lengthMs)} times a second, 99% within ${ms(latencyMs)}.`,
    );
  }
  seen.push(
    "On an event loop /hello waits until the report is done: everything on the loop does. Under hybrid it is chance whose connection is on a loop with reports. A sync worker that computes holds up nobody who has another worker. A lane gives such workers to the reports alone and leaves the rest to the loop, and auto finds out by itself which route needs one.",
  );
  return {
    done: "Two clients keep a report of 50 ms CPU time busy; four others ask for /hello.",
    seen,
    pictures: [{ title: "99% of /hello were answered within", bars }],
  };
}

function learned(moves: ServerStatus["moves"]): string {
  const [move] = moves;
  if (move === undefined)
    return "auto has moved no route while it was watched: the reports held no loop for long enough.";
  return `auto was measured once it had seen the route ${move.route} hold its loops (${ms(move.meanMs)} on average) and given it sync workers.`;
}

const heldRequests = 500;

async function memory({ withServer, memoryBytes }: Bench): Promise<Finding> {
  const bars: Bar[] = [];
  const seen: string[] = [];
  for (const [place, [name, args]] of (
    [
      ["sync, a process each", ["--model", "sync", "--workers", "4"]],
      ["sync, a thread each", ["--model", "sync", "--threads", "4"]],
    ] as const
  ).entries()) {
    const [few, many] = [await idleBytes(withServer, [...args.slice(0, 3), "1"]), await idleBytes(withServer, args)];
    if (few === null || many === null) return unknownMemory;
    const each = (many - few) / 3;
    bars.push({
      name: place === 0 ? "worker, process" : "worker, thread",
      place,
      parts: [{ value: each, kind: "" }],
      said: size(each),
    });
    seen.push(
      `${name}: one more worker takes ${size(each)}; ${fitting(memoryBytes, each)} would fill this machine's memory.`,
    );
  }
  for (const [place, [name, args]] of (
    [
      ["async", ["--model", "async"]],
      ["greenlet", ["--model", "greenlet", "--workers", "1"]],
    ] as const
  ).entries()) {
    const each = await bytesPerRequest(withServer, args);
    if (each === null) return unknownMemory;
    bars.push({ name: `request, ${name}`, place: place + 2, parts: [{ value: each, kind: "" }], said: size(each) });
    seen.push(
      `${name}: each of ${heldRequests} requests that wait at once takes ${size(each)}, its connection and Express's objects included; ${fitting(memoryBytes, each)} would fill this machine's memory.`,
    );
  }
  return {
    done: "The memory of all processes of a server, what they share counted once.",
    seen,
    pictures: [{ title: "Memory of one more", bars }],
  };
}

const unknownMemory: Finding = {
  done: "Memory is read from /proc, which this system does not have.",
  seen: [],
  pictures: [],
};

type WithServer = Bench["withServer"];

function idleBytes(withServer: WithServer, args: readonly string[]): Promise<number | null> {
  return withServer(args, async ({ pid }) => memoryOf(pid)?.bytes ?? null);
}

/** What a server's memory grows by while requests wait in it, for each; the first burst makes what is kept for all. */
function bytesPerRequest(withServer: WithServer, args: readonly string[]): Promise<number | null> {
  return withServer(args, async ({ target, pid }) => {
    await burst(target, { path: waitingPath, count: 20 });
    const before = memoryOf(pid)?.bytes ?? null;
    let most = before;
    const answered = burst(target, { path: waitingPath, count: heldRequests });
    let isDone = false;
    const watching = (async () => {
      while (!isDone) {
        most = Math.max(most ?? 0, memoryOf(pid)?.bytes ?? 0);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    await answered.finally(() => {
      isDone = true;
    });
    await watching;
    return before === null || most === null ? null : Math.max(0, most - before) / heldRequests;
  });
}

function fitting(memoryBytes: number, each: number): string {
  return Math.floor(memoryBytes / each).toLocaleString("en-US");
}

function size(bytes: number): string {
  return bytes >= 1024 ** 2 ? `${(bytes / 1024 ** 2).toFixed(1)} MiB` : `${Math.round(bytes / 1024)} KiB`;
}
