// A server under measurement: the real command as a process of its own, on a free port of this machine.
//
// It is started with a config file of this run, so that none of the user's decides, and as the leader of a process group, so that
// Ctrl-C reaches the command that measures and it decides what ends. Whatever it prints is read, and the end of it kept for
// the reason when it fails.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { nowMs } from "../clock.ts";
import { adminTokenVariable } from "../config/admin-token.ts";
import type { ServerStatus } from "../metrics/snapshot.ts";
import { plainGet, type RequestShape, type Target } from "./load/orders.ts";
import type { Failure } from "./run.ts";

const command = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));

export interface Subject {
  readonly target: Target;
  readonly pid: number;
  readonly startMs: number;
  status(): Promise<ServerStatus | null>;
  /** Resolves when the process is gone: it is told to stop, and killed a few seconds later. */
  stop(): Promise<void>;
  /** Resolves when it has ended, whoever ended it. */
  readonly ended: Promise<void>;
}

export interface SubjectOptions {
  readonly app: string;
  readonly args: readonly string[];
  /** The config file, so that none of the user's is read. */
  readonly config: string;
  /** What is sent to it besides a path; a plain GET where it is left out. */
  readonly request?: RequestShape;
  /** Beside this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Told of the process, so that it ends even when this one is killed. */
  readonly onProcess: (pid: number) => void;
  readonly signal: AbortSignal;
}

const stopPatienceMs = 3_000;
const linesKept = 40;

/** Resolves with the server once it serves, or with why it does not. */
export async function startSubject(options: SubjectOptions): Promise<Subject | Failure> {
  const { app, args, config, env, onProcess, signal, request = plainGet } = options;
  const beganAtMs = nowMs();
  const own = ["--config", config, "--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--no-access-log"];
  const child = spawn(process.execPath, [command, "serve", app, ...own, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    // Without a token, whatever this command was started with: its status is asked for from here.
    env: { ...process.env, ...env, NO_COLOR: "1", [adminTokenVariable]: undefined },
  });
  if (child.pid !== undefined) onProcess(child.pid);
  const output = readOutput(child);
  const ended = once(child, "close").then(() => {});
  const stop = () => stopProcess(child, ended);
  const abort = () => void stop();
  signal.addEventListener("abort", abort, { once: true });
  const serving = await Promise.race([output.serving, ended.then(() => null)]);
  if (serving === null) {
    signal.removeEventListener("abort", abort);
    return failureOf(output.lastLines());
  }
  const { url, admin } = serving;
  return {
    target: { host: "127.0.0.1", port: Number(new URL(url).port), request },
    pid: child.pid ?? -1,
    startMs: nowMs() - beganAtMs,
    status: () => readStatus(admin),
    ended,
    stop: async () => {
      signal.removeEventListener("abort", abort);
      await stop();
    },
  };
}

export function isFailure(subject: Subject | Failure): subject is Failure {
  return "saw" in subject;
}

async function stopProcess(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopPatienceMs);
  await ended;
  clearTimeout(timer);
}

interface Serving {
  readonly url: string;
  readonly admin: string;
}

function readOutput(child: ChildProcess): { serving: Promise<Serving>; lastLines: () => readonly string[] } {
  const lines: string[] = [];
  const { promise, resolve } = Promise.withResolvers<Serving>();
  let admin = "";
  const read = (text: string) => {
    lines.push(text);
    if (lines.length > linesKept) lines.shift();
    admin = /Status page: (http:\/\/[\d.:]+\/)/.exec(text)?.[1] ?? admin;
    const url = /Serving at (http:\/\/[\d.]+:\d+)/.exec(text)?.[1];
    if (url !== undefined) resolve({ url, admin });
  };
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", read);
  }
  return { serving: promise, lastLines: () => lines };
}

/** The command's own error, in its two parts, or the last that it printed. */
function failureOf(lines: readonly string[]): Failure {
  const at = lines.findIndex((line) => line.startsWith("error SY_"));
  const [, code, saw] = /^error (SY_\w+): (.*)$/.exec(lines[at] ?? "") ?? [];
  if (code !== undefined && saw !== undefined) return { code, saw, fix: (lines[at + 1] ?? "").trim() };
  const last = lines.at(-1);
  return {
    code: null,
    saw:
      last === undefined
        ? "The server ended and printed nothing."
        : `The server ended. The last line it printed: ${last}`,
    fix: "Run it by itself to see more: switchyard serve.",
  };
}

async function readStatus(admin: string): Promise<ServerStatus | null> {
  try {
    const answer = await fetch(`${admin}status`, { signal: AbortSignal.timeout(2_000) });
    // Our own server answered it, of this version.
    return (await answer.json()) as ServerStatus;
  } catch {
    // It is ending, or too busy to say: whoever asks does without.
    return null;
  }
}
