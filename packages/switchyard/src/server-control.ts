// What can be done to a running server from outside: the supervisor implements it, and the signals, the control socket and
// the dashboard call it. All of them mean the same by the same word.

import type { ServerStatus } from "./metrics/snapshot.ts";

export interface ServerControl {
  status(): ServerStatus;
  /**
   * Reads config and TLS files again and replaces every worker without losing a request. Resolves when the new workers
   * have taken over; the old may finish after that. One that is asked for while another runs follows it, and all who ask
   * meanwhile get that same one.
   *
   * @throws {SwitchyardError} the application's own error when a new worker can't be ready, `SY_RELOAD_SETTING` when a
   * setting changed that can't change, `SY_STOPPING`. The old workers go on.
   */
  reload(): Promise<void>;
  /**
   * Keeps another number of workers in a lane. A server without lanes has one, "default".
   *
   * @throws {SwitchyardError} `SY_NO_LANE`, `SY_SCALE`, `SY_STOPPING`, or the application's own error.
   */
  scale(lane: string, workers: number): Promise<void>;
  /**
   * Replaces one worker by another, without losing a request. Workers that are threads of one process go together.
   *
   * @throws {SwitchyardError} `SY_NO_WORKER`, `SY_STOPPING`, or the application's own error.
   */
  restart(worker: number): Promise<void>;
  /** "graceful" finishes what is in flight, for at most drainTimeoutMs; "quick" gives it a second. */
  stop(how: "graceful" | "quick"): void;
  /**
   * Opens the log files again, in every process.
   *
   * @throws {SwitchyardError} `SY_LOG_FILE` for one that can't be opened; its old file is written on.
   */
  reopenLogs(): void;
}
