// What a server's processes use, as the kernel counts it (/proc, Linux): CPU time, memory, context switches. Elsewhere
// nothing is known, and null says so.

import { readdirSync, readFileSync } from "node:fs";

export interface Usage {
  /** The processes whose figures these are. */
  readonly pids: readonly number[];
  readonly cpuMs: number;
  /** Time for which threads were ready to run and had no CPU, in milliseconds; 0 where the scheduler does not count it. */
  readonly queuedMs: number;
  /** Context switches that a thread made because it waited for something, and those that the kernel made it make. */
  readonly voluntarySwitches: number;
  readonly involuntarySwitches: number;
}

export interface Memory {
  /** Memory of all processes, what they share counted once (PSS), in bytes. */
  readonly bytes: number;
  readonly processes: number;
}

/** What the process and all that it started have used since their start, or null where the kernel does not say. */
export function usageOf(pid: number): Usage | null {
  const pids = processesOf(pid);
  if (pids.length === 0) return null;
  let cpuMs = 0;
  let queuedMs = 0;
  let voluntarySwitches = 0;
  let involuntarySwitches = 0;
  for (const each of pids) {
    for (const task of tasksOf(each)) {
      const folder = `/proc/${each}/task/${task}`;
      const time = timeOf(folder);
      cpuMs += time.cpuMs;
      queuedMs += time.queuedMs;
      const status = readText(`${folder}/status`) ?? "";
      voluntarySwitches += numberAfter(status, "voluntary_ctxt_switches");
      involuntarySwitches += numberAfter(status, "nonvoluntary_ctxt_switches");
    }
  }
  return { pids, cpuMs, queuedMs, voluntarySwitches, involuntarySwitches };
}

/** What all CPUs of the machine have done since its start, in milliseconds of CPU time. */
export interface MachineTime {
  readonly busyMs: number;
  readonly idleMs: number;
}

/** Null where the kernel does not say. */
export function machineTime(): MachineTime | null {
  const [, ...fields] = (readText("/proc/stat") ?? "").split("\n", 1)[0]!.split(/\s+/);
  const ticks = fields.map(Number);
  if (ticks.length < 8) return null;
  const [user, nice, system, idle, waiting, irq, softIrq, stolen] = ticks as [
    ...[number, number, number, number, number, number, number, number],
  ];
  return { busyMs: (user + nice + system + irq + softIrq + stolen) * 10, idleMs: (idle + waiting) * 10 };
}

/** What else the machine did in a stretch of load, in CPUs; 0 while CPUs were idle, since then it was in nobody's way. */
export function othersIn(
  { before, after }: { before: MachineTime | null; after: MachineTime | null },
  { ownMs, lengthMs }: { ownMs: number; lengthMs: number },
): number | null {
  if (before === null || after === null || lengthMs <= 0) return null;
  const others = Math.max(0, after.busyMs - before.busyMs - ownMs) / lengthMs;
  return (after.idleMs - before.idleMs) / lengthMs > idleEnough ? 0 : others;
}

/** CPUs that are idle: with so much left nobody waits for one. */
const idleEnough = 0.7;

/** Memory now, or null. */
export function memoryOf(pid: number): Memory | null {
  const pids = processesOf(pid);
  if (pids.length === 0) return null;
  const bytes = pids.reduce(
    (sum, each) => sum + 1024 * numberAfter(readText(`/proc/${each}/smaps_rollup`) ?? "", "Pss"),
    0,
  );
  return bytes === 0 ? null : { bytes, processes: pids.length };
}

/** The process and all that it started, or nothing where that can't be known. */
export function processesOf(pid: number): number[] {
  const children = tasksOf(pid).flatMap((task) => (readText(`/proc/${pid}/task/${task}/children`) ?? "").split(" "));
  if (children.length === 0) return [];
  return [pid, ...children.filter((child) => child !== "").flatMap((child) => processesOf(Number(child)))];
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    // It has ended since, or there is no /proc here.
    return [];
  }
}

/** Nanoseconds from the scheduler where it counts them, else ticks of ten milliseconds. */
function timeOf(folder: string): { cpuMs: number; queuedMs: number } {
  const [ran, queued] = (readText(`${folder}/schedstat`) ?? "").split(" ").map(Number);
  if (ran !== undefined && queued !== undefined && ran > 0) return { cpuMs: ran / 1e6, queuedMs: queued / 1e6 };
  const fields = (readText(`${folder}/stat`) ?? "").split(") ")[1]?.split(" ") ?? [];
  return { cpuMs: (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10, queuedMs: 0 };
}

function numberAfter(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // As in tasksOf.
    return null;
  }
}
