// A worker that lives in a process of its own.
//
// Control messages go over Node's IPC channel. Requests for sync workers go over one socket pair each, and listening
// sockets are inherited, both as file descriptors from `firstExtraFd` on. Output goes straight to the server's own
// stdout and stderr. The process is in a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone,
// which then drains; it ends by itself when the IPC channel closes, so none outlives its parent.
//
// The process leads a process group, in which whatever it starts is too. Killing it kills the group, and so does an end
// that was not in order: what a dead worker has started has nobody left to end it. The same goes for the groups of the
// workers that a balancer has told us of.

import { type ChildProcess, fork, type SendHandle } from "node:child_process";
import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { adminTokenVariable } from "../config/admin-token.ts";
import { SocketChannel } from "../ipc/channel.ts";
import type { FromSyncWorker, FromWorker, ToSyncWorker, ToWorker } from "../ipc/messages.ts";
import type { BlockedReport } from "../metrics/snapshot.ts";
import type { Exit } from "./death.ts";
import { MemoryKills, readFullHeap } from "./memory-death.ts";
import type { RequestChannel, WorkerHandle } from "./worker-handle.ts";

/** Where extra descriptors begin in a worker process: after stdin, stdout, stderr and the IPC channel. */
export const firstExtraFd = 4;

export interface ProcessPlan {
  /** The module that the process runs. */
  readonly entry: URL;
  /** Listening sockets to inherit, by file descriptor, from `firstExtraFd` on. */
  readonly listenFds?: readonly number[];
  /** How many channels for requests it needs, after the listening sockets. */
  readonly channelCount?: number;
}

/** A connection as Node passes it between processes: a handle with nothing of JavaScript around it. */
export interface Connection {
  close(): void;
}

export class ProcessHandle implements WorkerHandle {
  readonly isolation = "process";
  readonly pid: number;
  readonly channels: readonly RequestChannel[];
  onMessage: (message: FromWorker) => void = () => {};
  onExit: (exit: Exit) => void = () => {};
  /** Called for each `handOver`, instead of `onMessage`, with the connection that came with it. */
  onHandOver: (to: number, connection: Connection | null) => void = (_to, connection) => connection?.close();
  /** Called for a connection that it was given and that it can't get any more. */
  onUndelivered: (connection: Connection) => void = (connection) => connection.close();
  readonly #undelivered = new Set<Connection>();
  readonly #child: ChildProcess;
  /** Processes that the worker itself has started and that run an application. */
  #ownWorkers: readonly number[] = [];
  #hasEnded = false;
  /** Its end was told. */
  #isForgotten = false;
  readonly #watchFd: number;
  /** A name that nobody can guess, in a folder that others may write to. The file is there only after a fatal error. */
  readonly #fatalReport = join(tmpdir(), `switchyard-fatal-${randomUUID()}.json`);

  constructor(plan: ProcessPlan) {
    const listenFds = plan.listenFds ?? [];
    const channelCount = plan.channelCount ?? 0;
    this.#child = fork(plan.entry, [], {
      detached: true,
      env: workerEnvironment(),
      stdio: ["ignore", "inherit", "inherit", "ipc", ...listenFds, ...Array<"pipe">(channelCount + 1).fill("pipe")],
    });
    this.pid = this.#child.pid ?? -1;
    const firstChannel = firstExtraFd + listenFds.length;
    this.channels = Array.from({ length: channelCount }, (_, index) => {
      // A "pipe" at a descriptor above 2 is a two-way socket; Node's types know only its two halves.
      const socket = this.#child.stdio[firstChannel + index] as unknown as Socket;
      return new SocketChannel<ToSyncWorker, FromSyncWorker>(socket);
    });
    this.#watchFd = firstChannel + channelCount;
    this.#readReports();
    this.#child.on("message", (message, handle: unknown) => {
      // What is not ours is left alone: a program may write to the descriptor of the channel.
      if (!isFromWorker(message) || this.#isForgotten) return;
      if (message.type === "processes") this.#ownWorkers = message.pids;
      // What comes with it can only be what a worker sent with it.
      if (message.type === "handOver") this.onHandOver(message.to, (handle as Connection | undefined) ?? null);
      else this.onMessage(message);
    });
    // Without the channel it can neither be told to stop nor tell how it is. It ends by itself, unless it is stuck.
    this.#child.once("disconnect", () => setTimeout(() => this.kill(), endAfterDisconnectMs).unref());
    const end = (exit: Exit) => {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      if (exit.code !== 0) killGroup(this.pid);
      for (const pid of this.#ownWorkers) killGroup(pid);
      this.#returnUndelivered();
      const told = { ...exit, ...this.#whyMemory(exit) };
      this.#afterLastMessage(() => this.onExit(told));
    };
    this.#child.once("error", (error) => end({ code: null, signal: null, error }));
    this.#child.once("exit", (code, signal) => end({ code, signal }));
  }

  /** The kernel tells of a process's end before the channel is read to its own, where its last counts may be. */
  #afterLastMessage(then: () => void): void {
    const forget = () => {
      if (this.#isForgotten) return;
      this.#isForgotten = true;
      clearTimeout(late);
      then();
    };
    // A process that it has started may hold the channel open.
    const late = setTimeout(forget, lastMessageWithinMs);
    if (this.#child.connected) this.#child.once("disconnect", forget);
    else forget();
  }

  send(message: ToWorker): void {
    const own = { fatalReport: this.#fatalReport, watchFd: this.#watchFd };
    const told = message.type === "start" ? { ...message, ...own } : message;
    // A worker that is ending has closed its side: its exit says the rest.
    if (this.#child.connected) this.#child.send(told, () => {});
  }

  /** What the process's watchdog says while its loop is held. */
  #readReports(): void {
    // Null when the process could not be started.
    const pipe = this.#child.stdio[this.#watchFd] as Socket | null | undefined;
    if (pipe === null || pipe === undefined) return;
    pipe.on("error", () => {});
    pipe.unref();
    createInterface({ input: pipe }).on("line", (line) => {
      const report = parseReport(line);
      if (report !== null) this.onMessage({ type: "blocked", report });
    });
  }

  #whyMemory({ code, signal }: Exit): Pick<Exit, "fullHeapBytes" | "cgroupWasFull"> {
    if (signal === "SIGKILL") return { cgroupWasFull: memoryKills.happened() };
    if (signal !== "SIGABRT" && code !== abortCode) return {};
    const fullHeapBytes = readFullHeap(this.#fatalReport);
    return fullHeapBytes === null ? {} : { fullHeapBytes };
  }

  /** Hands a connection on. One that has not left this process when the worker ends goes to `onUndelivered`. */
  giveConnection(connection: Connection): void {
    if (!this.#child.connected) {
      this.onUndelivered(connection);
      return;
    }
    this.#undelivered.add(connection);
    // A bare handle of Node travels as well as a socket; the types know only the latter.
    const handle = connection as unknown as SendHandle;
    this.#child.send({ type: "takeConnection" } satisfies ToWorker, handle, undefined, (error) => {
      // The worker has a descriptor of its own by now, or will have.
      if (!this.#undelivered.delete(connection)) return;
      if (error === null) connection.close();
      else this.onUndelivered(connection);
    });
  }

  /** Node forgets what waits to be sent when the channel closes, and says nothing of its end while something does. */
  #returnUndelivered(): void {
    const connections = [...this.#undelivered];
    this.#undelivered.clear();
    for (const connection of connections) this.onUndelivered(connection);
  }

  kill(): void {
    if (this.#hasEnded) return;
    killGroup(this.pid);
    for (const pid of this.#ownWorkers) killGroup(pid);
  }
}

const memoryKills = new MemoryKills();
/** What a shell makes of SIGABRT, and so does Node when it aborts inside one. */
const abortCode = 134;

/** How long after a worker's end its channel is read, in milliseconds, when it is not closed. */
const lastMessageWithinMs = 1_000;

/** How long a worker has to end once its channel is closed, in milliseconds. */
const endAfterDisconnectMs = 1_000;

function killGroup(leader: number): void {
  // 0 and -1 would mean our own group, and everything.
  if (leader <= 1) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // ESRCH: nobody is left in it.
  }
}

function parseReport(line: string): BlockedReport | null {
  try {
    // Written by watch/watchdog-thread.ts, of the same version.
    return JSON.parse(line) as BlockedReport;
  } catch {
    // The application has written to a descriptor that is not its own.
    return null;
  }
}

const typesFromWorker = new Set<string>([
  "ready",
  "failed",
  "impaired",
  "processes",
  "connections",
  "handOver",
  "handedOverLast",
  "holds",
  "report",
  "changed",
  "vitals",
  "lastWords",
  "death",
  "blocked",
] satisfies FromWorker["type"][]);

function isFromWorker(message: unknown): message is FromWorker {
  if (typeof message !== "object" || message === null || !("type" in message)) return false;
  return typeof message.type === "string" && typesFromWorker.has(message.type);
}

/** The environment of this process, without what is for the supervisor alone. */
function workerEnvironment(): NodeJS.ProcessEnv {
  const { [adminTokenVariable]: _, ...env } = process.env;
  return env;
}
