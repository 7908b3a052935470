// Starts the processes that run the application, with the orders that the settings of the moment make.

import type { StartOrder } from "../ipc/messages.ts";
import { ProcessHandle } from "../pool/process-handle.ts";
import { siblingModule } from "../pool/sibling-module.ts";
import type { ConnectionDesk } from "./connection-desk.ts";
import type { ListeningSocket } from "./listening-socket.ts";
import type { Now } from "./steering.ts";

export interface WorkerStartsParts {
  readonly now: () => Now;
  readonly socket: ListeningSocket;
  readonly connections: ConnectionDesk;
  /** Where the process of the lanes' workers is. */
  readonly link: () => string | null;
}

export class WorkerStarts {
  readonly #parts: WorkerStartsParts;

  constructor(parts: WorkerStartsParts) {
    this.#parts = parts;
  }

  /** A loop worker, or as many as a process has threads. */
  startLoop(slot: number): ProcessHandle {
    const { socket, connections, now } = this.#parts;
    const { threads } = now().plan;
    const perProcess = Math.max(1, threads);
    const workers = Array.from({ length: perProcess }, (_, index) => slot * perProcess + index + 1);
    const handle = new ProcessHandle({
      entry: siblingModule(import.meta.url, "../loop/main"),
      listenFds: Array<number>(perProcess).fill(socket.fd),
    });
    if (threads === 0) connections.know(handle);
    handle.send({ type: "start", order: this.#orderFor(workers) });
    return handle;
  }

  /** The balancer of model sync, which starts its workers itself. */
  startBalancer(): ProcessHandle {
    const { socket, now } = this.#parts;
    const workers = Array.from({ length: now().plan.total }, (_, index) => index + 1);
    const handle = new ProcessHandle({
      entry: siblingModule(import.meta.url, "../pool/main"),
      listenFds: [socket.fd],
    });
    handle.send({ type: "start", order: this.#orderFor(workers) });
    return handle;
  }

  /** What the process of the lanes' workers is started with; loops reach it by `link`. */
  lanePoolOrder(link: string): StartOrder {
    return { ...this.#orderFor([firstLaneWorker(this.#parts.now().plan.total)]), link };
  }

  #orderFor(workers: number[]): StartOrder {
    const { now, socket, link } = this.#parts;
    const { settings, tls, plan, lanes } = now();
    const own = { ...settings, workers: plan.processes };
    return { settings: own, address: socket.address, workers, tls, lanes, lane: null, link: link() };
  }
}

/** The numbers of lanes' workers begin at the next hundred, so that more loops can be added below them. */
function firstLaneWorker(loops: number): number {
  return Math.ceil((loops + 1) / 100) * 100 + 1;
}
