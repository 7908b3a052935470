// What the status says of each lane: its settings, what its workers report, and the requests that the loops have counted.
// A calculation.

import type { LaneSettings } from "../config/lanes.ts";
import {
  type LaneSnapshot,
  type LaneWorkerCounts,
  type LaneWorkersSnapshot,
  noRequests,
  type QueueSnapshot,
} from "../metrics/snapshot.ts";
import type { LaneTraffic } from "../metrics/traffic.ts";

export interface LaneSources {
  readonly lanes: readonly LaneSettings[];
  /** While a process of lanes' workers is replaced there are two of a lane. */
  readonly reports: readonly LaneWorkersSnapshot[];
  readonly traffic: readonly LaneTraffic[];
}

export function laneSnapshots({ lanes, reports, traffic }: LaneSources): LaneSnapshot[] {
  return lanes.map(({ name, match, methods, model, origin, workers }) => {
    const own = reports.filter((report) => report.name === name);
    return {
      name,
      match,
      methods,
      model,
      origin,
      workers: workers === null ? null : own.reduce(addWorkers, { live: 0, starting: 0, ...workers }),
      queue: queueOf(own),
      requests: traffic.find(({ lane }) => lane === name)?.requests ?? noRequests,
    };
  });
}

function addWorkers(sum: LaneWorkerCounts, { workers }: LaneWorkersSnapshot): LaneWorkerCounts {
  return { ...workers, live: sum.live + workers.live, starting: sum.starting + workers.starting };
}

/** All of the queues as one. */
function queueOf(lanes: readonly LaneWorkersSnapshot[]): QueueSnapshot | null {
  return lanes.map(({ queue }) => queue).reduce<QueueSnapshot | null>(addQueues, null);
}

/** The queues of all lanes as one, which has room for as much as they have; null when there is none. */
export function allQueues(reports: readonly LaneWorkersSnapshot[]): QueueSnapshot | null {
  const limits = reports.reduce((sum, { queue }) => sum + queue.limit, 0);
  const all = queueOf(reports);
  return all === null ? null : { ...all, limit: limits };
}

function addQueues(sum: QueueSnapshot | null, queue: QueueSnapshot): QueueSnapshot {
  if (sum === null) return queue;
  return {
    length: sum.length + queue.length,
    // Two of one lane while their process is replaced.
    limit: queue.limit,
    oldestMs: Math.max(sum.oldestMs, queue.oldestMs),
    refused: sum.refused + queue.refused,
    timedOut: sum.timedOut + queue.timedOut,
    abandoned: sum.abandoned + queue.abandoned,
  };
}
