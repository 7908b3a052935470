// How many processes and threads a server has, and why, as a sentence for the first lines that it prints.
//
// A calculation. An event loop uses one CPU at most, so loops are as many as CPUs. A sync worker waits for I/O with its
// CPU idle, so there are more of them: gunicorn's rule of thumb, twice the CPUs and one more ("How Many Workers?",
// docs.gunicorn.org/en/stable/design.html).

import type { Cpus } from "./cpus.ts";
import type { ServeSettings } from "./settings.ts";

export interface WorkerPlan {
  readonly processes: number;
  /** Threads that run the application in each process; 0 when the processes themselves do. */
  readonly threads: number;
  /** Workers in all: how many requests a sync server runs at once, how many event loops the others have. */
  readonly total: number;
  /** Where the number comes from, as a phrase: "twice the CPUs and one more; 2 CPUs". */
  readonly why: string;
}

export function workerPlan(settings: Pick<ServeSettings, "model" | "workers" | "threads">, cpus: Cpus): WorkerPlan {
  const { model, workers, threads } = settings;
  const automatic = workers === "auto";
  const processes = automatic ? automaticProcesses(model, cpus.count) : workers;
  const total = processes * Math.max(1, threads);
  const why = automatic ? `${automaticRule(model)}; ${describeCpus(cpus)}` : askedFor(processes, threads);
  return { processes, threads, total, why };
}

/** "2 CPUs", "2 CPUs, of which the cgroup's cpu.max allows 1.5". */
export function describeCpus(cpus: Cpus): string {
  const all = `${cpus.available} CPU${cpus.available === 1 ? "" : "s"}`;
  if (cpus.quota === null || cpus.quotaFile === null || cpus.quota >= cpus.available) return all;
  const file = cpus.quotaFile.slice(cpus.quotaFile.lastIndexOf("/") + 1);
  return `${all}, of which the cgroup's ${file} allows ${Number(cpus.quota.toFixed(2))}`;
}

function automaticProcesses(model: ServeSettings["model"], cpus: number): number {
  switch (model) {
    case "auto":
    case "hybrid":
    case "greenlet":
      return cpus;
    case "async":
      return 1;
    case "sync":
      return 2 * cpus + 1;
  }
}

function automaticRule(model: ServeSettings["model"]): string {
  switch (model) {
    case "auto":
    case "hybrid":
    case "greenlet":
      return "an event loop for each CPU";
    case "async":
      return "async is one event loop";
    case "sync":
      return "twice the CPUs and one more";
  }
}

function askedFor(processes: number, threads: number): string {
  if (threads === 0) return "as asked for";
  return processes === 1
    ? "threads of one process, as asked for"
    : `${threads} threads in each of ${processes} processes, as asked for`;
}
