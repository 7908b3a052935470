// The access log: a line on stdout for each request, at a cost that fifty thousand requests a second can pay.
//
// Lines gather in memory and leave in chunks, at once when a chunk is full and after 100 ms when it is not. A chunk is
// whole lines, small enough on a pipe that lines of several processes never mix. A slow reader holds up no request: what
// it does not take within the buffer's bound is dropped, counted, and reported in a line of its own.
//
//   record ──► pending ──(full, or 100 ms)──► handOver ──► LineOutput ──► write(2)
//                                               └─(bound reached)─► dropped ──► a line that says how many

import { closeSync, openSync } from "node:fs";
import { isatty } from "node:tty";
import { wallMs } from "../clock.ts";
import type { AccessLogFormat } from "../config/settings.ts";
import { type AccessEntry, lineFormat, maxLineBytes } from "./access-line.ts";
import { wantsColour } from "./colour.ts";
import { logFileMode, onReopen } from "./files.ts";
import { openLineOutput } from "./line-output.ts";

export type { AccessEntry } from "./access-line.ts";

export interface AccessLogOptions {
  readonly format: AccessLogFormat;
  /** Readable lines where the format is json. Default: whether `fd` is a terminal. */
  readonly pretty?: boolean;
  /**
   * A file to append to, instead of `fd`. It is opened again by `reopenLogFiles`. Where it can't be opened, a line says so on
   * `fd`, and the lines go there: a worker that replaces another serves, whatever became of the file since the start.
   */
  readonly file?: string | null;
  /** The file descriptor to write to. It stays open. Default 1, stdout. */
  readonly fd?: number;
  /** How much may wait for the reader, in bytes, before lines are dropped. Default 4 MiB. */
  readonly bufferLimitBytes?: number;
  /** How long `close` waits for the reader to take what is left, in milliseconds. Default 1,000. */
  readonly closeTimeoutMs?: number;
  /** The date for the lines. Default: the machine's. */
  readonly clock?: () => number;
}

export interface AccessLog {
  /** Adds a request's line. Never waits and never throws; after `close` the line is counted as dropped. */
  record(entry: AccessEntry): void;
  /** Hands over what is pending without waiting for the chunk to fill. */
  flush(): void;
  /** Writes what is left, for at most `closeTimeoutMs`, and ends the log. */
  close(): Promise<void>;
  /** Lines that were not written because the reader was too slow, went away, or the log was closed. */
  readonly dropped: number;
}

const flushAfterMs = 100;
const reportEveryMs = 1_000;
const defaultCloseTimeoutMs = 1_000;
const defaultBufferLimitBytes = 4 * 1024 * 1024;

export function createAccessLog(options: AccessLogOptions): AccessLog {
  const { file = null, clock = wallMs, bufferLimitBytes = defaultBufferLimitBytes } = options;
  const opened = file === null ? null : openFile(file);
  let fd = typeof opened === "number" ? opened : (options.fd ?? 1);
  let isOwn = typeof opened === "number";
  const { closeTimeoutMs = defaultCloseTimeoutMs } = options;
  const isTerminal = isatty(fd);
  const pretty = options.pretty ?? isTerminal;
  const format = lineFormat({ format: options.format, pretty, colour: wantsColour(), pid: process.pid });
  let output = openLineOutput({ fd, limitBytes: bufferLimitBytes });

  let pending = "";
  let pendingLines = 0;
  let dropped = 0;
  let reported = 0;
  let reportedAtMs = Number.NEGATIVE_INFINITY;
  let isOpen = true;
  let timer: NodeJS.Timeout | null = null;

  if (file !== null && typeof opened === "string")
    output.offer(unopenedLine({ file, code: opened, atMs: clock(), pretty }));

  function record(entry: AccessEntry): void {
    if (!isOpen) {
      dropped++;
      return;
    }
    const line = format(entry, clock());
    if (pending.length + line.length > output.chunkBytes) handOver();
    pending += line;
    pendingLines++;
    // A person at a terminal waits for the line.
    if (isTerminal) handOver();
    else startTimer();
  }

  function handOver(): void {
    if (pendingLines === 0) return;
    if (!output.offer(pending)) dropped += pendingLines;
    pending = "";
    pendingLines = 0;
  }

  function startTimer(): void {
    timer ??= setTimeout(onTimer, flushAfterMs).unref();
  }

  function onTimer(): void {
    timer = null;
    handOver();
    reportDropped();
    if (dropped > reported && !output.isGone) startTimer();
  }

  /** Says how many lines were dropped since the last such line, once there is room again, at most once a second. */
  function reportDropped(): void {
    const nowMs = clock();
    const hasRoom = output.unwrittenBytes + maxLineBytes <= bufferLimitBytes;
    if (dropped === reported || !hasRoom || nowMs - reportedAtMs < reportEveryMs) return;
    if (!output.offer(droppedLine({ count: dropped - reported, atMs: nowMs, pretty }))) return;
    reported = dropped;
    reportedAtMs = nowMs;
  }

  /** From now on lines go to whatever has the file's name by now; those before it are still written to the old file. */
  function reopen(name: string): void {
    const before = { output, fd, isOwn };
    handOver();
    const reopened = openFile(name);
    // The folder is gone, or another's: the old file is written on. The supervisor, whose user is the same, says so.
    if (typeof reopened === "string") return;
    fd = reopened;
    isOwn = true;
    output = openLineOutput({ fd, limitBytes: bufferLimitBytes });
    void before.output.written().then(() => {
      before.output.close();
      if (before.isOwn) closeSync(before.fd);
    });
  }
  const forgetReopen = file === null ? () => {} : onReopen(() => reopen(file));

  /** For a process that ends without `close`. */
  function onExit(): void {
    if (pendingLines > 0) output.writeLast(pending);
  }
  process.once("exit", onExit);

  async function close(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    forgetReopen();
    if (timer !== null) clearTimeout(timer);
    process.off("exit", onExit);
    handOver();
    reportedAtMs = Number.NEGATIVE_INFINITY;
    reportDropped();
    await withinMs(output.written(), closeTimeoutMs);
    output.close();
    if (isOwn) closeSync(fd);
  }

  return {
    record,
    flush: handOver,
    close,
    get dropped() {
      return dropped;
    },
  };
}

/** @returns the descriptor, or the code of the error. */
function openFile(file: string): number | string {
  try {
    return openSync(file, "a", logFileMode);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "an error";
  }
}

async function withinMs(work: Promise<void>, limitMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, limitMs);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}

function droppedLine({ count, atMs, pretty }: { count: number; atMs: number; pretty: boolean }): string {
  const msg = `${count} access line${count === 1 ? " was" : "s were"} dropped because the reader of stdout is too slow.`;
  return pretty ? `${msg}\n` : ownLine({ level: "warn", atMs, dropped: count, msg });
}

function unopenedLine(parts: { file: string; code: string; atMs: number; pretty: boolean }): string {
  const { file, code, atMs, pretty } = parts;
  const msg = `The access log ${file} can't be opened (${code}): its lines are written here.`;
  return pretty ? `${msg}\n` : ownLine({ level: "error", atMs, file, code, msg });
}

/** A line of the access log's own, as the server's log has them. */
function ownLine({ level, atMs, ...fields }: { level: string; atMs: number; [field: string]: unknown }): string {
  const time = new Date(atMs).toISOString();
  return `${JSON.stringify({ level, time, pid: process.pid, component: "access", ...fields })}\n`;
}
