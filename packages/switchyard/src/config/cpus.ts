// How many CPUs this process may use: what the scheduler lets it run on, and what its control groups let it use of that.
//
// Node counts the CPUs it may be scheduled on; a container's limit is a quota of CPU time instead, which the kernel keeps
// in cgroup files (v2: cpu.max; v1: cpu.cfs_quota_us), one at each level up to the root, and the least of them holds.
// (Linux kernel, Documentation/admin-guide/cgroup-v2.rst, "CPU Interface Files".) `countCpus` reads only
// through the function it is given. Never fails: a file that is missing or says something else limits nothing.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Returns a file's text, or null when it can't be read. */
export type ReadFile = (path: string) => string | null;

export interface Cpus {
  /** The whole number of CPUs to plan with, 1 or more: a quota of 1.5 counts as 2. */
  readonly count: number;
  /** CPUs that the scheduler lets this process run on. */
  readonly available: number;
  /** CPUs' worth of time that the control groups allow, as a fraction, or null for no limit. */
  readonly quota: number | null;
  /** The file that sets `quota`, or null. */
  readonly quotaFile: string | null;
}

/** Counts the CPUs that this process may use now. */
export function readCpus(): Cpus {
  return countCpus({ availableParallelism: availableParallelism(), readFile: readTextFile });
}

function readTextFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not Linux, another version of cgroups, or a group that is not shown to us: no limit can be read there.
    return null;
  }
}

/** The same, as a calculation. `availableParallelism` is what os.availableParallelism() says. */
export function countCpus(sources: { availableParallelism: number; readFile: ReadFile }): Cpus {
  const { readFile } = sources;
  const available = allowedCpus(readFile) ?? Math.max(1, sources.availableParallelism);
  const limit = cgroupLimit(readFile);
  const count = limit === null ? available : Math.max(1, Math.min(available, Math.ceil(limit.cpus)));
  return { count, available, quota: limit?.cpus ?? null, quotaFile: limit?.file ?? null };
}

/**
 * CPUs in this process's affinity mask. libuv's own count has the cgroup's quota in it, rounded down, which would turn a
 * quota of 1.5 into one worker; the mask alone is in /proc.
 */
function allowedCpus(readFile: ReadFile): number | null {
  const list = /^Cpus_allowed_list:\s*([\d,-]+)/m.exec(readFile("/proc/self/status") ?? "")?.[1];
  if (list === undefined) return null;
  let count = 0;
  for (const range of list.split(",")) {
    const [first, last] = range.split("-").map(Number);
    if (first === undefined || Number.isNaN(first)) return null;
    count += (last ?? first) - first + 1;
  }
  return count > 0 ? count : null;
}

interface Limit {
  readonly cpus: number;
  readonly file: string;
}

function cgroupLimit(readFile: ReadFile): Limit | null {
  const limits: Limit[] = [];
  for (const line of (readFile("/proc/self/cgroup") ?? "").split("\n")) {
    // "0::/path" is the v2 hierarchy; "4:cpu,cpuacct:/path" is a v1 one with the controllers it has.
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    if (controllers === "") {
      // With v1 controllers beside it, the v2 hierarchy is mounted one folder further down.
      for (const mount of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"])
        limits.push(...limitsAbove(mount, path, readV2));
    } else if (controllers.split(",").includes("cpu")) {
      for (const mount of ["cpu", controllers]) limits.push(...limitsAbove(`/sys/fs/cgroup/${mount}`, path, readV1));
    }
  }
  return limits.reduce<Limit | null>(
    (least, limit) => (least === null || limit.cpus < least.cpus ? limit : least),
    null,
  );

  /** The limits of a group and of every group above it, up to the mount's root, which is all that a container may see. */
  function limitsAbove(mount: string, path: string, read: (folder: string) => Limit | null): Limit[] {
    // In a namespace of its own a process may see "/../other": what is above the root can't be read, so drop it.
    const names = path.split("/").filter((name) => name !== "" && name !== "..");
    return Array.from({ length: names.length + 1 }, (_, depth) =>
      [mount, ...names.slice(0, names.length - depth)].join("/"),
    )
      .map(read)
      .filter((limit) => limit !== null);
  }

  function readV2(folder: string): Limit | null {
    const file = `${folder}/cpu.max`;
    const [quota, period] = (readFile(file) ?? "").trim().split(" ");
    return limitOf(file, Number(quota), Number(period));
  }

  function readV1(folder: string): Limit | null {
    const file = `${folder}/cpu.cfs_quota_us`;
    return limitOf(file, Number(readFile(file) ?? "-1"), Number(readFile(`${folder}/cpu.cfs_period_us`) ?? "NaN"));
  }
}

/** "max" in v2 and -1 in v1 mean no limit; both end here as something that is not a positive number. */
function limitOf(file: string, quotaUs: number, periodUs: number): Limit | null {
  return quotaUs > 0 && periodUs > 0 ? { cpus: quotaUs / periodUs, file } : null;
}
