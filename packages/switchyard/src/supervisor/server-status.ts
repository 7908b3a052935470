// The server's status at one moment, put together from those who know its parts.

import { wallMs } from "../clock.ts";
import { defaultSyncLane, type LaneSettings } from "../config/lanes.ts";
import type { Phase, ServerStatus } from "../metrics/snapshot.ts";
import type { Member, Pool } from "../pool/pool.ts";
import { urlOf } from "./announcement.ts";
import type { AutoLanes } from "./auto-lanes.ts";
import type { BlockedLoops } from "./blocked-loops.ts";
import type { Deaths } from "./deaths.ts";
import type { Figures } from "./figures.ts";
import type { LanePool } from "./lane-pool.ts";
import { allQueues, laneSnapshots } from "./lane-status.ts";
import type { ListeningSocket } from "./listening-socket.ts";
import type { Now, Steering } from "./steering.ts";

export interface StatusSources {
  readonly phase: Phase;
  readonly startedAtMs: number;
  /** What was found in the application's file; null before a worker is ready. */
  readonly application: string | null;
  readonly socket: ListeningSocket;
  readonly steering: Steering;
  readonly pool: Pool;
  readonly lanePool: LanePool;
  readonly figures: Figures<Member>;
  readonly autoLanes: AutoLanes | null;
  readonly deaths: Deaths;
  readonly blocked: BlockedLoops;
}

export function statusOf(sources: StatusSources): ServerStatus {
  const { phase, startedAtMs, application, socket, steering, pool, lanePool, figures, deaths, blocked } = sources;
  const { settings, plan, tls, lanes } = steering.now;
  return {
    atMs: wallMs(),
    phase,
    change: steering.change,
    reloads: steering.reloads,
    retiring: [...pool.members, ...lanePool.members].filter(({ state }) => state.is === "draining").length,
    application: { file: settings.app, description: application },
    model: settings.model,
    workersWanted: plan.total,
    why: plan.why,
    url: urlOf(socket, tls !== null),
    pid: process.pid,
    restarts: pool.restarts + lanePool.restarts + figures.restarts(),
    totals: figures.totals(),
    workers: figures.workers(),
    queue: allQueues(figures.lanes()),
    moves: sources.autoLanes?.snapshots() ?? [],
    lanes: laneSnapshots({
      lanes: [...lanes, defaultLane(steering.now)],
      reports: figures.lanes(),
      traffic: figures.traffic(),
    }),
    startedAtMs,
    traffic: figures.traffic(),
    latency: figures.latency(),
    dropped: figures.dropped(),
    cpuMs: figures.cpuMs(),
    deaths: deaths.recent,
    blocked: blocked.recent,
    blockedCount: blocked.count,
    deathCounts: deaths.counts,
  };
}

function defaultLane({ settings, plan }: Now): LaneSettings {
  const lane = defaultSyncLane(settings, plan.total);
  if (settings.model === "sync") return lane;
  return { ...lane, workers: null, model: settings.model === "greenlet" ? "greenlet" : "async" };
}
