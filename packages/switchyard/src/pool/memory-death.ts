// Whether want of memory ended a process: V8's heap was full, or the kernel killed for the memory limit of the cgroup.
//
// The first is known from the report that Node writes when it aborts (nodejs.org/api/report.html). The second is counted by
// the kernel, in `oom_kill` of memory.events (docs.kernel.org/admin-guide/cgroup-v2.html); it names no process, so a SIGKILL
// after which the count has risen is taken to be one of them.

import { readFileSync, unlinkSync } from "node:fs";

/** Reads and removes the report. @returns bytes of the heap in use, or null when it was not a full heap. */
export function readFullHeap(path: string): number | null {
  try {
    const report: unknown = JSON.parse(readFileSync(path, "utf8"));
    unlinkSync(path);
    return usedWhenFull(report);
  } catch {
    // There is none: the abort was not Node's, or the user has reports of their own.
    return null;
  }
}

/** The part of Node's report that is read here. */
interface FatalReport {
  readonly header?: { readonly trigger?: string };
  readonly javascriptHeap?: { readonly usedMemory?: number };
}

function usedWhenFull(report: unknown): number | null {
  // Node's own file, of which every part may be missing in another version.
  const { header, javascriptHeap } = report as FatalReport;
  return header?.trigger === "OOMError" ? (javascriptHeap?.usedMemory ?? 0) : null;
}

type ReadFile = (path: string) => string;

export class MemoryKills {
  readonly #read: ReadFile;
  #known: number | null;

  constructor(read: ReadFile = (path) => readFileSync(path, "utf8")) {
    this.#read = read;
    this.#known = this.#count();
  }

  /** Whether the kernel has killed for memory in this cgroup since the call before, or since the start. */
  happened(): boolean {
    const before = this.#known;
    this.#known = this.#count();
    return before !== null && this.#known !== null && this.#known > before;
  }

  /** Null where there is no version 2 of cgroups, or none that can be read. */
  #count(): number | null {
    try {
      const group = /^0::(.*)$/m.exec(this.#read("/proc/self/cgroup"))?.[1];
      if (group === undefined) return null;
      const events = this.#read(`/sys/fs/cgroup${group === "/" ? "" : group}/memory.events`);
      return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? Number.NaN);
    } catch {
      return null;
    }
  }
}
