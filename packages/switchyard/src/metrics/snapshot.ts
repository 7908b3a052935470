// What one moment looks like: plain data that workers report and the status page shows.

import type { LaneLatency, LaneTraffic } from "./traffic.ts";

/** Requests of one worker since it started, and now. Each request that began is in exactly one of the next four. */
export interface RequestCounts {
  /** Requests that reached the application. */
  readonly begun: number;
  /** Given to the application and not yet answered. */
  readonly inFlight: number;
  /** Answered in full with a status below 500. */
  readonly answered: number;
  /** Answered in full with a status of 500 or more. */
  readonly failed: number;
  /** Left before the answer was complete: by the client, or by the loop worker that had its connection and died. */
  readonly aborted: number;
  /** Answered with a 4xx or 5xx by Switchyard itself, before they reached the application. Not part of `begun`. */
  readonly refused: number;
}

/** The event loop of a worker since its report before. */
export interface LoopFigures {
  /** How late the loop came round, in milliseconds: 99 times in 100 no later than this. */
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
  /** The share of time in which the loop was busy, 0 to 1. */
  readonly utilization: number;
}

/** What a worker tells of itself; a worker that is stuck tells nothing new. */
export interface Vitals {
  readonly loop: LoopFigures;
  /** CPU time since its start, in milliseconds: of its process, or of its thread. */
  readonly cpuMs: number;
  readonly heapUsedBytes: number;
  /** What the heap may grow to before V8 ends the worker. */
  readonly heapLimitBytes: number;
  /** Turns of its event loop since its start: each time that it has gone round its timers and sockets. */
  readonly loopTurns: number;
  /** Times that its thread has entered a greenlet's stack; 0 where none has been started. */
  readonly greenletSwitches: number;
  /** When it was ready, in milliseconds since 1970. */
  readonly startedAtMs: number;
  /** When these were read, in milliseconds since 1970. */
  readonly readAtMs: number;
}

/** A request in a few words. */
export interface RequestBrief {
  readonly method: string;
  /** Without its query, which may hold secrets. */
  readonly path: string;
  /** Time since a worker got it, in milliseconds. */
  readonly ageMs: number;
}

/**
 * Why a worker ended: the program's own exit; an error that nobody caught; a signal from outside; a crash in native code;
 * a heap that was full; the memory limit of its cgroup; a kill of Switchyard's own.
 */
export const deathKinds = ["exit", "error", "signal", "crash", "heap_memory", "cgroup_memory", "switchyard"] as const;
export type DeathKind = (typeof deathKinds)[number];

/** A worker that ended without being told to, or was killed, and what was last known of it. */
export interface DeathReport {
  /** In milliseconds since 1970. */
  readonly atMs: number;
  /** "worker 3", "process 1", "balancer 1". */
  readonly what: string;
  readonly pid: number;
  readonly kind: DeathKind;
  /** One phrase: "killed by SIGKILL", "exit code 1", "out of heap memory". */
  readonly cause: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The numbers of the workers that ended with it. */
  readonly workers: readonly number[];
  /** What it ran when it died, as far as it is known; otherwise what it had when it told last. */
  readonly requests: readonly RequestBrief[];
  /** The next five are as it told last; null when it never told. */
  readonly rssBytes: number | null;
  readonly heapUsedBytes: number | null;
  readonly heapLimitBytes: number | null;
  readonly loopDelayMaxMs: number | null;
  /** How long before its death it told last, in milliseconds. */
  readonly toldMsBefore: number | null;
}

/** A loop that was held for longer than it may be, and what held it. */
export interface BlockedReport {
  /** When it was found held, in milliseconds since 1970. */
  readonly atMs: number;
  readonly worker: number;
  readonly pid: number;
  /** How long it had been held when this was told, in milliseconds. */
  readonly heldMs: number;
  /** The request whose code holds it; null when that is none's, or not known. */
  readonly method: string | null;
  /** Without its query. */
  readonly path: string | null;
  /** How long a worker had had that request, in milliseconds. */
  readonly ageMs: number | null;
  /** The request's X-Request-Id, when it has one. */
  readonly id: string | null;
  /** "render (/srv/app.ts:12:5)", the innermost first. Empty while native code runs, which can't be asked. */
  readonly stack: readonly string[];
  /** Native code held it. With a stack, that is what it returned to: its caller, or that one's. */
  readonly isNative: boolean;
  /** It was held while the application was loaded. */
  readonly isLoading: boolean;
}

export interface WorkerSnapshot {
  readonly worker: number;
  readonly pid: number;
  readonly isolation: "process" | "thread";
  readonly model: "sync" | "async" | "greenlet";
  /** The lane that it is a worker of; null for a loop worker, which runs every lane without workers of its own. */
  readonly lane: string | null;
  readonly state: "starting" | "ready" | "draining" | "stopped";
  readonly requests: RequestCounts;
  /** Resident memory of the worker's process, in bytes; threads of one process show the same figure. */
  readonly rssBytes: number;
  /** Null until the worker has told it for the first time. */
  readonly vitals: Vitals | null;
  /** Of a loop worker the oldest requests in flight, of a sync worker the one that it was given last; three at most. */
  readonly latest: readonly RequestBrief[];
}

/** The queue of a lane. */
export interface QueueSnapshot {
  readonly length: number;
  readonly limit: number;
  /** How long the oldest request in it has waited, in milliseconds. */
  readonly oldestMs: number;
  /** Requests answered 503 because the queue was full. */
  readonly refused: number;
  /** Requests answered 503 because they had waited for longer than queueTimeoutMs. */
  readonly timedOut: number;
  /** Requests whose client left while they were queued. */
  readonly abandoned: number;
}

/** "leaving": it still serves, and tells its readiness as false, so that nobody sends it anything new. */
export type Phase = "starting" | "serving" | "leaving" | "draining";

/** What the process of a lane's workers knows of it. */
export interface LaneWorkersSnapshot {
  readonly name: string;
  readonly workers: LaneWorkerCounts;
  readonly queue: QueueSnapshot;
}

export interface LaneWorkerCounts {
  /** Workers that take requests, or finish their last. */
  readonly live: number;
  readonly starting: number;
  readonly min: number;
  readonly max: number;
}

/** One lane of the server: the requests that match, and how they are run. */
export interface LaneSnapshot {
  readonly name: string;
  readonly match: readonly string[];
  /** Null: every method. */
  readonly methods: readonly string[] | null;
  readonly model: "sync" | "async" | "greenlet";
  readonly origin: "default" | "config" | "auto";
  /** Its own workers; null when its requests run in the loop workers. */
  readonly workers: LaneWorkerCounts | null;
  readonly queue: QueueSnapshot | null;
  readonly requests: RequestCounts;
}

/** The server as it is at this moment. */
/** A route that model auto runs in sync workers because it held the event loops. */
export interface MoveSnapshot {
  readonly method: string;
  readonly route: string;
  /** Requests of the route in the seconds in which it was decided, and how many of them held a loop for long. */
  readonly requests: number;
  readonly holds: number;
  /** How long these held a loop without a break. */
  readonly meanMs: number;
  readonly longestMs: number;
  /** When it was moved, in milliseconds since 1970. */
  readonly atMs: number;
  /** What happened and why, in a sentence. */
  readonly text: string;
  /** The line of a config file that makes it permanent. */
  readonly config: string;
}

export interface ServerStatus {
  readonly phase: Phase;
  /** What is being changed now: "reload", "scale", "restart"; or null. */
  readonly change: string | null;
  /** Reloads that have succeeded. */
  readonly reloads: number;
  /** Processes that were replaced and still finish what they have. */
  readonly retiring: number;
  /** This moment, in milliseconds since 1970. */
  readonly atMs: number;
  readonly application: { readonly file: string; readonly description: string | null };
  readonly model: string;
  readonly workersWanted: number;
  /** Why there are so many workers. */
  readonly why: string;
  readonly url: string;
  /** The supervisor's process. */
  readonly pid: number;
  /** Workers replaced so far. */
  readonly restarts: number;
  /** Requests of the whole server since its start, those of workers that have ended included. */
  readonly totals: RequestCounts;
  readonly workers: readonly WorkerSnapshot[];
  /** The queues of all lanes together, or null when no lane has one. */
  readonly queue: QueueSnapshot | null;
  /** When the supervisor started, in milliseconds since 1970. */
  readonly startedAtMs: number;
  /** By lane, since the start of the server, what has passed through workers that have ended included. */
  readonly traffic: readonly LaneTraffic[];
  /** By lane, over the last ten seconds. */
  readonly latency: readonly LaneLatency[];
  /** The last fifty workers that died, the latest last. */
  readonly deaths: readonly DeathReport[];
  /** All that died since the start of the server, by why. */
  readonly deathCounts: Readonly<Record<DeathKind, number>>;
  /** The last twenty loops that were held for too long, the latest last. */
  readonly blocked: readonly BlockedReport[];
  /** All of them since the start of the server, each time that one was told of. */
  readonly blockedCount: number;
  /** Since the start of the server, what processes that have ended had dropped included. */
  readonly dropped: Dropped;
  /** CPU time by worker number since the start of the server, in milliseconds, that of workers that have ended included. */
  readonly cpuMs: Readonly<Record<number, number>>;
  /** Every lane, the one of all other requests last. */
  readonly lanes: readonly LaneSnapshot[];
  /** Under model auto: the routes that run in sync workers for now. */
  readonly moves: readonly MoveSnapshot[];
}

/** What was to be written or sent, and was not, because whoever was to take it was too slow or refused it. */
export interface Dropped {
  /** Lines of the access log. */
  readonly accessLines: number;
  /** Spans of requests. */
  readonly spans: number;
}

export const noneDropped: Dropped = { accessLines: 0, spans: 0 };

export function sumOfDropped(counts: Iterable<Dropped>): Dropped {
  const sum = { ...noneDropped };
  for (const { accessLines, spans } of counts) {
    sum.accessLines += accessLines;
    sum.spans += spans;
  }
  return sum;
}

export const noRequests: RequestCounts = { begun: 0, inFlight: 0, answered: 0, failed: 0, aborted: 0, refused: 0 };

export function sumOf(counts: Iterable<RequestCounts>): RequestCounts {
  const sum = { ...noRequests };
  for (const each of counts) {
    sum.begun += each.begun;
    sum.inFlight += each.inFlight;
    sum.answered += each.answered;
    sum.failed += each.failed;
    sum.aborted += each.aborted;
    sum.refused += each.refused;
  }
  return sum;
}

/** The counts of a worker that has ended: what was in flight in it has lost its connection. */
export function afterDeath(counts: RequestCounts): RequestCounts {
  return { ...counts, inFlight: 0, aborted: counts.aborted + counts.inFlight };
}

/** A request's path without its query. */
export function pathOf(url: string): string {
  const query = url.indexOf("?");
  return query === -1 ? url : url.slice(0, query);
}
