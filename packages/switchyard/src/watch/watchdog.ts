// Watches the loop of a process from beside it, since nothing of a held loop's own can tell that it is held.
//
// The addon of @switchyard/greenlet does so from a thread without a heap, which costs some kilobytes and next to no time at
// the start. Where it can't be loaded, a Worker does the same through Node's inspector: some 7 MB of private memory and 40 ms
// of CPU at the start (Node 26).

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { watchLoop } from "@switchyard/greenlet/loop-watch";
import { wallMs } from "../clock.ts";
import type { BlockedReport } from "../metrics/snapshot.ts";
import { writeNow } from "../write-now.ts";
import { type Beats, isLoading } from "./beats.ts";
import { againAfter } from "./hold-detector.ts";
import { nativeAfterMs, reportOf, unknown } from "./inquiry.ts";
import type { WatchedLoop } from "./watched-loop.ts";

/** Beside this module, compiled or not as this one is. */
const entry = new URL(`./watchdog-thread${extname(new URL(import.meta.url).pathname)}`, import.meta.url);

export interface WatchdogData {
  readonly beats: Beats;
  readonly everyMs: number;
  readonly worker: number;
  /** A pipe to the parent, for reports: this process's line to it belongs to the loop that is held. */
  readonly fd: number;
}

export interface WatchdogParts extends WatchdogData {
  readonly loop: WatchedLoop;
}

export function startWatchdog({ loop, ...data }: WatchdogParts): void {
  if (watchByAddon(data, loop)) return;
  const thread = new Worker(entry, {
    name: "watchdog",
    workerData: data,
    // No loader that the application asked for, and as little memory as Node runs in.
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 },
  });
  // Without it the worker does its work; only what holds it is not told.
  thread.on("error", () => {});
  thread.unref();
}

function watchByAddon({ beats, everyMs, worker, fd }: WatchdogData, loop: WatchedLoop): boolean {
  const { pid } = process;
  const native: Omit<BlockedReport, "heldMs" | "atMs" | "isLoading"> = { worker, pid, isNative: true, ...unknown };
  return watchLoop({
    beats: beats.buffer,
    lookEveryMs: everyMs,
    againAfter,
    nativeAfterMs,
    fd,
    nativeLine: JSON.stringify(native).slice(0, -1),
    tell: (heldMs, isNative) => {
      const circumstances = { atMs: wallMs(), worker, pid, heldMs, isNative, isLoading: isLoading(beats) };
      const report = reportOf(loop.describe(), circumstances);
      if (report !== null) tellParent(fd, report);
    },
  });
}

function tellParent(fd: number, report: BlockedReport): void {
  try {
    writeNow(fd, `${JSON.stringify(report)}\n`);
  } catch {
    // The parent has gone: so will this process.
  }
}
