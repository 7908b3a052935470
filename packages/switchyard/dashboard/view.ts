// What the page draws, calculated from what the server says. Nothing here touches the page.

import type { ServerStatus, WorkerSnapshot } from "server/metrics/snapshot.ts";

/** A place for a worker: with a worker in it, or waiting for one. */
export interface Slot {
  readonly number: number;
  readonly state: WorkerSnapshot["state"] | "missing";
  readonly worker: WorkerSnapshot | null;
  readonly inFlight: number;
  /** One request at a time, or as many as come. */
  readonly isSingle: boolean;
}

export interface Lane {
  readonly name: string;
  /** What it serves, in words. */
  readonly serves: string;
  readonly model: string;
  readonly origin: "default" | "config" | "auto";
  readonly queue: { readonly length: number; readonly limit: number } | null;
  readonly slots: readonly Slot[];
  readonly wanted: number;
}

export function lanesOf(status: ServerStatus): Lane[] {
  return [
    {
      name: "default",
      serves: "every request",
      model: status.model,
      origin: "default",
      queue: status.queue,
      slots: slotsOf(status.workers, numbersUpTo(status.workersWanted)),
      wanted: status.workersWanted,
    },
  ];
}

/** Every place that there should be, in order, and every worker that there is besides. */
function slotsOf(workers: readonly WorkerSnapshot[], wanted: readonly number[]): Slot[] {
  const slots = workers.map(slotOf);
  const present = new Set(workers.map(({ worker }) => worker));
  for (const number of wanted) {
    if (!present.has(number)) slots.push({ number, state: "missing", worker: null, inFlight: 0, isSingle: false });
  }
  return slots.sort((one, other) => one.number - other.number);
}

function slotOf(worker: WorkerSnapshot): Slot {
  return {
    number: worker.worker,
    state: worker.state,
    worker,
    inFlight: worker.requests.inFlight,
    isSingle: worker.model === "sync",
  };
}

function numbersUpTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

export function readyCount(status: ServerStatus): number {
  return status.workers.filter(({ state }) => state === "ready").length;
}

/** Requests that workers have; the totals count what waits for one too. */
export function inFlight(status: ServerStatus): number {
  return status.workers.reduce((sum, { requests }) => sum + requests.inFlight, 0);
}

/** Memory of all processes that run the application; threads of one process show the same figure. */
export function residentBytes({ workers }: ServerStatus): number {
  let sum = 0;
  for (const bytes of new Map(workers.map(({ pid, rssBytes }) => [pid, rssBytes])).values()) sum += bytes;
  return sum;
}

/** Something that happened, as the page tells it. */
export interface Happening {
  readonly key: string;
  /** Since 1970, in milliseconds. */
  readonly atMs: number;
  readonly kind: "bad" | "good" | "note";
  readonly text: string;
  /** More of it, as preformatted text. */
  readonly detail: string | null;
}

/** What changed about the workers between two moments. */
export function changesBetween(before: ServerStatus, now: ServerStatus, atMs: number): Happening[] {
  const happened: Happening[] = [];
  const was = new Map(before.workers.map((worker) => [worker.worker, worker]));
  const is = new Map(now.workers.map((worker) => [worker.worker, worker]));
  const say = (kind: Happening["kind"], worker: WorkerSnapshot, text: string) =>
    happened.push({ key: `${worker.worker}-${worker.pid}-${kind}-${atMs}`, atMs, kind, text, detail: null });
  for (const [number, worker] of was) {
    const successor = is.get(number);
    if (successor === undefined)
      say(worker.state === "draining" ? "note" : "bad", worker, `Worker ${number} (process ${worker.pid}) has gone.`);
    else if (successor.pid !== worker.pid)
      say("note", successor, `Worker ${number} is now process ${successor.pid}; it was ${worker.pid}.`);
  }
  for (const [number, worker] of is) {
    if (!was.has(number)) say("good", worker, `Worker ${number} (process ${worker.pid}) is there.`);
  }
  return happened;
}
