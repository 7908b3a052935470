// Why a worker ended: in words for a person who is woken at night, and as one of a few kinds, to be counted.

import { wallMs } from "../clock.ts";
import type { LastWords } from "../ipc/messages.ts";
import type { DeathKind, DeathReport, WorkerSnapshot } from "../metrics/snapshot.ts";

/** How the operating system or the thread reported the end of a worker. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The error that ended a thread, when it was one. */
  readonly error?: Error;
  /** Node said that the heap was full, with this much in use. */
  readonly fullHeapBytes?: number;
  /** The kernel has killed a process of this cgroup for want of memory since the death before. */
  readonly cgroupWasFull?: boolean;
}

export interface Death extends Exit {
  readonly kind: DeathKind;
  /** One phrase: "killed by SIGKILL", "exit code 1", "out of heap memory". */
  readonly cause: string;
}

/** @param killedFor why this server killed it, or null when it did not. */
export function deathOf(exit: Exit, killedFor: string | null): Death {
  return { ...exit, ...causeOf(exit, killedFor) };
}

type Cause = Pick<Death, "kind" | "cause">;

const bytesPerMib = 1024 * 1024;

function causeOf(exit: Exit, killedFor: string | null): Cause {
  if (killedFor !== null && !endedByItself(exit))
    return { kind: "switchyard", cause: `killed by Switchyard: ${killedFor}` };
  if (exit.error !== undefined) {
    const code = (exit.error as NodeJS.ErrnoException).code;
    if (code === "ERR_WORKER_OUT_OF_MEMORY") return { kind: "heap_memory", cause: "out of heap memory" };
    return { kind: "error", cause: `uncaught ${exit.error.name}: ${exit.error.message}` };
  }
  if (exit.fullHeapBytes !== undefined) {
    const mib = Math.round(exit.fullHeapBytes / bytesPerMib);
    return { kind: "heap_memory", cause: `out of heap memory, with ${mib} MiB in use` };
  }
  if (exit.signal === "SIGABRT" || exit.code === 134) {
    return {
      kind: "crash",
      cause: "aborted (SIGABRT): most often out of heap memory; Node's own report is above",
    };
  }
  if (exit.signal === "SIGKILL" && exit.cgroupWasFull === true) {
    return {
      kind: "cgroup_memory",
      cause: "killed by the kernel (SIGKILL): the memory limit of its cgroup was reached",
    };
  }
  if (exit.signal === "SIGKILL") {
    return { kind: "signal", cause: "killed by SIGKILL: by somebody, or by the kernel when memory ran out" };
  }
  if (exit.signal === "SIGSEGV") return { kind: "crash", cause: "crashed (SIGSEGV): a fault in native code" };
  if (exit.signal !== null) return { kind: "signal", cause: `killed by ${exit.signal}` };
  if (exit.code === 0) return { kind: "exit", cause: "exit code 0: the application ended its own process" };
  return { kind: "exit", cause: `exit code ${exit.code}` };
}

/** What we kill ends with SIGKILL, or as a thread with 1. What ends otherwise had begun to before it was killed. */
function endedByItself({ code, signal, error, fullHeapBytes }: Exit): boolean {
  if (error !== undefined || fullHeapBytes !== undefined) return true;
  return signal === null && code !== null && code > 1;
}

export interface Remains {
  /** "worker 3", "process 1", "balancer 1". */
  readonly what: string;
  readonly pid: number;
  readonly death: Death;
  /** What its workers had told last, or what is known of them. */
  readonly workers: readonly WorkerSnapshot[];
  readonly lastWords: LastWords | null;
}

/** All that is known of a death, from what the worker had told before. */
export function deathReport({ what, pid, death, workers, lastWords }: Remains): DeathReport {
  const atMs = wallMs();
  const vitals = workers.map((worker) => worker.vitals).filter((each) => each !== null);
  const latest = (read: (each: (typeof vitals)[number]) => number) =>
    vitals.length === 0 ? null : Math.max(...vitals.map(read));
  const toldAtMs = latest(({ readAtMs }) => readAtMs);
  const error = lastWords?.error ?? null;
  return {
    atMs,
    what,
    pid,
    kind: error !== null && death.kind === "exit" ? "error" : death.kind,
    cause: error === null ? death.cause : `${death.cause}: ${error}`,
    exitCode: death.code,
    signal: death.signal,
    workers: workers.map(({ worker }) => worker).sort((a, b) => a - b),
    requests: lastWords?.request != null ? [lastWords.request] : workers.flatMap(({ latest }) => latest),
    rssBytes: workers.length === 0 ? null : Math.max(...workers.map(({ rssBytes }) => rssBytes)),
    heapUsedBytes: death.fullHeapBytes ?? latest(({ heapUsedBytes }) => heapUsedBytes),
    heapLimitBytes: latest(({ heapLimitBytes }) => heapLimitBytes),
    loopDelayMaxMs: latest(({ loop }) => loop.delayMaxMs),
    toldMsBefore: toldAtMs === null ? null : Math.max(0, atMs - toldAtMs),
  };
}

/** A death as a process told it of one of its threads, with what its parent knows of the worker in it. */
export function completed(death: DeathReport, workers: readonly WorkerSnapshot[]): DeathReport {
  const { what, pid, exitCode, kind, cause } = death;
  const known = deathReport({
    what,
    pid,
    death: { code: exitCode, signal: null, kind, cause },
    workers,
    lastWords: null,
  });
  return { ...known, requests: death.requests.length > 0 ? death.requests : known.requests };
}

/** "GET /reports for 812 ms; heap 40 of 48 MiB; resident 120 MiB; loop delay 3 ms; told 120 ms before". */
export function lastSeen(report: DeathReport): string {
  const mib = (bytes: number | null) => (bytes === null ? "?" : String(Math.round(bytes / bytesPerMib)));
  const requests = report.requests.map(({ method, path, ageMs }) => `${method} ${path} for ${Math.round(ageMs)} ms`);
  const parts = [requests.length === 0 ? "no request" : requests.join(", ")];
  if (report.heapUsedBytes !== null)
    parts.push(`heap ${mib(report.heapUsedBytes)} of ${mib(report.heapLimitBytes)} MiB`);
  if (report.rssBytes !== null) parts.push(`resident ${mib(report.rssBytes)} MiB`);
  if (report.loopDelayMaxMs !== null) parts.push(`loop delay ${Math.round(report.loopDelayMaxMs)} ms`);
  if (report.toldMsBefore !== null) parts.push(`as told ${Math.round(report.toldMsBefore)} ms before`);
  return parts.join("; ");
}
