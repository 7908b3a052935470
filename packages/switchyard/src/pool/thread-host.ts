// A process whose workers are threads: starts them, passes word between them and the parent, and ends when they have.
//
// It runs no application itself. It is ready when all of its threads are. When a thread dies later, its descriptor dies
// with it, so the process reports that it is impaired; the parent starts another and then stops this one, whose other
// threads serve until then.

import { reportOf, SwitchyardError } from "../errors.ts";
import type { FromWorker, LastWords, StartOrder } from "../ipc/messages.ts";
import type { Parent } from "../ipc/parent.ts";
import {
  afterDeath,
  type Dropped,
  noneDropped,
  noRequests,
  type RequestCounts,
  sumOf,
  sumOfDropped,
} from "../metrics/snapshot.ts";
import { type LaneTraffic, sumOfTraffic, trafficAfterDeath } from "../metrics/traffic.ts";
import type { WatchLimits } from "../watch/threshold.ts";
import { deathOf, deathReport } from "./death.ts";
import { firstExtraFd } from "./process-handle.ts";
import { ThreadHandle } from "./thread-handle.ts";
import type { ThreadShares } from "./thread-shares.ts";

/** What threads that have ended had counted. */
interface Gone {
  readonly totals: RequestCounts;
  readonly traffic: readonly LaneTraffic[];
  readonly dropped: Dropped;
}

type Report = FromWorker & { type: "report" };

export interface HostOptions {
  /** How long the loop of one may be held; null: they are not watched. */
  readonly limits: WatchLimits | null;
  /** Between threads that take connections. */
  readonly shares: ThreadShares | null;
}

/** Runs `entry` in a thread for each worker of the order, with one inherited descriptor each. */
export function hostThreads(parent: Parent, entry: URL, { limits, shares }: HostOptions): void {
  const { order } = parent;
  const threads = new Set<ThreadHandle>();
  let waiting = order.workers.length;
  let isStopping = false;

  parent.onReopenLogs = () => {
    for (const thread of threads) thread.send({ type: "reopenLogs" });
  };
  parent.onStop = (withinMs, handsOver) => {
    isStopping = true;
    for (const thread of threads) shares?.remove(thread);
    for (const thread of threads) thread.send({ type: "stop", withinMs, handsOver });
    if (threads.size === 0) process.exit(0);
  };

  parent.onEndThread = (worker) => {
    for (const thread of threads) {
      if (thread.worker !== worker) continue;
      killed.add(thread);
      thread.kill();
    }
  };

  parent.onLanes = (lanes) => {
    for (const thread of threads) thread.send({ type: "lanes", lanes });
  };
  parent.onMoves = (routes) => {
    for (const thread of threads) thread.send({ type: "moves", routes });
  };
  parent.onLink = (path) => {
    for (const thread of threads) thread.send({ type: "link", path });
  };

  const killed = new Set<ThreadHandle>();
  const words = new Map<ThreadHandle, LastWords>();
  const reports = new Map<ThreadHandle, Report>();
  let gone: Gone = { totals: noRequests, traffic: [], dropped: noneDropped };
  const onMessage = (thread: ThreadHandle, message: FromWorker) => {
    switch (message.type) {
      case "ready":
        shares?.add(thread);
        if (--waiting === 0) void parent.send(message);
        return;
      case "connections":
        shares?.told(thread, message);
        return;
      case "handOver":
        shares?.handOver(thread, message.to, message.connection);
        return;
      case "handedOverLast":
        shares?.handedOverLast(thread);
        return;
      case "lastWords":
        words.set(thread, message.words);
        return;
      case "report":
        reports.set(thread, message);
        void parent.send(reportOfAll([...reports.values()], gone));
        return;
      default:
        void parent.send(message).then(() => {
          if (message.type === "failed") process.exit(exitCodeOf(message.error.code));
        });
    }
  };

  order.workers.forEach((worker, index) => {
    const thread = new ThreadHandle({
      entry,
      order: orderOf(order, worker),
      withPort: false,
      fd: firstExtraFd + index,
      limits,
    });
    threads.add(thread);
    thread.onMessage = (message) => onMessage(thread, message);
    thread.onExit = (exit) => {
      threads.delete(thread);
      shares?.remove(thread);
      const last = reports.get(thread);
      reports.delete(thread);
      if (last !== undefined) gone = afterThreadDeath(gone, last);
      if (isStopping) {
        if (threads.size === 0) process.exit(0);
        return;
      }
      const death = deathOf(exit, killed.has(thread) ? "its request was too long" : null);
      const { cause } = death;
      const what = `worker ${worker}`;
      const workers = last?.workers ?? [];
      const lastWords = words.get(thread) ?? null;
      void parent.send({
        type: "death",
        death: deathReport({ what, pid: process.pid, death, workers, lastWords }),
      });
      const message: FromWorker =
        waiting > 0
          ? { type: "failed", error: reportOf(endedEarly(cause)) }
          : { type: "impaired", cause: `The thread of worker ${worker} has ended (${cause})` };
      void parent.send(message).then(() => {
        if (message.type === "failed") process.exit(exitCodeOf(message.error.code));
        if (threads.size > 0) return;
        void parent.send({ type: "lastWords", words: { worker, request: null, error: null, wasTold: true } });
        process.exit(1);
      });
    };
  });
}

/** One report of this process, of what its threads have said last. */
function reportOfAll(reports: readonly Report[], gone: Gone): Report {
  return {
    type: "report",
    workers: reports.flatMap(({ workers }) => workers),
    totals: sumOf([gone.totals, ...reports.map(({ totals }) => totals)]),
    traffic: sumOfTraffic([gone.traffic, ...reports.map(({ traffic }) => traffic)]),
    dropped: sumOfDropped([gone.dropped, ...reports.map(({ dropped }) => dropped)]),
  };
}

function afterThreadDeath(gone: Gone, last: Report): Gone {
  return {
    totals: sumOf([gone.totals, afterDeath(last.totals)]),
    traffic: sumOfTraffic([gone.traffic, trafficAfterDeath(last.traffic)]),
    dropped: sumOfDropped([gone.dropped, last.dropped]),
  };
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
