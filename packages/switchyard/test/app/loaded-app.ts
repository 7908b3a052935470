// Starts the runner (test/fixtures/load/runner.ts) with an application, as a process or as a thread, and talks to it.

import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { ProgramSettings } from "../../src/config/program-settings.ts";

const runner = fileURLToPath(new URL("../fixtures/load/runner.ts", import.meta.url));
export const appsFolder = fileURLToPath(new URL("../fixtures/apps/", import.meta.url));

export interface Ready {
  readonly is: "ready";
  readonly port: number;
  readonly description: string;
  readonly askedPort: number | null;
  readonly settings: ProgramSettings;
  readonly takesUpgrades: boolean;
}

export interface Failed {
  readonly is: "failed";
  readonly code: string;
  readonly saw: string;
  readonly fix: string;
  /** The message of the application's own error. */
  readonly cause?: string;
}

export interface Exited {
  readonly is: "exited";
  readonly code: number | null;
}

export interface Look {
  readonly is: "look";
  readonly settings: ProgramSettings;
  readonly takesUpgrades: boolean;
}

type Message =
  | Ready
  | Failed
  | Exited
  | Look
  | { readonly is: "notice"; readonly text: string }
  | { readonly is: "closed" };

export interface Loaded<Outcome> {
  readonly outcome: Outcome;
  readonly notices: readonly string[];
  readonly origin: string;
  /** All that the application has printed until now. */
  printed(): string;
  /** Waits until the application has printed the text. */
  waitForPrinted(text: string): Promise<void>;
  ask(command: "close" | "look"): Promise<Message>;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<number | null>;
}

interface Start {
  /** A path below test/fixtures/apps, or an absolute one. */
  readonly app: string;
  readonly isolation?: "process" | "thread";
  readonly startTimeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** Loads an application that is expected to serve. */
export async function loadApp(t: TestContext, start: Start): Promise<Loaded<Ready>> {
  const loaded = await load(t, start);
  const { outcome } = loaded;
  if (outcome.is !== "ready") throw new Error(`It did not serve: ${JSON.stringify(outcome)}\n${loaded.printed()}`);
  return { ...loaded, outcome };
}

/** Loads an application that is expected to fail with an error of ours. */
export async function failToLoad(t: TestContext, start: Start): Promise<Failed> {
  const loaded = await load(t, start);
  const { outcome } = loaded;
  if (outcome.is !== "failed") throw new Error(`It did not fail: ${JSON.stringify(outcome)}\n${loaded.printed()}`);
  return outcome;
}

/** Loads an application, whatever comes of it. */
export async function load(t: TestContext, start: Start): Promise<Loaded<Ready | Failed | Exited>> {
  const file = start.app.startsWith("/") ? start.app : join(appsFolder, start.app);
  const argv = [file, ...(start.startTimeoutMs === undefined ? [] : [String(start.startTimeoutMs)])];
  const runs = start.isolation === "thread" ? startThread(argv) : startProcess(argv, { ...process.env, ...start.env });
  t.after(() => runs.stop());

  const notices: string[] = [];
  const messages = new EventEmitter();
  const outcome = new Promise<Ready | Failed | Exited>((resolve) => {
    runs.onMessage((message) => {
      if (message.is === "notice") notices.push(message.text);
      else if (message.is === "ready" || message.is === "failed") resolve(message);
      else messages.emit("answer", message);
    });
    runs.exited.then((code) => resolve({ is: "exited", code }));
  });
  const settled = await outcome;
  return {
    outcome: settled,
    notices,
    origin: settled.is === "ready" ? `http://127.0.0.1:${settled.port}` : "",
    exited: runs.exited,
    kill: runs.kill,
    printed: () => runs.output.text,
    async waitForPrinted(text) {
      while (!runs.output.text.includes(text)) await once(runs.output.events, "more");
    },
    async ask(command) {
      const answer = once(messages, "answer");
      runs.send({ do: command });
      const [message]: Message[] = await answer;
      if (message === undefined) throw new Error("No answer.");
      return message;
    },
  };
}

/** A program of the test's own, alone in a temporary folder, with more files beside it where a test needs them. */
export function program(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-app-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, source] of Object.entries(files)) writeFileSync(join(folder, name), source);
  const [entry = ""] = Object.keys(files);
  return join(folder, entry);
}

interface Output {
  text: string;
  readonly events: EventEmitter;
}

interface Running {
  readonly output: Output;
  readonly exited: Promise<number | null>;
  onMessage(listener: (message: Message) => void): void;
  send(message: object): void;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

function startProcess(argv: string[], env: NodeJS.ProcessEnv): Running {
  const child: ChildProcess = fork(runner, argv, { stdio: ["ignore", "pipe", "pipe", "ipc"], env });
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  return {
    output: collect(child.stdout, child.stderr),
    exited,
    onMessage: (listener) => void child.on("message", listener),
    send: (message) => void child.send(message),
    kill: (signal) => void child.kill(signal),
    async stop() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function startThread(argv: string[]): Running {
  const worker = new Worker(runner, { workerData: { argv }, stdout: true, stderr: true });
  const exited = new Promise<number | null>((resolve) => worker.once("exit", resolve));
  return {
    output: collect(worker.stdout, worker.stderr),
    exited,
    onMessage: (listener) => void worker.on("message", listener),
    send: (message) => worker.postMessage(message),
    kill: () => void worker.terminate(),
    async stop() {
      await worker.terminate();
    },
  };
}

function collect(...streams: readonly (NodeJS.ReadableStream | null)[]): Output {
  const output = { text: "", events: new EventEmitter() };
  for (const stream of streams) {
    stream?.on("data", (chunk: Buffer) => {
      output.text += chunk;
      output.events.emit("more");
    });
  }
  return output;
}
