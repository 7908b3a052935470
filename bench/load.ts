// Load from outside the measuring process: wrk, which takes far less CPU for a request than the servers do.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** CPUs that the load may use, as taskset takes them; all when absent. */
  readonly cpus?: string;
  /** Sends POST requests with a body of this length; GET without one when absent. */
  readonly bodyBytes?: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were not 2xx or 3xx, and connections that broke. */
  readonly errors: number;
}

/** Installs wrk from Debian's packages when it is missing and this user may; otherwise says how. */
export function ensureWrk(): void {
  if (spawnSync("wrk", ["-v"]).error === undefined) return;
  if (process.getuid?.() === 0 && spawnSync("apt-get", ["--version"]).error === undefined) {
    process.stderr.write("bench: installing wrk from Debian's packages\n");
    spawnSync("apt-get", ["update"], { stdio: "ignore" });
    execFileSync("apt-get", ["install", "-y", "wrk"], { stdio: "ignore" });
    return;
  }
  throw new Error("The benchmark needs wrk. Install it (Debian: apt-get install wrk) and run it again.");
}

export function load({ url, connections, seconds, cpus, bodyBytes }: LoadOptions): Promise<LoadResult> {
  const script = bodyBytes === undefined ? [] : ["-s", fileURLToPath(new URL("./post.lua", import.meta.url))];
  const words = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "20s", "--latency", ...script, url];
  const pinned = cpus === undefined ? words : ["taskset", "-c", cpus, ...words];
  return new Promise((resolve, reject) => {
    const child = spawn(pinned[0]!, pinned.slice(1), {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, BODY_BYTES: String(bodyBytes ?? 0) },
    });
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    child.stderr.on("data", (chunk) => {
      text += chunk;
    });
    child.once("close", () => {
      const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? Number.NaN);
      if (Number.isNaN(requests)) reject(new Error(`wrk said:\n${text}`));
      else resolve({ requests, ...figuresOf(text) });
    });
  });
}

function figuresOf(text: string): Omit<LoadResult, "requests"> {
  const socketErrors =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? [];
  const badAnswers = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0),
    p50Ms: milliseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(text)),
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(text)),
    errors: badAnswers + socketErrors.reduce((sum, count) => sum + Number(count), 0),
  };
}

function milliseconds(match: RegExpExecArray | null): number {
  if (match === null) return Number.NaN;
  const value = Number(match[1]);
  return match[2] === "us" ? value / 1_000 : match[2] === "s" ? value * 1_000 : value;
}
