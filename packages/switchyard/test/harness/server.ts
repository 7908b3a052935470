// Starts the real command with an application, on a free port, and reads what it says. Stopped when the test ends.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { ServerStatus } from "../../src/metrics/snapshot.ts";

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
  /** The first line, past or to come, that fits. */
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
  const line = await Promise.race([
    server.waitForLine((each) => each.msg?.startsWith("Serving at ") ?? false),
    server.exited.then((code) => {
      throw new Error(
        `The server ended with ${code}:\n${server.otherOutput.join("\n")}\n${JSON.stringify(server.lines)}`,
      );
    }),
  ]);
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
      return new Promise((resolve) => {
        const watcher = (line: LogLine) => {
          if (!fits(line)) return;
          watchers.delete(watcher);
          resolve(line);
        };
        watchers.add(watcher);
      });
    },
    async status() {
      const page = await server.waitForLine((line) => line.msg?.startsWith("Status page: ") ?? false);
      const answer = await get(`${page.url}status`);
      return JSON.parse(answer.body);
    },
    async waitForStatus(fits) {
      for (;;) {
        const status = await server.status();
        if (fits(status)) return status;
        // The page is made from reports that come every second: asking faster tells nothing new.
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    get: (path, requestOptions) => get(server.url + path, requestOptions),
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      return exited;
    },
  };
  return server;
}

/** One request on a connection of its own. */
export function get(url: string, options: http.RequestOptions & { body?: string | Buffer } = {}): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
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
}

function parse(text: string): LogLine | null {
  if (!text.startsWith("{")) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
