// How many stacks this machine bears, read once from the kernel's own limits.
//
// A stack of a thread is that thread and two memory maps (the stack and its guard page). V8 ends the process when the kernel
// refuses it a map or memory, so the limit stays well below that. A light stack is memory alone.

import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { isMainThread, resourceLimits } from "node:worker_threads";
import type { BackendName } from "./addon.ts";

/** More than this was never tried; a process that needs more is better served by several. */
const mostStacks = 16_000;
const mostLightStacks = 150_000;
/** Left for V8, the loaded libraries and the other threads. Measured: a Node process has a few hundred maps. */
const otherMaps = 5_000;
const mapsForEachStack = 2;
const kB = 1024;
/** glibc gives threads that allocate at the same time an arena each, so many for each processor, and so much address space. */
const arenas = 8;
const arenaBytes = 64 * kB * kB;
/** What a parked greenlet takes of memory at least. Measured: docs/decisions/greenlet-light.md. */
const lightStackMemory = 24 * kB;

/** How many stacks of `stackBytes` may live in this process. */
export function machineStackLimit(backend: BackendName, stackBytes: number): number {
  const most = backend === "impersonation-light" ? lightStackLimit() : threadStackLimit();
  // The other half is for what the greenlets do, and for V8's heap.
  return Math.max(16, Math.floor(Math.min(most, addressSpaceLeft() / 2 / stackBytes)));
}

function threadStackLimit(): number {
  const byMaps = (numberIn("/proc/sys/vm/max_map_count", 65_530) - otherMaps) / mapsForEachStack;
  // The other half is for the rest of the container, of which this process may be a small part.
  const byThreads =
    Math.min(numberIn("/proc/sys/kernel/threads-max", Infinity), numberIn("/sys/fs/cgroup/pids.max", Infinity)) / 2;
  return Math.min(mostStacks, byMaps, byThreads);
}

/** Light stacks are no threads, and hundreds share a map. They take memory, and address space where that is limited. */
function lightStackLimit(): number {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  return Math.min(mostLightStacks, memory / 2 / lightStackMemory);
}

/** What the process may still map where its address space is limited (ulimit -v), in bytes. */
function addressSpaceLeft(): number {
  const [, limit] = /^Max address space +(\d+)/m.exec(textOf("/proc/self/limits") ?? "") ?? [];
  if (limit === undefined) return Infinity;
  const [, used] = /^VmSize:\s+(\d+)/m.exec(textOf("/proc/self/status") ?? "") ?? [];
  return Math.max(0, Number(limit) - Number(used ?? 0) * kB - arenas * availableParallelism() * arenaBytes);
}

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
  const number = Number.parseInt(textOf(file) ?? "", 10);
  return Number.isNaN(number) ? fallback : number;
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
