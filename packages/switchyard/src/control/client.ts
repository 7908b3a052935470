// The commands' end of the control socket: finds the server of this folder, or the one that was named, and asks it.

import net from "node:net";
import { nowMs } from "../clock.ts";
import { errorOf, SwitchyardError } from "../errors.ts";
import type { ServerStatus } from "../metrics/snapshot.ts";
import type { ControlAnswer, ControlRequest } from "./protocol.ts";
import { socketsOf } from "./socket-path.ts";

export interface Asked {
  readonly status: ServerStatus;
  /** Resolves when the server has closed the connection, which it does at its end at the latest. */
  readonly closed: Promise<void>;
}

/** How long a server may take to say how it is, in milliseconds. It may take any time for what it is told to do. */
const statusTimeoutMs = 5_000;

/** For so long a server that takes the place of another may have no socket yet, in milliseconds. */
const handoverMs = 500;
const lookAgainMs = 25;

/**
 * The control socket to use: `named`, or that of the one server that was started in this folder.
 *
 * @param withinMs How long it may take until somebody listens there.
 * @throws {SwitchyardError} `SY_NO_SERVER`, `SY_SEVERAL_SERVERS`.
 */
export async function findSocket(named: string | null, withinMs = handoverMs): Promise<string> {
  const giveUpAtMs = nowMs() + withinMs;
  const paths = () => (named === null ? socketsOf(process.cwd()).map(({ path }) => path) : [named]);
  let open = await openOnes(paths());
  // A server lets go of its socket before its successor has one.
  while (open.length === 0 && nowMs() < giveUpAtMs) {
    await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
    open = await openOnes(paths());
  }
  return named ?? theOneOf(open);
}

/** Those that somebody listens on. */
async function openOnes(paths: readonly string[]): Promise<string[]> {
  const isOpen = await Promise.all(paths.map(accepts));
  return paths.filter((_, index) => isOpen[index]);
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function theOneOf(paths: readonly string[]): Promise<string> {
  const cwd = process.cwd();
  const found = await Promise.all(
    paths.map(async (path) => ({ path, asked: await ask(path, { command: "status" }).catch(() => null) })),
  );
  const alive = found.flatMap(({ path, asked }) => (asked === null ? [] : [{ path, status: asked.status }]));
  if (alive.length === 1) return alive[0]!.path;
  if (alive.length === 0) {
    throw new SwitchyardError("SY_NO_SERVER", {
      saw: `No server that was started in ${cwd} is running.`,
      fix: "Go to the folder that it was started in, or name its socket with --control-socket.",
    });
  }
  const list = alive.map(({ path, status }) => `${path} (process ${status.pid}, ${status.url})`).join("; ");
  throw new SwitchyardError("SY_SEVERAL_SERVERS", {
    saw: `${alive.length} servers that were started in ${cwd} are running: ${list}.`,
    fix: "Name the one that you mean with --control-socket <file>.",
  });
}

/** @throws {SwitchyardError} what the server answers, or `SY_NO_SERVER` when none does. */
export function ask(path: string, request: ControlRequest): Promise<Asked> {
  const socket = net.connect(path);
  const { promise, resolve, reject } = Promise.withResolvers<Asked>();
  const closed = Promise.withResolvers<void>();
  let text = "";
  if (request.command === "status") socket.setTimeout(statusTimeoutMs, () => socket.destroy(new Error("ETIMEDOUT")));
  socket.setEncoding("utf8");
  socket.write(`${JSON.stringify(request)}\n`);
  socket.on("data", (chunk: string) => {
    text += chunk;
    if (!text.endsWith("\n")) return;
    const answer = answerOf(text);
    if (answer === null) reject(noAnswer(path, "what it answers is not JSON"));
    else if (answer.ok) resolve({ status: answer.status, closed: closed.promise });
    else reject(errorOf(answer.error));
  });
  socket.on("error", (error: NodeJS.ErrnoException) => reject(noAnswer(path, error.code ?? error.message)));
  socket.on("close", () => {
    closed.resolve();
    reject(noAnswer(path, "it ended the connection without an answer"));
  });
  return promise;
}

function answerOf(text: string): ControlAnswer | null {
  try {
    return JSON.parse(text);
  } catch {
    // Whoever listens there is no server of ours.
    return null;
  }
}

function noAnswer(path: string, why: string): SwitchyardError {
  return new SwitchyardError("SY_NO_SERVER", {
    saw: `No server answers at ${path} (${why}).`,
    fix: "Start one, or correct --control-socket.",
  });
}
