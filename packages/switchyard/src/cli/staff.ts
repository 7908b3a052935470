// How many workers are ready, as a status says it: those that the server was asked for, and those of lanes beside them.

import type { LaneSnapshot, WorkerSnapshot } from "../metrics/snapshot.ts";

/** What of a status says who is there; a server of an earlier version says nothing of lanes. */
export interface Staff {
  readonly workers: readonly (Pick<WorkerSnapshot, "state"> & { readonly lane?: string | null })[];
  readonly lanes?: readonly Pick<LaneSnapshot, "name" | "origin">[];
}

/** `ready` is to be held against `workersWanted`, which counts workers of the default lane. */
export function readyWorkers({ workers, lanes = [] }: Staff): { readonly ready: number; readonly inLanes: number } {
  const ownName = lanes.find(({ origin }) => origin === "default")?.name;
  const shared = workers.filter(({ lane = null }) => lane === null || lane === ownName);
  const readyOf = (those: Staff["workers"]) => those.filter(({ state }) => state === "ready").length;
  // Where it has none, what is there are the lanes' own.
  const ready = readyOf(shared.length > 0 ? shared : workers);
  return { ready, inLanes: readyOf(workers) - ready };
}
