// Has a worker's loop watched: from beside it in a process, by its host when it is a thread.

import type { ServerResponse } from "node:http";
import type { Parent } from "../ipc/parent.ts";
import type { RequestBrief } from "../metrics/snapshot.ts";
import { newBeats } from "../watch/beats.ts";
import { lookEveryMs, type WatchLimits } from "../watch/threshold.ts";
import { startWatchdog } from "../watch/watchdog.ts";
import { beWatched, type Description, isDebugged, type WatchedLoop } from "../watch/watched-loop.ts";
import type { Faults } from "./faults.ts";

export interface LetWatchParts {
  readonly parent: Parent;
  readonly worker: number;
  readonly faults: Faults;
  readonly brief: (response: ServerResponse) => RequestBrief;
  /** Null: it is not watched. */
  readonly limits: WatchLimits | null;
}

/** Before the application is loaded, which may hold the loop too. @returns whom to tell when it is; null: nobody watches. */
export function letWatch({ parent, worker, faults, brief, limits }: LetWatchParts): WatchedLoop | null {
  const { thread, watchFd } = parent;
  if (limits === null || isDebugged() || (thread === null && watchFd === null)) return null;
  const current = (): Description["request"] => {
    const response = faults.current;
    if (response === undefined) return null;
    const id = response.req.headers["x-request-id"];
    return { ...brief(response), id: typeof id === "string" ? id : null };
  };
  const beats = thread?.beats ?? newBeats();
  const loop = beWatched({ beats, limits, current });
  if (watchFd !== null) startWatchdog({ worker, beats, everyMs: lookEveryMs(limits), fd: watchFd, loop });
  return loop;
}
