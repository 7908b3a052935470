// Starts the real command with an application, on a free port, and reads what it says. Stopped when the test ends.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { ServerStatus } from "../../src/metrics/snapshot.ts";
import { patiently, until } from "./patience.ts";

const command = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));
const appsFolder = new URL("../fixtures/apps/", import.meta.url);

export interface StartOptions {
  /** A path below test/fixtures/apps, or an absolute one. */
  readonly app: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Start it on one CPU, or as the leader of nothing: what comes before `node`. */
  readonly prefix?: readonly string[];
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string };

export interface TestServer {
  readonly url: string;
  /** The supervisor's process. */
  readonly pid: number;
  readonly child: ChildProcess;
  /** Every JSON line of stdout so far, and what else was printed. */
  readonly lines: LogLine[];
  readonly otherOutput: string[];
  /** The first line, past or to come, that fits; rejects when the output has ended without. */
  waitForLine(fits: (line: LogLine) => boolean): Promise<LogLine>;
  status(): Promise<ServerStatus>;
  /** Asks for the status again and again until it fits. */
  waitForStatus(fits: (status: ServerStatus) => boolean): Promise<ServerStatus>;
  get(path: string, options?: http.RequestOptions): Promise<Answer>;
  /** Sends a signal and resolves with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export function appPath(app: string): string {
  return app.startsWith("/") ? app : fileURLToPath(new URL(app, appsFolder));
}

/** Starts the server and resolves when it serves; rejects with what it printed when it ends instead. */
export async function startServer(t: TestContext, options: StartOptions): Promise<TestServer> {
  const server = launch(t, options);
  const line = await server.waitForLine((each) => each.msg?.startsWith("Serving at ") ?? false);
  return Object.assign(server, { url: String(line.url) });
}

/** Starts the command without waiting for it to serve. */
export function launch(t: TestContext, { app, args = [], env = {}, prefix = [] }: StartOptions): TestServer {
  const port = args.includes("--unix") || args.includes("--port") ? [] : ["--port", "0"];
  const words = [...prefix, process.execPath, command, "serve", appPath(app), ...port, ...args];
  const child = spawn(words[0]!, words.slice(1), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env, PORT: undefined },
  });
  const lines: LogLine[] = [];
  const otherOutput: string[] = [];
  const watchers = new Set<(line: LogLine) => void>();
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = parse(text);
    if (line === null) {
      otherOutput.push(text);
      return;
    }
    lines.push(line);
    for (const watcher of watchers) watcher(line);
  });
  createInterface({ input: child.stderr }).on("line", (text) => otherOutput.push(text));
  const exited = once(child, "close").then(([code]) => code as number | null);
  const output = () => `${lines.map((line) => JSON.stringify(line)).join("\n")}\n${otherOutput.join("\n")}`;
  t.after(async () => {
    child.kill("SIGKILL");
    await exited;
  });

  const server: TestServer = {
    url: "",
    pid: child.pid ?? -1,
    child,
    lines,
    otherOutput,
    exited,
    waitForLine(fits) {
      const past = lines.find(fits);
      if (past !== undefined) return Promise.resolve(past);
      const { promise, resolve, reject } = Promise.withResolvers<LogLine>();
      const watcher = (line: LogLine) => {
        if (!fits(line)) return;
        watchers.delete(watcher);
        resolve(line);
      };
      watchers.add(watcher);
      exited.then((code) => reject(new Error(`The server ended with ${code}:\n${output()}`)), reject);
      return patiently(promise, output);
    },
    async status() {
      const page = await server.waitForLine((line) => line.msg?.startsWith("Status page: ") ?? false);
      const answer = await get(`${page.url}status`);
      return JSON.parse(answer.body);
    },
    async waitForStatus(fits) {
      let status: ServerStatus | null = null;
      return until(
        async () => {
          status = await server.status();
          return fits(status) && status;
        },
        () => status ?? output(),
        // The page is made from reports that come every second: asking faster tells nothing new.
        50,
      );
    },
    get: (path, requestOptions) => get(server.url + path, requestOptions),
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      return patiently(exited, output);
    },
  };
  return server;
}

/** One request on a connection of its own. */
export function get(url: string, options: http.RequestOptions & { body?: string | Buffer } = {}): Promise<Answer> {
  const { body, ...rest } = options;
  const answer = new Promise<Answer>((resolve, reject) => {
    const { request: send } = url.startsWith("https:") ? https : http;
    const request = send(url, { agent: false, ...rest }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
  return patiently(answer, () => `no answer from ${url}`);
}

function parse(text: string): LogLine | null {
  if (!text.startsWith("{")) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
