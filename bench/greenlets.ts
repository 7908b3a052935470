// What a greenlet costs, beside what Node has and beside Python's greenlets; and what preemption gives and costs.
//
// The smallest figures are each taken in a process of its own, so that none is measured in code that another has warmed.
// Python's are taken with Debian's packages where those are installed; without them their rows say so and have no figure.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { median } from "./figures.ts";
import { type LoadResult, load } from "./load.ts";
import { type Mixed, mixedLoad } from "./mixed-load.ts";
import { moduleOf, type PythonSwitch, pythonFor, pythonMicros, pythonWith } from "./python.ts";
import type { RoundOptions, RoundResult, Row } from "./row.ts";
import { bareNode, cpuSeconds, freePort, processesOf, type Subject, whileRunning } from "./subject.ts";
import { roundsFor } from "./work.mjs";

const serverCpu = "0";
const loadCpu = "1";
const sliceMs = 2;
const workMs = 50;
/** Seconds until V8 has compiled everything, with preemption and without: later than that it makes no difference. */
const warmSeconds = 3;

type Figures = Record<string, number>;

export const greenletRows: readonly Row[] = [
  {
    id: "greenlets-switch",
    what: "resume and suspend, round trip",
    unit: "µs",
    goal: { atMost: 0.8 },
    round: () => microRow("switch", 200_000),
  },
  {
    id: "greenlets-switch-python",
    what: "the same, against CPython's greenlet",
    unit: "ratio",
    goal: { atMost: 1.7 },
    round: () => againstPython("switch", 200_000, ["switch"]),
  },
  {
    id: "greenlets-wait",
    what: "wait() for a promise that has its value",
    unit: "µs",
    goal: { atMost: 1 },
    round: async () => {
      const { micros: awaitMicros } = await micro("await", 1_000_000);
      const { figure } = await microRow("wait", 200_000);
      return { figure, parts: { awaitMicros: awaitMicros! } };
    },
  },
  {
    id: "greenlets-wait-python",
    what: "the same, against the quicker of gevent's sleep(0) and asyncio's on uvloop",
    unit: "ratio",
    goal: { atMost: 1 },
    round: () => againstPython("wait", 200_000, ["gevent", "uvloop"]),
  },
  {
    id: "greenlets-spawn",
    what: "spawn() and its end, on a stack that exists",
    unit: "µs",
    goal: { atMost: 1 },
    round: () => microRow("spawn", 200_000),
  },
  {
    id: "greenlets-first",
    what: "the first use of a new stack",
    unit: "µs",
    goal: { atMost: 60 },
    round: () => microRow("first", 1_000),
  },
  httpRatio("greenlets-hello", "hello world on node:http, a greenlet for each request, against none", 0.85, {
    own: "hello-greenlet",
    peer: "hello",
  }),
  httpRatio("greenlets-ten", "ten waits in each request, against ten awaits", 0.6, { own: "waits", peer: "awaits" }),
  {
    id: "greenlets-clients",
    what: "1,000 clients that each wait 100 ms, one process (10,000 possible)",
    unit: "requests/s",
    goal: { atLeast: 9_500 },
    round: async ({ seconds }) => {
      const own = await whileRunning(http("wait-100"), ({ url }) => thousandClients(url, seconds));
      const gevent = await geventServer((url) => thousandClients(url, seconds));
      return {
        figure: own.perSecond,
        parts: {
          p99Ms: own.p99Ms,
          errors: own.errors,
          ...(gevent === null ? {} : { geventPerSecond: gevent.perSecond }),
        },
      };
    },
  },
  {
    id: "greenlets-10k",
    what: "10,000 greenlets alive: resident memory of each",
    unit: "KB",
    goal: { atMost: 20 },
    round: (options) => liveRow("live10k", options, ({ kilobytesEach }) => kilobytesEach!),
  },
  {
    id: "greenlets-10k-made",
    what: "the same made anew, their stacks being there",
    unit: "s",
    goal: { atMost: 0.5 },
    round: (options) => liveRow("live10k", options, ({ warmSeconds }) => warmSeconds!),
  },
  {
    id: "greenlets-100k",
    what: "100,000 alive on the light backend: resident memory of each",
    unit: "KB",
    goal: { atMost: 24 },
    round: (options) => liveRow("live100k", options, ({ kilobytesEach }) => kilobytesEach!),
  },
  {
    id: "greenlets-100k-resumed",
    what: "how many of them were resumed and ended",
    unit: "greenlets",
    goal: { atLeast: 100_000 },
    round: (options) => liveRow("live100k", options, ({ resumed }) => resumed!),
  },
  preemptRow("preempt-p99", `slices of ${sliceMs} ms, 4 clients on a route of ${workMs} ms: /hello p99`, "ms", {
    goal: { atMost: 8 },
    figure: ({ preempted }) => preempted.helloP99Ms!,
  }),
  preemptRow("preempt-hello", "the same: /hello served to 16 clients", "requests/s", {
    goal: { atLeast: 4_000 },
    figure: ({ preempted }) => preempted.helloPerSecond!,
  }),
  preemptRow("preempt-cpu", "the same: the CPU route, against the same server without preemption", "ratio", {
    goal: { atLeast: 0.93 },
    figure: ({ preempted, plain }) => preempted.cpuPerSecond! / plain.cpuPerSecond!,
  }),
  {
    id: "greenlets-preempt-cost",
    what: "preemption when nothing hogs: CPU time of a hello world, over the same without it",
    unit: "%",
    goal: { atMost: 1 },
    round: ({ seconds }) => preemptionCost(seconds),
  },
];

// --- Figures of one process

const run = promisify(execFile);
const file = (name: string) => fileURLToPath(new URL(`./apps/${name}`, import.meta.url));

export async function micro(what: string, count: number, env: Record<string, string> = {}): Promise<Figures> {
  const words = ["--expose-gc", file("greenlet-micro.mjs"), what, String(count)];
  const { stdout } = await run(process.execPath, words, { env: { ...process.env, ...env } });
  return JSON.parse(stdout); // what greenlet-micro.mjs prints
}

async function microRow(what: string, count: number): Promise<RoundResult> {
  const { micros } = await micro(what, count);
  return { figure: micros!, parts: {} };
}

type LiveKind = "live10k" | "live100k";

/** Measured once in a round, whichever row asks first. */
const live = new WeakMap<RoundOptions, Partial<Record<LiveKind, Promise<Figures | string>>>>();

async function liveRow(
  kind: LiveKind,
  options: RoundOptions,
  figure: (figures: Figures) => number,
): Promise<RoundResult> {
  const ofRound = live.get(options) ?? {};
  live.set(options, ofRound);
  ofRound[kind] ??= kind === "live10k" ? measureLive(10_000) : measureLive(100_000, "impersonation-light");
  const figures = await ofRound[kind];
  if (typeof figures === "string") return skipped(figures);
  const { backend: _, ...parts } = figures;
  return { figure: figure(figures), parts };
}

/** The figures, or why there are none. */
async function measureLive(count: number, backend = ""): Promise<Figures | string> {
  try {
    const figures = await micro("live", count, backend === "" ? {} : { SWITCHYARD_GREENLET_BACKEND: backend });
    return "skipped" in figures ? String(figures.skipped) : figures;
  } catch (error) {
    const text = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
    return /ERR_ADDON_UNAVAILABLE/.test(text) ? `this machine has no backend ${backend}` : firstLineOf(text);
  }
}

// --- Python

async function againstPython(what: string, count: number, peers: readonly PythonSwitch[]): Promise<RoundResult> {
  const missing = peers.filter((peer) => pythonFor(peer) === null);
  if (missing.length > 0)
    return skipped(`Debian's ${missing.map((peer) => `python3-${moduleOf[peer]}`).join(", ")} missing`);
  const { micros } = await micro(what, count);
  const parts: Record<string, number> = { micros: micros! };
  for (const peer of peers) parts[`${peer}Micros`] = await pythonMicros(peer, count);
  return { figure: micros! / Math.min(...peers.map((peer) => parts[`${peer}Micros`]!)), parts };
}

async function geventServer<T>(measure: (url: string) => Promise<T>): Promise<T | null> {
  const program = pythonWith("gevent");
  if (program === null) return null;
  const port = await freePort();
  const subject: Subject = {
    name: "gevent",
    program,
    command: ["./apps/greenlet-peers.py", "serve", String(port)],
    url: `http://127.0.0.1:${port}`,
  };
  return whileRunning(subject, ({ url }) => measure(url));
}

// --- HTTP

function http(handler: string): Subject {
  return { name: handler, command: ["./apps/greenlet-http.mjs", handler], cpus: serverCpu };
}

function httpRatio(id: string, what: string, atLeast: number, { own, peer }: { own: string; peer: string }): Row {
  const perSecond = (handler: string, seconds: number) =>
    whileRunning(http(handler), async ({ url }) => {
      const options = { url, connections: 64, cpus: loadCpu };
      // On one core, V8 takes a while to compile the whole way of a request: what is measured is a server that has.
      await load({ ...options, seconds: 4 });
      return (await load({ ...options, seconds })).perSecond;
    });
  return {
    id,
    what,
    unit: "ratio",
    goal: { atLeast },
    round: async ({ seconds }) => {
      const peerPerSecond = await perSecond(peer, seconds);
      const ownPerSecond = await perSecond(own, seconds);
      return { figure: ownPerSecond / peerPerSecond, parts: { ownPerSecond, peerPerSecond } };
    },
  };
}

async function thousandClients(url: string, seconds: number): Promise<LoadResult> {
  // What is measured is a server that has made its thousand stacks, and compiled what runs on them.
  await load({ url, connections: 1_000, seconds: 5 });
  return load({ url, connections: 1_000, seconds });
}

// --- Preemption

interface PreemptRun {
  readonly preempted: Mixed;
  readonly plain: Mixed;
  readonly bare: Mixed;
}

/** The servers of each round, measured once. */
const preemptRuns = new WeakMap<RoundOptions, Promise<PreemptRun>>();
let workRounds: string | undefined;

function preemptRow(
  id: string,
  what: string,
  unit: string,
  { goal, figure }: { goal: Row["goal"]; figure: (run: PreemptRun) => number },
): Row {
  return {
    id: `greenlets-${id}`,
    what,
    unit,
    goal,
    round: async (options) => {
      let measuring = preemptRuns.get(options);
      if (measuring === undefined) {
        measuring = measurePreemption(options.seconds);
        preemptRuns.set(options, measuring);
      }
      const measured = await measuring;
      const parts: Figures = {};
      for (const [server, figures] of Object.entries(measured)) {
        for (const [name, value] of Object.entries(figures as Mixed)) parts[`${server}, ${name}`] = value;
      }
      return { figure: figure(measured), parts };
    },
  };
}

async function measurePreemption(seconds: number): Promise<PreemptRun> {
  workRounds ??= String(roundsFor(workMs));
  return {
    bare: await loadMixed(bareNode("./apps/mixed.mjs"), seconds),
    plain: await loadMixed(preemptSubject(0), seconds),
    preempted: await loadMixed(preemptSubject(sliceMs), seconds),
  };
}

function preemptSubject(preemptMs: number): Subject {
  return { name: "greenlets", command: ["./apps/preempted-http.mjs"], env: { PREEMPT_MS: String(preemptMs) } };
}

function loadMixed(subject: Subject, seconds: number): Promise<Mixed> {
  return whileRunning(withWork(subject), ({ url }) => mixedLoad(url, { warmSeconds, seconds, cpus: loadCpu }));
}

function withWork(subject: Subject): Subject {
  return { ...subject, cpus: serverCpu, env: { ...subject.env, WORK_ROUNDS: workRounds ?? "" } };
}

/**
 * Both servers run all the while and are loaded in turn, a second each, because the difference is smaller than a machine's
 * drift; of each, the median second counts.
 */
async function preemptionCost(seconds: number): Promise<RoundResult> {
  const withIt = { ...preemptSubject(sliceMs), cpus: serverCpu };
  const without = { ...preemptSubject(0), cpus: serverCpu };
  return whileRunning(withIt, (one) =>
    whileRunning(without, async (other) => {
      const servers = [one, other].map(({ url, pid }) => ({ url: `${url}/hello`, pid, micros: [] as number[] }));
      for (let turn = 0; turn < warmSeconds + seconds; turn++) {
        for (const server of turn % 2 === 0 ? servers : servers.toReversed()) {
          const pids = processesOf(server.pid);
          const before = cpuSeconds(pids);
          const { requests } = await load({ url: server.url, connections: 64, seconds: 1, cpus: loadCpu });
          if (turn >= warmSeconds) server.micros.push(((cpuSeconds(pids) - before) / requests) * 1e6);
        }
      }
      const [ownMicros, peerMicros] = servers.map(({ micros }) => median(micros));
      return {
        figure: (ownMicros! / peerMicros! - 1) * 100,
        parts: { ownMicros: ownMicros!, peerMicros: peerMicros! },
      };
    }),
  );
}

function skipped(reason: string): RoundResult {
  return { figure: Number.NaN, parts: {}, skipped: reason };
}

function firstLineOf(text: string): string {
  return text.split("\n").find((line) => /Error|error/.test(line)) ?? text.slice(0, 200);
}
