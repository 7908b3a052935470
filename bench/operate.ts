// What it costs to watch a server: hello world with everything on that an operator has on, against the same server with
// all of it off.
//
// Both servers run at once, on one core, and are loaded in turns of a second, so that a machine that slows down for a moment
// slows both.

import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "./load.ts";
import type { RoundOptions, RoundResult, Row } from "./row.ts";
import { cpuSeconds, freePort, ours, processesOf, type Running, type Subject, whileRunning } from "./subject.ts";

const serverCpu = "0";
const loadCpu = "1";
const connections = 64;
const scrapeEveryMs = 1_000;

const nothing = ["--blocked-threshold", "0"];
const watched = async (args: readonly string[]) => ({ args, follow: null });

export const operateRows: readonly Row[] = [
  costRow({
    id: "operate-all",
    what: "async, hello world with metrics scraped each second, watchdog, access log to a file and a dashboard open, against none of them",
    atLeast: 0.9,
    model: ["--model", "async"],
    onWith: everything,
  }),
  costRow({
    id: "operate-all-sync",
    what: "the same for sync with 2 threads",
    atLeast: 0.9,
    model: ["--model", "sync", "--threads", "2"],
    onWith: everything,
  }),
  costRow({
    id: "operate-watchdog",
    what: "async, hello world with the watchdog alone, against none",
    atLeast: 0.99,
    model: ["--model", "async"],
    onWith: () => watched([]),
  }),
];

interface CostRow {
  readonly id: string;
  readonly what: string;
  readonly atLeast: number;
  readonly model: readonly string[];
  readonly onWith: (folder: string) => Promise<Watching>;
}

/** What is on, and who looks at it. */
interface Watching {
  readonly args: readonly string[];
  /** Looks at the server from now on; the returned function ends it, and tells what was seen. */
  readonly follow: (() => () => Promise<Record<string, number>>) | null;
}

async function everything(folder: string): Promise<Watching> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  return {
    args: ["--admin-port", String(port), "--access-log", "json", "--access-log-file", join(folder, "access.log")],
    follow: () => followDashboard(url),
  };
}

function costRow({ id, what, atLeast, model, onWith }: CostRow): Row {
  return {
    id,
    what,
    unit: "ratio",
    goal: { atLeast },
    round: async (options) => {
      const folder = mkdtempSync(join(tmpdir(), "switchyard-bench-"));
      try {
        const { args, follow } = await onWith(folder);
        const off = ours("off", "./apps/hello.mjs", [...model, ...nothing], serverCpu);
        const on = withoutSwitches(ours("on", "./apps/hello.mjs", [...model, ...args], serverCpu), args);
        return await whileRunning(off, (offRunning) =>
          whileRunning(on, async (onRunning) => {
            const end = follow?.();
            const result = await inTurns({ off: offRunning, on: onRunning }, options);
            const seen = (await end?.()) ?? {};
            return { ...result, parts: { ...result.parts, ...seen } };
          }),
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

/** Without the words by which every subject leaves the admin port and the access log off, where these are asked for. */
function withoutSwitches(subject: Subject, args: readonly string[]): Subject {
  if (!args.includes("--admin-port")) return subject;
  const words = subject.command.filter((word) => word !== "--no-access-log");
  const at = words.indexOf("--admin-port");
  return { ...subject, command: words.toSpliced(at, 2) };
}

async function inTurns(servers: { off: Running; on: Running }, { seconds }: RoundOptions): Promise<RoundResult> {
  const totals = { off: { requests: 0, cpuSeconds: 0, errors: 0 }, on: { requests: 0, cpuSeconds: 0, errors: 0 } };
  for (const { url } of Object.values(servers)) await load({ url, connections, seconds: 1, cpus: loadCpu });
  for (let turn = 0; turn < Math.max(2, seconds); turn++) {
    // Who comes first changes from turn to turn.
    for (const name of turn % 2 === 0 ? (["off", "on"] as const) : (["on", "off"] as const)) {
      const { url, pid } = servers[name];
      const pids = processesOf(pid);
      const before = cpuSeconds(pids);
      const { requests, errors } = await load({ url, connections, seconds: 1, cpus: loadCpu });
      const total = totals[name];
      total.requests += requests;
      total.errors += errors;
      total.cpuSeconds += cpuSeconds(pids) - before;
    }
  }
  const { off, on } = totals;
  return {
    figure: on.requests / off.requests,
    parts: {
      onRequests: on.requests,
      offRequests: off.requests,
      onCpuMicros: (on.cpuSeconds / on.requests) * 1e6,
      offCpuMicros: (off.cpuSeconds / off.requests) * 1e6,
      errors: off.errors + on.errors,
    },
  };
}

/** An open dashboard, as a browser has it, and a scrape of the metrics each second. */
function followDashboard(url: string): () => Promise<Record<string, number>> {
  let eventBytes = 0;
  let scrapes = 0;
  const stream = http.get(`${url}/events`, { agent: false }, (response) => {
    response.on("data", (chunk: Buffer) => {
      eventBytes += chunk.length;
    });
    response.on("error", () => {});
  });
  stream.on("error", () => {});
  const scrape = setInterval(() => {
    http
      .get(`${url}/metrics`, { agent: false }, (response) => {
        response.resume();
        response.once("end", () => scrapes++);
      })
      .on("error", () => {});
  }, scrapeEveryMs);
  return async () => {
    clearInterval(scrape);
    stream.destroy();
    return { eventBytes, scrapes };
  };
}
