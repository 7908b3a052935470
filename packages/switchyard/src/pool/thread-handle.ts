// A worker that lives in a thread of this process. Its death by an uncaught error, process.exit() or lack of heap ends the
// thread alone; a crash in native code ends the whole process.

import type { Socket } from "node:net";
import { MessageChannel, type Transferable, Worker } from "node:worker_threads";
import type { FromSyncWorker, FromWorker, StartOrder, ThreadData, ToSyncWorker, ToWorker } from "../ipc/messages.ts";
import { newRings, otherSideOf, RingChannel } from "../ipc/ring-channel.ts";
import { changeFolder, type FolderChange } from "../ipc/thread-folder.ts";
import type { BlockedReport } from "../metrics/snapshot.ts";
import { type Beats, newBeats } from "../watch/beats.ts";
import { watchThread } from "../watch/thread-watch.ts";
import type { WatchLimits } from "../watch/threshold.ts";
import { Claims } from "./claims.ts";
import type { Exit } from "./death.ts";
import type { RequestChannel, WorkerHandle } from "./worker-handle.ts";

/** How long a thread that was killed has to end before it is killed again, in milliseconds. */
const killAgainMs = 100;

export interface ThreadPlan {
  readonly entry: URL;
  readonly order: StartOrder;
  /** Give the thread a port for requests. */
  readonly withPort: boolean;
  readonly fd: number | null;
  /** How long its loop may be held; null: it is not watched. */
  readonly limits: WatchLimits | null;
}

export class ThreadHandle implements WorkerHandle {
  readonly isolation = "thread";
  readonly pid = process.pid;
  readonly channels: readonly RequestChannel[];
  readonly claims: Claims | null;
  /** The number of the worker that it runs. */
  readonly worker: number;
  onMessage: (message: FromWorker) => void = () => {};
  onExit: (exit: Exit) => void = () => {};
  readonly #worker: Worker;
  #killing: NodeJS.Timeout | null = null;
  #hasEnded = false;

  constructor(plan: ThreadPlan) {
    const line = plan.withPort ? { ports: new MessageChannel(), rings: newRings(), claims: Claims.newMemory() } : null;
    const beats = newBeats();
    this.claims = line === null ? null : new Claims(line.claims);
    const data: ThreadData = {
      order: plan.order,
      port: line?.ports.port2 ?? null,
      rings: line === null ? null : otherSideOf(line.rings),
      claims: line?.claims ?? null,
      fd: plan.fd,
      beats,
    };
    this.#worker = new Worker(plan.entry, {
      workerData: data,
      transferList: line === null ? [] : [line.ports.port2],
      name: `worker ${plan.order.workers.join(", ")}`,
    });
    // Each try to end it waits for its end.
    this.#worker.setMaxListeners(0);
    this.worker = plan.order.workers[0] ?? 0;
    const channel = line === null ? null : new RingChannel<ToSyncWorker, FromSyncWorker>(line.ports.port1, line.rings);
    this.channels = channel === null ? [] : [channel];
    const endWatch = this.#watch(beats, plan.limits);
    let error: Error | undefined;
    this.#worker.on("message", (message: FromWorker | FolderChange) => {
      if (message.type === "chdir") changeFolder(message);
      else this.onMessage(message);
    });
    this.#worker.on("error", (thrown) => {
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
    });
    this.#worker.once("exit", (code) => {
      endWatch();
      this.#hasEnded = true;
      if (this.#killing !== null) clearInterval(this.#killing);
      channel?.receiveRest();
      channel?.close();
      this.onExit({ code, signal: null, ...(error === undefined ? {} : { error }) });
    });
  }

  #watch(beats: Beats, limits: WatchLimits | null): () => void {
    if (limits === null) return () => {};
    const { threadId } = this.#worker;
    const tell = (report: BlockedReport) => this.onMessage({ type: "blocked", report });
    return watchThread({ worker: this.worker, threadId, beats, limits, tell });
  }

  send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** Hands a connection on, of which nothing was read. */
  giveConnection(connection: Socket): void {
    const message: ToWorker = { type: "takeConnection", connection };
    // The types lack sockets, which Node transfers all the same.
    this.#worker.postMessage(message, [connection as unknown as Transferable]);
  }

  /** Again and again until it has ended: what V8 is told while the inspector has the thread evaluate something is lost. */
  kill(): void {
    if (this.#killing !== null || this.#hasEnded) return;
    void this.#worker.terminate();
    this.#killing = setInterval(() => void this.#worker.terminate(), killAgainMs).unref();
  }
}
