// execSync, execFileSync and spawnSync, by way of spawn().
//
// exec() and execFile() are no twins of theirs: errors, defaults and encodings all differ, so the blocking forms' results
// are put together here from a spawned child. What spawn() can't do as they do stays with the originals: descriptors in
// `stdio` beyond pipes, inherit and ignore, and options that are not valid.

import childProcess, { type ChildProcess, type SpawnSyncReturns } from "node:child_process";
import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import { parkMidRun } from "../mid-run.ts";
import type { Task } from "../switching.ts";
import { Waiter } from "../waiter.ts";
import { cooperatingTask, type LibraryFunction, type Patch } from "./cooperation.ts";

type Output = Buffer | string | null;

interface Options extends childProcess.SpawnSyncOptions {
  encoding?: BufferEncoding | "buffer" | null;
}

interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly options: Options;
}

type Result = SpawnSyncReturns<Output>;

const defaultMaxBufferBytes = 1024 * 1024;

export function childProcessPatches(): Patch[] {
  return [
    // It alone of the three refuses null for its options.
    replace(
      "spawnSync",
      (args) => (args[2] === null ? null : spawnArguments(args)),
      (result) => result,
    ),
    replace("execFileSync", spawnArguments, (result, command) =>
      outputOf(result, command, [command.options.argv0 ?? command.file, ...command.args].join(" ")),
    ),
    replace("execSync", execArguments, (result, command) => outputOf(result, command, command.file)),
  ];
}

function replace(
  name: "spawnSync" | "execFileSync" | "execSync",
  read: (args: unknown[]) => Command | null,
  conclude: (result: Result, command: Command) => unknown,
): Patch {
  return {
    holder: childProcess,
    name,
    make: (original) => {
      const patched: LibraryFunction = function (...args) {
        const task = cooperatingTask();
        const command = task === null ? null : read(args);
        if (task === null || command === null) return original.apply(this, args);
        const result = run(task, command);
        if (result === null) return original.apply(this, args);
        if (result.error) Error.captureStackTrace(result.error, patched);
        return conclude(result, command);
      };
      return patched;
    },
  };
}

/** The arguments of spawnSync and execFileSync; null when they are for the original to judge. */
function spawnArguments([file, second, third]: unknown[]): Command | null {
  const args = Array.isArray(second) ? second : [];
  const options = Array.isArray(second) || second === undefined || second === null ? third : second;
  return commandOf(file, args, options);
}

function execArguments([command, options]: unknown[]): Command | null {
  const given = commandOf(command, [], options);
  return given && { ...given, options: { ...given.options, shell: given.options.shell ?? true } };
}

function commandOf(file: unknown, args: unknown[], options: unknown): Command | null {
  if (typeof file !== "string" || file === "" || !args.every((arg) => typeof arg === "string")) return null;
  if (options !== undefined && options !== null && typeof options !== "object") return null;
  const known: Options = { ...options };
  return isPlain(known) ? { file, args, options: known } : null;
}

/** Whether spawn() can do what the options ask for, and they need no check that only the original makes. */
function isPlain({ stdio, timeout, maxBuffer, input, encoding, killSignal, cwd }: Options): boolean {
  const streams = Array.isArray(stdio) ? stdio : [stdio];
  return (
    streams.length <= 3 &&
    streams.every(
      (stream) => stream === undefined || stream === null || ["pipe", "inherit", "ignore"].includes(String(stream)),
    ) &&
    // Which the blocking forms can't find, and spawn() takes for none given.
    cwd !== "" &&
    (timeout === undefined || (Number.isInteger(timeout) && timeout >= 0)) &&
    (maxBuffer === undefined || (typeof maxBuffer === "number" && maxBuffer >= 0)) &&
    (input === undefined || input === null || typeof input === "string" || ArrayBuffer.isView(input)) &&
    (encoding === undefined || encoding === null || encoding === "buffer" || Buffer.isEncoding(encoding)) &&
    (killSignal === undefined || isSignal(killSignal))
  );
}

/** As Node takes signals: by number, or by name in either case. */
function isSignal(signal: unknown): boolean {
  if (typeof signal === "number") return Object.values(constants.signals).includes(signal as 1); // whatever number it is
  return typeof signal === "string" && Object.hasOwn(constants.signals, signal.toUpperCase());
}

/** Runs the command to its end. Null when there was no child: the original then fails at once, in its own words. */
function run(task: Task, { file, args, options }: Command): Result | null {
  const {
    timeout,
    maxBuffer = defaultMaxBufferBytes,
    killSignal = "SIGTERM",
    input,
    encoding,
    // The blocking forms know no such option.
    signal: _,
    ...spawnOptions
  } = options as Options & { signal?: unknown };
  const waiter = new Waiter(task, `the child process ${JSON.stringify(file)}`);
  const child = start(file, args, spawnOptions);
  if (child === null) return null;
  let failure: Error | undefined;
  let pipeFailure: Error | undefined;
  const kill = (code: "ETIMEDOUT" | "ENOBUFS") => {
    failure ??= spawnError(code, child);
    child.kill(killSignal);
  };
  const timer = timeout ? setTimeout(kill, timeout, "ETIMEDOUT") : undefined;
  const outputs = [child.stdout, child.stderr].map(
    (stream) => stream && new Collector(stream, maxBuffer, () => kill("ENOBUFS")),
  );
  child.once("close", (code, signal) => waiter.wake([code, signal]));
  // A child that ends without reading its input has not failed, and yet is told of.
  child.stdin?.on("error", ({ code }: NodeJS.ErrnoException) => {
    if (input && code === "EPIPE") pipeFailure = spawnError(code, child);
  });
  child.stdin?.end(input ?? "");
  try {
    const [status, signal] = parkMidRun(task, waiter) as [number | null, NodeJS.Signals | null]; // what it was woken with above
    const [stdout = null, stderr = null] = outputs.map((output) => output?.take(encoding) ?? null);
    const output = [null, stdout, stderr] as (string | null)[]; // typed for text only, and Buffers by default
    const error = failure ?? pipeFailure;
    return { ...(error && { error }), status, signal, output, pid: child.pid ?? 0, stdout, stderr };
  } catch (error) {
    // The greenlet was killed while it waited.
    child.kill("SIGKILL");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** A running child; null when there can be none. */
function start(file: string, args: readonly string[], options: childProcess.SpawnOptions): ChildProcess | null {
  let child: ChildProcess;
  try {
    child = childProcess.spawn(file, args, options);
  } catch {
    return null;
  }
  // Told to the caller by the original.
  child.on("error", () => {});
  return child.pid === undefined ? null : child;
}

/** Gathers a child's output, and says when it exceeds a bound. */
class Collector {
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  constructor(stream: NodeJS.ReadableStream, maxBytes: number, exceeded: () => void) {
    stream.on("data", (part: Buffer) => {
      this.#bytes += part.length;
      // What came with the part that was too much is kept, as the originals keep it.
      this.#parts.push(part);
      // None at all is no bound.
      if (maxBytes > 0 && this.#bytes > maxBytes) exceeded();
    });
  }

  take(encoding: Options["encoding"]): Buffer | string {
    const all = Buffer.concat(this.#parts);
    return encoding && encoding !== "buffer" ? all.toString(encoding) : all;
  }
}

/** What execSync and execFileSync return or throw. */
function outputOf(result: Result, { options }: Command, commandLine: string): Output {
  if (!options.stdio && result.stderr?.length) process.stderr.write(result.stderr);
  if (result.error) throw Object.assign(result.error, result);
  if (result.status === 0) return result.stdout;
  const message = `Command failed: ${commandLine}${result.stderr?.length ? `\n${result.stderr}` : ""}`;
  throw Object.assign(new Error(message), result);
}

/** The error that spawnSync reports: as the system's call would have failed, with the command as the shell was given it. */
function spawnError(code: string, { spawnfile, spawnargs }: ChildProcess): Error {
  const errno = [...getSystemErrorMap()].find(([, [name]]) => name === code)?.[0];
  const syscall = `spawnSync ${spawnfile}`;
  return Object.assign(new Error(`${syscall} ${code}`), {
    errno,
    code,
    syscall,
    path: spawnfile,
    spawnargs: spawnargs.slice(1),
  });
}
