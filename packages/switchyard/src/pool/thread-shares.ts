// Where the connections pass that one of a process's loops has too many of, when its loops are threads: the desk of the
// supervisor (supervisor/connection-desk.ts), inside one process. Its loops share among themselves, and not with those of
// other processes.
//
// A connection travels as a socket in the list of what a message transfers, and is unread in all three threads.

import type { Socket } from "node:net";
import type { ConnectionCounts } from "../ipc/messages.ts";
import { ConnectionShares } from "./connection-shares.ts";
import type { ThreadHandle } from "./thread-handle.ts";

export class ThreadShares {
  readonly #threads = new Map<number, ThreadHandle>();
  readonly #shares = new ConnectionShares((worker, order) => this.#threads.get(worker)?.send(order));

  /** It takes connections from now on. */
  add(thread: ThreadHandle): void {
    this.#threads.set(thread.worker, thread);
    this.#shares.add(thread.worker);
  }

  /** It gets none any more. */
  remove(thread: ThreadHandle): void {
    this.#threads.delete(thread.worker);
    this.#shares.remove(thread.worker);
  }

  told(thread: ThreadHandle, counts: ConnectionCounts): void {
    this.#shares.told(thread.worker, counts);
  }

  /** @param connection undefined when its client has left. */
  handOver(from: ThreadHandle, to: number, connection: Socket | undefined): void {
    const receiver = this.#shares.handedOver(from.worker, to, connection !== undefined);
    if (connection === undefined) return;
    const thread = receiver === null ? undefined : this.#threads.get(receiver);
    // When all drain, the one that had it has waited for this and serves it.
    (thread ?? from).giveConnection(connection);
  }

  /** All that it has handed over has found its thread by now: words and connections come in order. */
  handedOverLast(thread: ThreadHandle): void {
    thread.send({ type: "noneOnTheWay" });
  }
}
