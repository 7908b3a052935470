// What is measured: each row of the table, with its subjects, its load, and the figure it is held against.
//
// A row runs its subjects in turn, round after round, so that a machine that slows down slows all of them, and compares
// them within each round.

import { get } from "node:http";
import { greenletRows } from "./greenlets.ts";
import { type LoadResult, load } from "./load.ts";
import { crossingRows, mixedRows } from "./mixed.ts";
import { operateRows } from "./operate.ts";
import type { RoundOptions, RoundResult, Row } from "./row.ts";
import { soakRows } from "./soak.ts";
import {
  bareNode,
  cpuSeconds,
  freePort,
  memoryBytes,
  nodeCluster,
  ours,
  processesOf,
  type Running,
  residentBytes,
  type Subject,
  start,
  whileRunning,
} from "./subject.ts";

const serverCpu = "0";
const loadCpu = "1";
const bare = bareNode("./apps/hello.mjs", serverCpu);
const cluster2 = nodeCluster("./apps/hello.mjs", 2);
const async1 = ours("async", "./apps/hello.mjs", ["--model", "async"], serverCpu);
const asyncLogging: Subject = {
  ...async1,
  name: "async, with access log",
  command: async1.command.filter((word) => word !== "--no-access-log"),
};
const greenlet1 = ours("greenlet", "./apps/hello.mjs", ["--model", "greenlet", "--workers", "1"], serverCpu);
const hybrid2 = ours("hybrid, 2 workers", "./apps/hello.mjs", ["--model", "hybrid", "--workers", "2"]);
const syncThreads = ours("sync, threads", "./apps/hello.mjs", ["--model", "sync", "--threads", "2"]);
const syncWaiting = ours("sync, 4 workers", "./apps/wait-in-order.mjs", ["--model", "sync", "--workers", "4"]);
const greenletWaiting = ours("greenlet", "./apps/wait-greenlet.mjs", ["--model", "greenlet", "--workers", "1"]);

const helloConnections = 64;

export const rows: readonly Row[] = [
  ratioRow({
    id: "async",
    what: "async, hello world, against bare node:http on the same core",
    atLeast: 0.95,
    subject: async1,
    peer: bare,
    loadCpus: loadCpu,
  }),
  ratioRow({
    id: "async-log",
    what: "the same with the access log on (JSON, to a pipe)",
    atLeast: 0.8,
    subject: asyncLogging,
    peer: bare,
    loadCpus: loadCpu,
  }),
  ratioRow({
    id: "hybrid",
    what: "hybrid with 2 workers, against node:cluster with 2 workers",
    atLeast: 0.95,
    subject: hybrid2,
    peer: cluster2,
  }),
  ratioRow({
    id: "sync-threads",
    what: "sync, 2 threads, hello world, against bare node:http on one core",
    atLeast: 0.35,
    subject: syncThreads,
    peer: bare,
    // Three isolates of one process compile the whole way of a request each: what is measured is a server that has.
    warmSeconds: 4,
  }),
  ratioRow({
    id: "greenlet",
    what: "greenlet, hello world, against our own async",
    atLeast: 0.75,
    subject: greenlet1,
    peer: async1,
    loadCpus: loadCpu,
    // Both compile the whole way of a request on one core: what is measured is a server that has.
    warmSeconds: 4,
  }),
  {
    id: "sync-wait",
    what: "sync, 4 workers, a handler that waits 100 ms, 100 clients (40 possible)",
    unit: "requests/s",
    goal: { atLeast: 39 },
    round: (options) => whileRunning(syncWaiting, (running) => waitingInOrder(running, 100, options.seconds)),
  },
  {
    id: "greenlet-wait",
    what: "greenlet, 1,000 clients waiting 100 ms in wait(), one process (10,000 possible)",
    unit: "requests/s",
    goal: { atLeast: 9_000 },
    round: (options) =>
      whileRunning(greenletWaiting, async (running) => {
        // A thousand new stacks take about half a second to make; what is measured is a server that has them.
        await load({ url: running.url, connections: 1_000, seconds: 5 });
        const result = await load({ url: running.url, connections: 1_000, seconds: options.seconds });
        return { figure: result.perSecond, parts: { p50Ms: result.p50Ms, p99Ms: result.p99Ms, errors: result.errors } };
      }),
  },
  {
    id: "memory",
    what: "memory of an async worker over bare node:http after the same load",
    unit: "MB",
    goal: { atMost: 12 },
    round: memoryRound,
  },
  {
    id: "start-async",
    what: "start, async: from the command to the first answer, over bare node",
    unit: "ms",
    goal: { atMost: 250 },
    round: () => startRound({ ...async1, cpus: "0,1" }),
  },
  {
    id: "start-sync",
    what: "start, sync with 4 workers, the same",
    unit: "ms",
    goal: { atMost: 250 },
    round: () => startRound(ours("sync", "./apps/hello.mjs", ["--model", "sync", "--workers", "4"])),
  },
  ...mixedRows,
  ...crossingRows,
  ...greenletRows,
  ...operateRows,
  ...soakRows,
];

interface RatioRow {
  readonly id: string;
  readonly what: string;
  readonly atLeast: number;
  readonly subject: Subject;
  readonly peer: Subject;
  readonly loadCpus?: string;
  /** How long both are under load before they are measured, in seconds; 1 when absent. */
  readonly warmSeconds?: number;
}

function ratioRow({ id, what, atLeast, subject, peer, loadCpus, warmSeconds = 1 }: RatioRow): Row {
  const measure = (each: Subject, seconds: number) =>
    whileRunning(each, async (running) => {
      const options = {
        url: running.url,
        connections: helloConnections,
        ...(loadCpus === undefined ? {} : { cpus: loadCpus }),
      };
      await load({ ...options, seconds: warmSeconds });
      const pids = processesOf(running.pid);
      const before = cpuSeconds(pids);
      const result = await load({ ...options, seconds });
      return { ...result, cpuMicros: ((cpuSeconds(pids) - before) / result.requests) * 1e6 };
    });
  return {
    id,
    what,
    unit: "ratio",
    goal: { atLeast },
    round: async ({ seconds }) => {
      const theirs = await measure(peer, seconds);
      const own = await measure(subject, seconds);
      return { figure: own.perSecond / theirs.perSecond, parts: { ...named("own", own), ...named("peer", theirs) } };
    },
  };
}

function named(who: string, result: LoadResult & { cpuMicros: number }): Record<string, number> {
  return {
    [`${who}PerSecond`]: result.perSecond,
    [`${who}P99Ms`]: result.p99Ms,
    [`${who}CpuMicros`]: result.cpuMicros,
    [`${who}Errors`]: result.errors,
  };
}

/**
 * A closed loop of clients, numbered in the order in which their requests were sent. A request that began before one sent
 * earlier (by more than a millisecond: the workers' clocks are read one after the other) was served out of turn.
 */
async function waitingInOrder({ url }: Running, clients: number, seconds: number): Promise<RoundResult> {
  let sent = 0;
  let answered = 0;
  const served: { order: number; beganAtMs: number }[] = [];
  const endsAtMs = performance.now() + seconds * 1_000;
  const beganMs = performance.now();
  const client = async () => {
    while (performance.now() < endsAtMs) {
      const order = ++sent;
      const beganAtMs = Number(await textOf(url));
      answered++;
      served.push({ order, beganAtMs });
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const elapsedSeconds = (performance.now() - beganMs) / 1_000;
  served.sort((a, b) => a.order - b.order);
  let outOfTurn = 0;
  let latestMs = 0;
  for (const { beganAtMs } of served) {
    if (beganAtMs < latestMs - 1) outOfTurn++;
    latestMs = Math.max(latestMs, beganAtMs);
  }
  return { figure: answered / elapsedSeconds, parts: { answered, outOfTurn } };
}

function textOf(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });
}

async function memoryRound({ seconds }: RoundOptions): Promise<RoundResult> {
  const measure = (subject: Subject) =>
    whileRunning(subject, async (running) => {
      // A light load: under a heavy one, when the collector last ran decides the figure.
      await load({ url: running.url, connections: 1, seconds: Math.min(seconds, 2), cpus: loadCpu });
      const pids = processesOf(running.pid);
      // The worker is the youngest Node process; beside it there is a shell of a megabyte.
      const worker = Math.max(...pids.slice(pids.length > 1 ? 1 : 0).map(residentBytes));
      return {
        worker: worker / 1e6,
        whole: pids.reduce((sum, pid) => sum + memoryBytes(pid), 0) / 1e6,
      };
    });
  const theirs = await measure(bare);
  const own = await measure(async1);
  return {
    figure: own.worker - theirs.worker,
    parts: { ownWorkerMb: own.worker, peerMb: theirs.worker, ownWholePssMb: own.whole, peerWholePssMb: theirs.whole },
  };
}

async function startRound(subject: Subject): Promise<RoundResult> {
  const theirs = await untilFirstAnswer({ ...bare, cpus: "0,1" });
  const own = await untilFirstAnswer(subject);
  return { figure: own - theirs, parts: { ownMs: own, peerMs: theirs } };
}

/** Asks again and again from the moment of the command, as a load balancer's probe would. */
async function untilFirstAnswer(subject: Subject): Promise<number> {
  const port = await freePort();
  const at = subject.command.indexOf("--port");
  const command = at === -1 ? subject.command : subject.command.with(at + 1, String(port));
  const beganMs = performance.now();
  const starting = start({ ...subject, command, env: { ...subject.env, PORT: String(port) } });
  let elapsedMs = 0;
  while (elapsedMs === 0) {
    const isAnswered = await textOf(`http://127.0.0.1:${port}`).then(
      () => true,
      () => false,
    );
    if (isAnswered) elapsedMs = performance.now() - beganMs;
    else await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await (await starting).stop();
  return elapsedMs;
}
