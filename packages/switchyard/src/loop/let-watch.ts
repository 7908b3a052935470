// Has a worker's loop watched: by a thread beside it in a process, by its host when it is a thread.

import type { ServerResponse } from "node:http";
import type { Parent } from "../ipc/parent.ts";
import type { RequestBrief } from "../metrics/snapshot.ts";
import { beatEveryMs } from "../watch/hold-detector.ts";
import { startWatchdog } from "../watch/watchdog.ts";
import { beWatched, type Description } from "../watch/watched-loop.ts";
import type { Faults } from "./faults.ts";

export interface LetWatchParts {
  readonly parent: Parent;
  readonly worker: number;
  readonly faults: Faults;
  readonly brief: (response: ServerResponse) => RequestBrief;
  /** How long the loop may be held, in milliseconds; 0: it is not watched. */
  readonly thresholdMs: number;
}

/** Once the application is loaded, which may take as long as it likes. */
export function letWatch({ parent, worker, faults, brief, thresholdMs }: LetWatchParts): void {
  if (thresholdMs === 0) return;
  const current = (): Description["request"] => {
    const response = faults.current;
    if (response === undefined) return null;
    const id = response.req.headers["x-request-id"];
    return { ...brief(response), id: typeof id === "string" ? id : null };
  };
  const { thread, watchFd } = parent;
  if (thread !== null) beWatched({ beats: thread.beats, everyMs: beatEveryMs(thresholdMs), current });
  else if (watchFd !== null) startWatchdog({ worker, thresholdMs, fd: watchFd, current });
}
