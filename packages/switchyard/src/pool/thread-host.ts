// A process whose workers are threads: starts them, passes word between them and the parent, and ends when they have.
//
// It runs no application itself. It is ready when all of its threads are. When a thread dies later, its descriptor dies
// with it, so the process reports that it is impaired; the parent starts another and then stops this one, whose other
// threads serve until then.

import { reportOf, SwitchyardError } from "../errors.ts";
import type { FromWorker, StartOrder } from "../ipc/messages.ts";
import type { Parent } from "../ipc/parent.ts";
import { deathOf } from "./death.ts";
import { firstExtraFd } from "./process-handle.ts";
import { ThreadHandle } from "./thread-handle.ts";

/** Runs `entry` in a thread for each worker of the order, with one inherited descriptor each. */
export function hostThreads(parent: Parent, entry: URL): void {
  const { order } = parent;
  const threads = new Set<ThreadHandle>();
  let waiting = order.workers.length;
  let isStopping = false;

  parent.onStop = (withinMs) => {
    isStopping = true;
    for (const thread of threads) thread.send({ type: "stop", withinMs });
    if (threads.size === 0) process.exit(0);
  };

  parent.onEndThread = (worker) => {
    for (const thread of threads) if (thread.worker === worker) thread.kill();
  };

  const onMessage = (message: FromWorker) => {
    if (message.type === "ready") {
      if (--waiting === 0) void parent.send(message);
      return;
    }
    void parent.send(message).then(() => {
      if (message.type === "failed") process.exit(exitCodeOf(message.error.code));
    });
  };

  order.workers.forEach((worker, index) => {
    const thread = new ThreadHandle({
      entry,
      order: orderOf(order, worker),
      withPort: false,
      fd: firstExtraFd + index,
    });
    threads.add(thread);
    thread.onMessage = onMessage;
    thread.onExit = (exit) => {
      threads.delete(thread);
      if (isStopping) {
        if (threads.size === 0) process.exit(0);
        return;
      }
      const { cause } = deathOf(exit, null);
      const message: FromWorker =
        waiting > 0
          ? { type: "failed", error: reportOf(endedEarly(cause)) }
          : { type: "impaired", cause: `The thread of worker ${worker} has ended (${cause})` };
      void parent.send(message).then(() => {
        if (message.type === "failed") process.exit(exitCodeOf(message.error.code));
        if (threads.size === 0) process.exit(1);
      });
    };
  });
}

function orderOf(order: StartOrder, worker: number): StartOrder {
  return { ...order, workers: [worker] };
}

function endedEarly(cause: string): SwitchyardError {
  return new SwitchyardError("SY_APP_EXITED", {
    saw: `The application ended its own thread while it was being loaded (${cause}).`,
    fix: "Remove the call of process.exit(), or look above for what the application or Node printed.",
  });
}

function exitCodeOf(code: SwitchyardError["code"]): number {
  return new SwitchyardError(code, { saw: "", fix: "" }).exitCode;
}
