// How many stacks this machine bears, read once from the kernel's own limits.
//
// Each stack is a kernel thread and two memory maps (the stack and its guard page). V8 ends the process when the kernel
// refuses it a map, so the limit stays well below that.

import { readFileSync } from "node:fs";
import { isMainThread, resourceLimits } from "node:worker_threads";

/** More than this was never tried; a process that needs more is better served by several. */
const mostStacks = 16_000;
/** Left for V8, the loaded libraries and the other threads. Measured: a Node process has a few hundred maps. */
const otherMaps = 5_000;
const mapsForEachStack = 2;

export function machineStackLimit(): number {
  const byMaps = Math.floor((numberIn("/proc/sys/vm/max_map_count", 65_530) - otherMaps) / mapsForEachStack);
  // The other half is for the rest of the container, of which this process may be a small part.
  const byThreads = Math.floor(
    Math.min(numberIn("/proc/sys/kernel/threads-max", Infinity), numberIn("/sys/fs/cgroup/pids.max", Infinity)) / 2,
  );
  return Math.max(16, Math.min(mostStacks, byMaps, byThreads));
}

const kB = 1024;
/** V8's default for --stack-size. */
const defaultStackBytes = 984 * kB;
/** What Node leaves unused of a worker's stack. */
const workerReserveBytes = 192 * kB;

/** How much of this thread's own stack JavaScript may use. */
export function ownStackBytes(): number {
  if (!isMainThread && resourceLimits.stackSizeMb !== undefined) {
    return resourceLimits.stackSizeMb * kB * kB - workerReserveBytes;
  }
  const options = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? "").split(" ")].join(" ");
  const [, given] = /--stack[-_]size[= ](\d+)/.exec(options) ?? [];
  return given === undefined ? defaultStackBytes : Number(given) * kB;
}

/** The number that the file holds; `fallback` where there is no such file or it says "max". */
function numberIn(file: string, fallback: number): number {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return fallback;
  }
  const number = Number.parseInt(text, 10);
  return Number.isNaN(number) ? fallback : number;
}
