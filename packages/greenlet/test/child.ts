// Runs a fixture program as a child and tells how it ended.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs test/fixtures/<name> with this Node on this process's backend; `limits` are bash's, such as "-s 1024". */
export async function runFixture(
  name: string,
  {
    nodeArgs = [],
    args = [],
    limits,
    input,
  }: { nodeArgs?: string[]; args?: string[]; limits?: string | undefined; input?: string } = {},
): Promise<Ending> {
  const file = fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  // One that gets input is given it when it asks for it, so that it has to wait.
  const program = [process.execPath, ...nodeArgs, file, ...args];
  const limited = ["bash", "-c", `ulimit ${limits} && exec "$0" "$@"`, ...program];
  const [command = "", ...rest] = limits === undefined ? program : limited;
  const child = spawn(command, rest, {
    stdio: input === undefined ? ["ignore", "pipe", "pipe"] : ["pipe", "pipe", "pipe", "ipc"],
    env,
    // One that hangs is ended before its test is, and so what it has printed is shown.
    timeout: 200_000,
    killSignal: "SIGKILL",
  });
  child.once("message", () => child.stdin?.end(input));
  const [stdout, stderr, [code, signal]] = await Promise.all([
    textOf(child.stdout!),
    textOf(child.stderr!),
    once(child, "close"),
  ]);
  return { code, signal, stdout, stderr };
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const part of stream) text += part;
  return text;
}

/** That the child ended by itself with this code, and neither V8 nor Node found anything broken. */
export function assertEnded(ending: Ending, code: number): void {
  assert.doesNotMatch(ending.stderr + ending.stdout, /Fatal error|corrupted|Assertion failed|smashing|FATAL/);
  assert.deepEqual({ code: ending.code, signal: ending.signal }, { code, signal: null }, ending.stderr + ending.stdout);
}
