// A worker's line to whoever started it: the IPC channel of a process, or the port of a thread.
//
// When a process's parent is gone, nobody is left to stop it or to serve for, so it ends. While the application loads, the
// line does not keep the loop alive (`release`), so that a program with nothing left to do is seen to have ended.
//
// SIGTERM and SIGINT are the supervisor's to answer. A service manager may send them to every process of the server at
// once, and ending at once would lose what is in flight: a worker that gets one asks its parent to be replaced, and its
// parent, when it is stopping itself, tells it to stop anyway.

import type { SendHandle } from "node:child_process";
import { basename, dirname } from "node:path";
import { isMainThread, parentPort, type Transferable, workerData } from "node:worker_threads";
import type { MovedRoute } from "../auto/moved-routes.ts";
import type { LaneSettings } from "../config/lanes.ts";
import { reopenLogFiles } from "../log/files.ts";
import type { FromWorker, PoolChange, StartOrder, ThreadData, ToLoopOfMany, ToWorker } from "./messages.ts";
import { askForFolderChanges } from "./thread-folder.ts";

export interface Parent {
  /** What this worker was started to do. */
  readonly order: StartOrder;
  /** What a thread was handed besides; null in a process. */
  readonly thread: ThreadData | null;
  /** Where a process tells of its own loop when that is held; null in a thread, whose host watches it. */
  readonly watchFd: number | null;
  /** Until the worker sets it, there is nothing in flight, and a stop ends it at once. */
  onStop: (withinMs: number, handsOver: boolean) => void;
  onChange: (id: number, change: PoolChange) => void;
  /** This process has opened its log files again: those that it has started are to do the same. */
  onReopenLogs: () => void;
  onEndThread: (worker: number) => void;
  onLanes: (lanes: readonly LaneSettings[]) => void;
  onLink: (path: string) => void;
  onMoves: (routes: readonly MovedRoute[]) => void;
  /** What lanes and link it was told of before `onLanes` and `onLink` were set; null: as in its order. */
  toldMeanwhile(): { readonly lanes: readonly LaneSettings[] | null; readonly link: string | null };
  /** What the parent says about connections, and the connection that comes with `takeConnection`. */
  onConnections: (message: ToLoopOfMany, connection: unknown) => void;
  /** Resolves when the message has left this process, and from a process the handle that travels with it. */
  send(message: FromWorker, handle?: SendHandle): Promise<void>;
  hold(): void;
  release(): void;
  /** From now on a signal does to this process what the application, or Node, makes of it. */
  leaveSignals(): void;
}

const stopSignals = ["SIGTERM", "SIGINT"] as const;

export async function connectToParent(): Promise<Parent> {
  return isMainThread ? connectFromProcess() : connectFromThread();
}

function connectFromProcess(): Promise<Parent> {
  process.once("disconnect", () => process.exit(0));
  const { send } = process;
  // Under plain Node a program has none. What programs send (PM2's `ready`, a report) could be taken for a worker's word.
  Reflect.deleteProperty(process, "send");
  return new Promise((resolve) => {
    let parent: Parent | null = null;
    const onSignal = (signal: NodeJS.Signals) => {
      void parent?.send({ type: "impaired", cause: `Process ${process.pid} was sent ${signal}` });
    };
    for (const signal of stopSignals) process.on(signal, onSignal);
    process.on("message", (message: ToWorker, handle: unknown) => {
      if (parent !== null) deliver(parent, message, handle);
      if (message.type !== "start" || parent !== null) return;
      if (message.fatalReport !== undefined) reportFatalErrors(message.fatalReport);
      parent = {
        order: message.order,
        thread: null,
        watchFd: message.watchFd ?? null,
        ...untold(),
        onConnections: () => {},
        send: (reply, connection) =>
          new Promise((sent) => {
            if (send === undefined || !process.connected) sent();
            else Reflect.apply(send, process, [reply, connection, undefined, () => sent()]);
          }),
        hold: () => process.channel?.ref(),
        release: () => process.channel?.unref(),
        leaveSignals: () => {
          for (const signal of stopSignals) process.removeListener(signal, onSignal);
        },
      };
      resolve(parent);
    });
  });
}

/**
 * Lets Node write down why it aborts, so that the parent knows a full heap from anything else. A user who has asked Node
 * for such reports gets them where they want them.
 */
function reportFatalErrors(path: string): void {
  const { report } = process;
  if (report.reportOnFatalError) return;
  report.reportOnFatalError = true;
  report.directory = dirname(path);
  report.filename = basename(path);
  report.compact = true;
  // The environment may hold secrets, and for the network's part names are looked up. The types know only one of the two.
  Object.assign(report, { excludeNetwork: true, excludeEnv: true });
}

async function connectFromThread(): Promise<Parent> {
  const port = parentPort;
  if (port === null) throw new Error("This module runs in a worker thread.");
  const data = workerData as ThreadData;
  const parent: Parent = {
    order: data.order,
    thread: data,
    watchFd: null,
    ...untold(),
    onConnections: () => {},
    send: async (message) => {
      // What travels with a message is in it.
      const connection = message.type === "handOver" ? message.connection : undefined;
      // The types lack sockets, which Node transfers all the same.
      port.postMessage(message, connection === undefined ? [] : [connection as unknown as Transferable]);
    },
    hold: () => port.ref(),
    release: () => port.unref(),
    leaveSignals: () => {},
  };
  endThreadOnKill();
  askForFolderChanges((change) => port.postMessage(change));
  port.on("message", (message: ToWorker) => deliver(parent, message, undefined));
  return parent;
}

/** What a worker does with word from its parent before it has set what it will do. */
function untold() {
  let lanes: readonly LaneSettings[] | null = null;
  let link: string | null = null;
  return {
    onStop: endBeforeReady,
    onChange: () => {},
    onReopenLogs: () => {},
    onEndThread: () => {},
    onLanes: (told: readonly LaneSettings[]) => {
      lanes = told;
    },
    onLink: (path: string) => {
      link = path;
    },
    onMoves: () => {},
    toldMeanwhile: () => ({ lanes, link }),
  };
}

function deliver(parent: Parent, message: ToWorker, handle: unknown): void {
  switch (message.type) {
    case "stop":
      parent.onStop(message.withinMs, message.handsOver);
      return;
    case "endThread":
      parent.onEndThread(message.worker);
      return;
    case "change":
      parent.onChange(message.id, message.change);
      return;
    case "lanes":
      parent.onLanes(message.lanes);
      return;
    case "moves":
      parent.onMoves(message.routes);
      return;
    case "link":
      parent.onLink(message.path);
      return;
    case "reopenLogs":
      reopenLogFiles();
      parent.onReopenLogs();
      return;
    case "tellConnections":
    case "giveConnections":
    case "keepConnections":
    case "takeConnection":
    case "noneOnTheWay":
      parent.onConnections(message, "connection" in message ? message.connection : handle);
      return;
  }
}

/**
 * A program that kills its own process, as the last act of its SIGTERM handler most often, ends its thread alone: the
 * process is not its own.
 */
function endThreadOnKill(): void {
  const { kill } = process;
  process.kill = (pid, signal) => {
    if (pid !== process.pid || signal === 0) return kill.call(process, pid, signal);
    process.exit();
  };
}

function endBeforeReady(): void {
  process.exit(0);
}
