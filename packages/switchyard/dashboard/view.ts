// What the page draws, calculated from what the server says. Nothing here touches the page.

import type { SeenLane, SeenLatency, SeenQueue, SeenStatus, SeenWorker } from "server/control/dashboard/seen.ts";
import { duration } from "./format.ts";

/** A place for a worker: with a worker in it, or waiting for one. */
export interface Slot {
  readonly number: number;
  readonly state: SeenWorker["state"] | "missing";
  readonly worker: SeenWorker | null;
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
  readonly queue: SeenQueue | null;
  readonly slots: readonly Slot[];
  readonly wanted: number;
  readonly latency: SeenLatency | null;
}

/** The lane of every request that no other takes; its workers run what other lanes have no workers for. */
export const defaultLane = "default";

export function lanesOf(status: SeenStatus): Lane[] {
  const { lanes = [], latency = [] } = status;
  if (lanes.length === 0) return [onlyLane(status)];
  const shared = status.workers.filter(({ lane }) => (lane ?? null) === null);
  return lanes.map((lane) => {
    const isDefault = lane.origin === "default";
    const own = status.workers.filter((worker) => worker.lane === lane.name);
    const wanted = lane.workers?.max ?? (isDefault ? status.workersWanted : 0);
    return {
      name: lane.name,
      serves: isDefault ? "every other request" : servedBy(lane),
      model: lane.model,
      origin: lane.origin,
      queue: lane.queue,
      slots: slotsOf(
        isDefault ? [...shared, ...own] : own,
        isDefault ? numbersUpTo(shared.length > 0 ? wanted : 0) : [],
      ),
      wanted: lane.workers === null ? wanted : Math.max(lane.workers.live, own.length),
      latency: latency.find((each) => each.lane === lane.name) ?? null,
    };
  });
}

function onlyLane(status: SeenStatus): Lane {
  return {
    name: defaultLane,
    serves: "every request",
    model: status.model,
    origin: "default",
    queue: status.queue ?? null,
    slots: slotsOf(status.workers, numbersUpTo(status.workersWanted)),
    wanted: status.workersWanted,
    latency: status.latency?.[0] ?? null,
  };
}

function servedBy({ match, methods }: SeenLane): string {
  const paths = match.join(", ");
  return methods === null ? paths : `${methods.join(", ")} ${paths}`;
}

/** Requests that wait, in every queue, and what they may be at most; null where nothing queues. */
export function queueOf(status: SeenStatus): SeenQueue | null {
  const queues = lanesOf(status).flatMap(({ queue }) => (queue === null ? [] : [queue]));
  if (queues.length === 0) return null;
  const sum = (figure: (queue: SeenQueue) => number) => queues.reduce((all, queue) => all + figure(queue), 0);
  return {
    length: sum(({ length }) => length),
    limit: sum(({ limit }) => limit),
    refused: sum(({ refused }) => refused),
  };
}

/** Every place that there should be, in order, and every worker that there is besides. */
function slotsOf(workers: readonly SeenWorker[], wanted: readonly number[]): Slot[] {
  const slots = workers.map(slotOf);
  const present = new Set(workers.map(({ worker }) => worker));
  for (const number of wanted) {
    if (!present.has(number)) slots.push({ number, state: "missing", worker: null, inFlight: 0, isSingle: false });
  }
  return slots.sort((one, other) => one.number - other.number);
}

function slotOf(worker: SeenWorker): Slot {
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

/** Workers of every lane that take requests, and how many there should be. */
export function readiness(status: SeenStatus): { readonly ready: number; readonly wanted: number } {
  const ready = status.workers.filter(({ state }) => state === "ready").length;
  return { ready, wanted: lanesOf(status).reduce((sum, { wanted }) => sum + wanted, 0) };
}

/** How long a loop's work was late; a sync worker's stands still while it runs its one request, which delays nobody. */
export function loopDelayOf({ model, vitals }: SeenWorker): number | null {
  return model === "sync" ? null : (vitals?.loop.delayP99Ms ?? null);
}

/** Requests that workers have; the totals count what waits for one too. */
export function inFlight(status: SeenStatus): number {
  return status.workers.reduce((sum, { requests }) => sum + requests.inFlight, 0);
}

/** Memory of all processes that run the application; threads of one process show the same figure. */
export function residentBytes({ workers }: SeenStatus): number {
  let sum = 0;
  for (const bytes of new Map(workers.map(({ pid, rssBytes }) => [pid, rssBytes])).values()) sum += bytes;
  return sum;
}

/** Of two with one number, the one that stays: its predecessor drains beside it. */
function byNumber({ workers }: SeenStatus): Map<number, SeenWorker> {
  const staying = [...workers].sort(
    (one, other) => Number(other.state === "draining") - Number(one.state === "draining"),
  );
  return new Map(staying.map((worker) => [worker.worker, worker]));
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
export function changesBetween(before: SeenStatus, now: SeenStatus, atMs: number): Happening[] {
  const happened: Happening[] = [];
  const was = byNumber(before);
  const is = byNumber(now);
  const say = (kind: Happening["kind"], worker: SeenWorker, text: string) =>
    happened.push({ key: `${worker.worker}-${worker.pid}-${kind}-${atMs}`, atMs, kind, text, detail: null });
  for (const [number, worker] of was) {
    const successor = is.get(number);
    // A server that tells of deaths tells their cause too.
    const isTold = now.deaths !== undefined && worker.state !== "draining";
    if (successor === undefined && !isTold)
      say(worker.state === "draining" ? "note" : "bad", worker, `Worker ${number} (process ${worker.pid}) has gone.`);
    else if (successor !== undefined && successor.pid !== worker.pid)
      say("note", successor, `Worker ${number} is now process ${successor.pid}; it was ${worker.pid}.`);
  }
  for (const [number, worker] of is) {
    if (!was.has(number)) say("good", worker, `Worker ${number} (process ${worker.pid}) is there.`);
  }
  return happened;
}

/** What the server itself tells of the past: deaths with their cause, loops that were held, lanes that moved. */
export function toldBy({ deaths = [], blocked = [], moves = [] }: SeenStatus): Happening[] {
  return [
    ...deaths.map(({ what, pid, cause, atMs }) =>
      happened(
        `death-${pid}-${atMs}`,
        atMs,
        "bad",
        `${what[0]?.toUpperCase()}${what.slice(1)} (process ${pid}) ended: ${cause}.`,
      ),
    ),
    ...blocked.map((block) => {
      const { worker, atMs, heldMs, method, path, stack } = block;
      const by = path === undefined || path === null ? "" : ` by ${method ?? ""} ${path}`;
      const long = heldMs === undefined ? "" : ` for ${duration(heldMs)}`;
      const detail =
        stack === undefined || stack === null ? null : typeof stack === "string" ? stack : stack.join("\n");
      return happened(`block-${worker}-${atMs}`, atMs, "bad", `Worker ${worker}'s loop was held${long}${by}.`, detail);
    }),
    ...moves.map(({ atMs, text }) => happened(`move-${atMs}-${text}`, atMs, "note", text)),
  ];
}

function happened(
  key: string,
  atMs: number,
  kind: Happening["kind"],
  text: string,
  detail: string | null = null,
): Happening {
  return { key, atMs, kind, text, detail };
}

/** All of it, the latest first. */
export function byTime(happenings: readonly Happening[], kept: number): Happening[] {
  return [...happenings].sort((one, other) => other.atMs - one.atMs).slice(0, kept);
}
