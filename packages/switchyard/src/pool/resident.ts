// Memory of a process that can't be asked, because it is busy: read from the kernel.

import { readFileSync } from "node:fs";

/** The unit of /proc/<pid>/statm is the kernel's page; 4 KiB on all machines that Node's packages for Linux are built for. */
const pageBytes = 4096;

/** Resident memory of a process of this machine, in bytes; 0 where the kernel has no /proc, or the process has ended. */
export function residentBytes(pid: number): number {
  if (pid === process.pid) return process.memoryUsage.rss();
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * pageBytes;
  } catch {
    return 0;
  }
}
