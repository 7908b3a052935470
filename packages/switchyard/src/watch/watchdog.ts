// Watches the loop of a process from a thread beside it, since nothing of a held loop's own can tell that it is held.
//
// The thread has a heap of its own and loads nothing but what is here: some 7 MB of private memory (Node 26), and sixteen
// looks at a number in a second.

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { beatEveryMs } from "./hold-detector.ts";
import { beWatched, isDebugged, type WatchedLoopParts } from "./watched-loop.ts";

/** Beside this module, compiled or not as this one is. */
const entry = new URL(`./watchdog-thread${extname(new URL(import.meta.url).pathname)}`, import.meta.url);

export interface WatchdogData {
  readonly beats: Int32Array;
  readonly everyMs: number;
  readonly worker: number;
  /** A pipe to the parent, for reports: this process's line to it belongs to the loop that is held. */
  readonly fd: number;
}

export interface WatchdogParts extends Pick<WatchedLoopParts, "current"> {
  readonly worker: number;
  readonly thresholdMs: number;
  readonly fd: number;
}

export function startWatchdog({ worker, thresholdMs, fd, current }: WatchdogParts): void {
  if (isDebugged()) return;
  const everyMs = beatEveryMs(thresholdMs);
  const beats = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  beWatched({ beats, everyMs, current });
  const data: WatchdogData = { beats, everyMs, worker, fd };
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
