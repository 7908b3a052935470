// The parent's view of one worker: a process or a thread. `process-handle.ts` and `thread-handle.ts` are the two kinds,
// and both pass test/pool/worker-handle.
//
// A handle starts nothing by itself after it was made, restarts nothing, and reports its end exactly once.

import type { Channel } from "../ipc/channel.ts";
import type { FromSyncWorker, FromWorker, ToSyncWorker, ToWorker } from "../ipc/messages.ts";
import type { Claims } from "./claims.ts";
import type { Exit } from "./death.ts";

export type RequestChannel = Channel<ToSyncWorker, FromSyncWorker>;

export interface WorkerHandle {
  readonly isolation: "process" | "thread";
  /** The process that the worker lives in. */
  readonly pid: number;
  /** Channels for requests: one for each sync worker that lives in it, none for loop workers. */
  readonly channels: readonly RequestChannel[];
  /** How its one sync worker claims requests that are sent ahead; absent or null where none may be. */
  readonly claims?: Claims | null;
  send(message: ToWorker): void;
  /** Ends it at once, whatever it is doing. */
  kill(): void;
  /** Set by the owner before the first turn of the loop ends. */
  onMessage: (message: FromWorker) => void;
  /** Called once. */
  onExit: (exit: Exit) => void;
}
