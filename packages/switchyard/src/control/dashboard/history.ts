// The last minutes of the server, a sample for each second, so that a dashboard that is opened now shows what was before.
//
// Plain calculation: whoever holds it says when a second has passed and how the server is then.

import type { SeenStatus, SeenWorker } from "./seen.ts";

/** How the server was in about one second. */
export interface Sample {
  /** On the supervisor's own clock, in milliseconds: only differences mean something. */
  readonly atMs: number;
  /** Answered with a status below 500, in a second. */
  readonly answeredPerS: number;
  /** Answered with 500 or more by the application or for it, in a second. */
  readonly failedPerS: number;
  /** Refused by Switchyard or given up by the client, in a second. */
  readonly lostPerS: number;
  readonly inFlight: number;
  /** Requests that waited for a worker at the end of that second. */
  readonly queued: number;
  /** Of the slowest lane, in the last seconds and where it is known, in milliseconds: in a worker. */
  readonly p50Ms: number | null;
  /** The same, of waiting and running together. */
  readonly p99Ms: number | null;
  /** The worst loop delay (p99) of any worker that serves many requests at once, in milliseconds, where it is known. */
  readonly loopDelayMs: number | null;
  /** Memory of all processes that run the application, in bytes. */
  readonly rssBytes: number;
}

/** How many seconds are kept. */
const keptSeconds = 300;

interface Counted {
  readonly atMs: number;
  readonly answered: number;
  readonly failed: number;
  readonly lost: number;
}

export class History {
  readonly #samples: Sample[] = [];
  #last: Counted | null = null;

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** Adds what came since the last call; the first call only begins. */
  add(status: SeenStatus, atMs: number): Sample | null {
    const { totals } = status;
    const counted: Counted = {
      atMs,
      answered: totals.answered,
      failed: totals.failed,
      lost: totals.refused + totals.aborted,
    };
    const before = this.#last;
    this.#last = counted;
    if (before === null || atMs <= before.atMs) return null;
    const seconds = (atMs - before.atMs) / 1000;
    const sample: Sample = {
      atMs: Math.round(atMs),
      answeredPerS: rate(counted.answered - before.answered, seconds),
      failedPerS: rate(counted.failed - before.failed, seconds),
      lostPerS: rate(counted.lost - before.lost, seconds),
      ...stateOf(status),
    };
    this.#samples.push(sample);
    if (this.#samples.length > keptSeconds) this.#samples.shift();
    return sample;
  }
}

function stateOf(status: SeenStatus) {
  const { latency = [], workers } = status;
  return {
    inFlight: inFlightOf(status),
    queued: queuedOf(status),
    p50Ms: highest(latency.map(({ runP50Ms }) => runP50Ms)),
    p99Ms: highest(latency.map(({ waitP99Ms, runP99Ms }) => (runP99Ms === null ? null : runP99Ms + (waitP99Ms ?? 0)))),
    loopDelayMs: highest(workers.map(loopDelayOf)),
    rssBytes: residentOf(status),
  };
}

/** A sync worker's loop stands still while it runs its one request, which delays nobody: that is no loop delay. */
export function loopDelayOf({ model, vitals }: SeenWorker): number | null {
  return model === "sync" ? null : (vitals?.loop.delayP99Ms ?? null);
}

/** The worst of what is known, or null. */
function highest(figures: readonly (number | null)[]): number | null {
  const known = figures.filter((figure) => figure !== null);
  return known.length === 0 ? null : Math.max(...known);
}

/** Requests that wait for a worker, in every queue. */
function queuedOf({ queue, lanes = [] }: SeenStatus): number {
  const own = lanes.reduce((sum, lane) => sum + (lane.queue?.length ?? 0), 0);
  return lanes.length > 0 ? own : (queue?.length ?? 0);
}

/** What workers have; the totals count what waits for one too. */
function inFlightOf({ workers }: SeenStatus): number {
  return workers.reduce((sum, { requests }) => sum + requests.inFlight, 0);
}

/** Threads of one process show the same figure, so each process counts once. */
function residentOf({ workers }: SeenStatus): number {
  const byPid = new Map(workers.map(({ pid, rssBytes }) => [pid, rssBytes]));
  let sum = 0;
  for (const bytes of byPid.values()) sum += bytes;
  return sum;
}

/** A worker's death can take back what it had not yet reported, so a rate may come out below zero. */
function rate(count: number, seconds: number): number {
  return Math.max(0, Math.round((count / seconds) * 10) / 10);
}
