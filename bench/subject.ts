// A subject is a server under measurement: how to start it, and what it uses while it runs.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Subject {
  readonly name: string;
  /** Words of the command after the program; those that begin with ./ or ../ are paths relative to this folder. */
  readonly command: readonly string[];
  /** What runs the command; this Node when absent. */
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** CPUs that it may use, as taskset takes them; all when absent. */
  readonly cpus?: string;
  /** Where it will serve, for one that does not say so: it is asked until it answers. */
  readonly url?: string;
  /** What it is asked for until then; / when absent. */
  readonly probe?: string;
}

export interface Running {
  readonly url: string;
  /** The process that was started. */
  readonly pid: number;
  /** Milliseconds from the command to the line that says where it serves. */
  readonly startedMs: number;
  stop(): Promise<void>;
}

const switchyard = "../packages/switchyard/bin/switchyard.js";

export function ours(name: string, app: string, args: readonly string[], cpus?: string): Subject {
  return {
    name,
    command: [switchyard, "serve", app, "--port", "0", "--admin-port", "off", "--no-access-log", ...args],
    ...(cpus === undefined ? {} : { cpus }),
  };
}

/** The application on bare node:http, in one process. */
export function bareNode(app: string, cpus?: string): Subject {
  const subject = { name: "node:http", command: ["./apps/bare.mjs"], env: appNamed(app) };
  return cpus === undefined ? subject : { ...subject, cpus };
}

/** The application on node:cluster. */
export function nodeCluster(app: string, workers: number): Subject {
  const env = { ...appNamed(app), WORKERS: String(workers) };
  return { name: `node:cluster, ${workers} workers`, command: ["./apps/cluster.mjs"], env };
}

/** What tells apps/bare.mjs and apps/cluster.mjs their application. */
export function appNamed(app: string): Record<string, string> {
  return { APP: new URL(app, import.meta.url).href };
}

const startTimeoutMs = 20_000;

const started = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of started) endGroup(child);
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

export async function start(subject: Subject): Promise<Running> {
  const words = [subject.program ?? process.execPath, ...subject.command.map(pathOf)];
  const pinned = subject.cpus === undefined ? words : ["taskset", "-c", subject.cpus, ...words];
  const beganMs = performance.now();
  const child = spawn(pinned[0]!, pinned.slice(1), {
    // In a process group of its own: what it leaves behind is ended with it.
    detached: true,
    stdio: ["ignore", subject.url === undefined ? "pipe" : "ignore", "inherit"],
    env: { ...process.env, ...subject.env },
  });
  started.add(child);
  child.once("exit", () => started.delete(child));
  const url =
    subject.url === undefined
      ? await servingUrl(child, subject.name)
      : await answeringUrl(child, subject.url, subject.probe ?? "/");
  return {
    url,
    pid: child.pid ?? -1,
    startedMs: performance.now() - beganMs,
    stop: () =>
      new Promise((resolve) => {
        const leftLate = setTimeout(() => endGroup(child), 10_000);
        child.once("exit", () => {
          clearTimeout(leftLate);
          endGroup(child);
          resolve();
        });
        child.kill("SIGTERM");
      }),
  };
}

/** Words that name a file of this repository become absolute. */
function pathOf(word: string): string {
  return /^\.\.?\//.test(word) ? fileURLToPath(new URL(word, import.meta.url)) : word;
}

function servingUrl(child: ChildProcess, name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${name} did not serve within ${startTimeoutMs} ms.`)),
      startTimeoutMs,
    );
    child.once("exit", (code) => reject(new Error(`${name} ended with ${code}.`)));
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const url = /Serving at (http:\/\/[\d.]+:\d+)/.exec(line)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    });
  });
}

async function answeringUrl(child: ChildProcess, url: string, probe: string): Promise<string> {
  const endsAtMs = performance.now() + startTimeoutMs;
  while (performance.now() < endsAtMs && child.exitCode === null) {
    const answers = await fetch(`${url}${probe}`).then(
      (response) => response.ok,
      () => false,
    );
    if (answers) return url;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  endGroup(child);
  throw new Error(`Nothing answered at ${url} within ${startTimeoutMs} ms.`);
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // ESRCH: nobody is left in it.
  }
}

/** The process and all that it started. */
export function processesOf(pid: number): number[] {
  let children: string;
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  } catch {
    // It has ended since.
    return [];
  }
  return [
    pid,
    ...children
      .split(" ")
      .filter(Boolean)
      .flatMap((child) => processesOf(Number(child))),
  ];
}

/** Resident memory of one process that no other process has mapped too (proportional set size), in bytes. */
export function memoryBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) * 1024;
}

/** Resident memory of one process, in bytes. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

/** CPU time that these processes have used, in seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

export async function whileRunning<T>(subject: Subject, measure: (running: Running) => Promise<T>): Promise<T> {
  const running = await start(subject);
  try {
    return await measure(running);
  } finally {
    await running.stop();
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
