// The server's status as the dashboard and `top` read it: what they show, and which parts a server may lack, since it has
// nothing to tell there or is of an earlier version. Types alone, so that the page can have them too.

import type { RequestCounts } from "../../metrics/snapshot.ts";

export interface SeenWorker {
  readonly worker: number;
  readonly pid: number;
  readonly isolation: "process" | "thread";
  readonly model: "sync" | "async" | "greenlet";
  readonly state: "starting" | "ready" | "draining" | "stopped";
  /** The lane whose worker it is; without one, it runs every lane that has no workers of its own. */
  readonly lane?: string | null;
  readonly requests: RequestCounts;
  readonly rssBytes: number;
  readonly vitals?: SeenVitals | null;
}

export interface SeenVitals {
  readonly loop: { readonly delayP99Ms: number; readonly delayMaxMs: number; readonly utilization: number };
  readonly heapUsedBytes: number;
  /** Since 1970, in milliseconds. */
  readonly startedAtMs: number;
}

export interface SeenQueue {
  readonly length: number;
  readonly limit: number;
  readonly refused: number;
}

export interface SeenLane {
  readonly name: string;
  readonly match: readonly string[];
  readonly methods: readonly string[] | null;
  readonly model: string;
  readonly origin: "default" | "config" | "auto";
  /** Null when its requests run in the loop workers. */
  readonly workers: {
    readonly live: number;
    readonly starting?: number;
    readonly min: number;
    readonly max: number;
  } | null;
  readonly queue: SeenQueue | null;
  readonly requests: RequestCounts;
}

/** How long a lane's requests took lately; null when there were none. */
export interface SeenLatency {
  readonly lane: string;
  readonly waitP99Ms: number | null;
  readonly runP50Ms: number | null;
  readonly runP99Ms: number | null;
}

/** A worker that ended without being told to. */
export interface SeenDeath {
  /** "worker 3", "process 1", "balancer 1". */
  readonly what: string;
  readonly pid: number;
  readonly cause: string;
  readonly atMs: number;
}

/** A loop that was held for long, and by what. */
export interface SeenBlock {
  readonly worker: number;
  readonly atMs: number;
  readonly heldMs?: number;
  readonly method?: string | null;
  readonly path?: string | null;
  readonly stack?: string | readonly string[] | null;
}

/** A route that was moved to sync workers, or back, without being asked to. */
export interface SeenMove {
  readonly atMs: number;
  readonly text: string;
}

export interface SeenStatus {
  readonly phase?: string;
  /** What is being changed now: "reload", "scale", "restart". */
  readonly change?: string | null;
  readonly application: { readonly file: string; readonly description: string | null };
  readonly model: string;
  readonly workersWanted: number;
  readonly why: string;
  readonly url: string;
  readonly pid: number;
  readonly restarts: number;
  readonly totals: RequestCounts;
  readonly workers: readonly SeenWorker[];
  readonly queue?: SeenQueue | null;
  readonly lanes?: readonly SeenLane[];
  readonly latency?: readonly SeenLatency[];
  readonly deaths?: readonly SeenDeath[];
  readonly blocked?: readonly SeenBlock[];
  readonly moves?: readonly SeenMove[];
}
