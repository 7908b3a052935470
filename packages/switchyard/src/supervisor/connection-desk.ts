// Where the connections pass that one loop has too many of: asks the loops, and hands each connection on.
//
// The only connections that come through the supervisor, and only as descriptors: nothing is read of them here.

import type { ConnectionCounts } from "../ipc/messages.ts";
import type { Log } from "../log/log.ts";
import { ConnectionShares, type LoopId } from "../pool/connection-shares.ts";
import type { Member } from "../pool/pool.ts";
import type { Connection, ProcessHandle } from "../pool/process-handle.ts";

export class ConnectionDesk {
  readonly #shares = new ConnectionShares((id, order) => this.#handles.get(id)?.send(order));
  readonly #handles = new Map<LoopId, ProcessHandle>();
  readonly #ids = new Map<WorkerProcess, LoopId>();
  readonly #log: Log;
  #last = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** A loop worker is started. */
  know(handle: ProcessHandle): void {
    const id = ++this.#last;
    this.#ids.set(handle, id);
    this.#handles.set(id, handle);
    handle.onHandOver = (to, connection) => this.#handOver(id, to, connection);
    handle.onUndelivered = (connection) => {
      this.#shares.remove(id);
      this.#handles.delete(id);
      this.#handOver(id, id, connection);
    };
  }

  /** It takes connections from now on. */
  add({ handle }: Member): void {
    const id = this.#ids.get(handle);
    if (id !== undefined) this.#shares.add(id);
  }

  /** It drains: it gets none any more. */
  retire({ handle }: Member): void {
    const id = this.#ids.get(handle);
    if (id !== undefined) this.#shares.remove(id);
  }

  /** It has ended. */
  forget(member: Member): void {
    const id = this.#ids.get(member.handle);
    if (id === undefined) return;
    this.#shares.remove(id);
    this.#ids.delete(member.handle);
    this.#handles.delete(id);
  }

  told({ handle }: Member, counts: ConnectionCounts): void {
    const id = this.#ids.get(handle);
    if (id !== undefined) this.#shares.told(id, counts);
  }

  /** All that it has handed over is on the line of its new loop by now: words and connections come in order. */
  handedOverLast({ handle }: Member): void {
    handle.send({ type: "noneOnTheWay" });
  }

  close(): void {
    this.#shares.close();
  }

  #handOver(from: LoopId, to: LoopId, connection: Connection | null): void {
    const receiver = this.#shares.handedOver(from, to, connection !== null);
    if (connection === null) return;
    // When all drain, the one that had it has waited for this and serves it.
    const handle = this.#handles.get(receiver ?? from);
    if (handle !== undefined) {
      handle.giveConnection(connection);
      return;
    }
    connection.close();
    this.#log.warn({}, "A connection was closed unread: the loop that was to get it has ended, and there is no other.");
  }
}

/** A member's handle; those that are known here are processes. */
type WorkerProcess = Member["handle"];
