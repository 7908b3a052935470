// The threads that hold connections of node:sqlite, and the calls to them.
//
// A greenlet that calls is parked until the answer comes; whoever calls from the main stack, inside withoutSwitching() or
// while a module loads is blocked until then, as by node:sqlite itself. There are at most `mostThreads`; a connection stays
// with its thread. They keep the process alive only while a greenlet waits for an answer. When a thread dies (it was out of
// memory, or was terminated), every call to it throws, those under way too.

import { existsSync } from "node:fs";
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { GreenletError } from "../errors.ts";
import type { SqliteCall, SqliteFailure, SqliteReply, SqliteWorkerData } from "./sqlite-worker.ts";

// The original, which lets no other greenlet run.
const fileExists = existsSync;
const mostThreads = 8;
/** How often a blocked thread looks whether the one that it waits for is still there, in milliseconds. */
const lookAliveMs = 100;
const threads: SqliteThread[] = [];

export type UnsentCall = Omit<SqliteCall, "id">;
type Receiver = (reply: SqliteReply | SqliteDeath) => void;

/** In place of an answer that will never come. */
export interface SqliteDeath {
  /** Why the thread has ended, where that is known. */
  readonly death: { readonly cause: unknown };
  readonly isInTransaction: false;
}

export class SqliteThread {
  /** Connections that are open there. */
  connections = 0;
  readonly #port: MessagePort;
  readonly #signal: Int32Array;
  readonly #receivers = new Map<number, Receiver>();
  #lastId = 0;
  #death: SqliteDeath | null = null;

  private constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#signal = new Int32Array(new SharedArrayBuffer(8));
    const program = new URL(
      import.meta.url.endsWith(".ts") ? "./sqlite-worker.ts" : "./sqlite-worker.js",
      import.meta.url,
    );
    const workerData: SqliteWorkerData = { port: port2, signal: this.#signal };
    // The program has been warned already, where its Node warns; what it imports first is no business of this thread's.
    const execArgv = ["--disable-warning=ExperimentalWarning"];
    const worker = new Worker(program, { name: "node:sqlite", workerData, transferList: [port2], execArgv });
    worker.once("error", (error) => this.#die(error)).unref();
    port1.on("message", (reply: SqliteReply) => this.#receive(reply));
    // By the other side's end, after its last message.
    port1.once("close", () => this.#die());
    port1.unref();
  }

  /** The thread for one more connection: an idle one, a new one, or the one with the fewest. */
  static forConnection(): SqliteThread {
    const [fewest] = threads.toSorted((a, b) => a.connections - b.connections);
    if (fewest !== undefined && (fewest.connections === 0 || threads.length >= mostThreads)) return fewest;
    const thread = new SqliteThread();
    threads.push(thread);
    return thread;
  }

  /** Sends a call. `onReply` is called on the main stack, also when whoever waits for it is killed meanwhile. */
  send(call: UnsentCall, onReply: Receiver): void {
    if (this.#death !== null) throw threadDied(this.#death);
    const id = ++this.#lastId;
    this.#port.postMessage({ ...call, id } satisfies SqliteCall);
    this.#receivers.set(id, onReply);
    this.#port.ref();
  }

  /** Blocks until the answer is there. */
  block(call: UnsentCall, onReply: Receiver): SqliteReply | SqliteDeath {
    let answer: SqliteReply | SqliteDeath | null = null;
    this.send(call, (reply) => {
      onReply(reply);
      answer = reply;
    });
    this.blockUntil(() => answer !== null);
    return answer as unknown as SqliteReply | SqliteDeath; // set before blockUntil returns
  }

  /** Blocks, and takes answers, until `isMet`, which one of them must bring about. */
  blockUntil(isMet: () => boolean): void {
    let hasEnded = false;
    for (;;) {
      // Read first: what is sent after this ends the wait below at once.
      const seen = Atomics.load(this.#signal, 0);
      for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port)) {
        this.#receive(next.message);
      }
      if (isMet()) return;
      // Nothing tells of the other thread's end while this one is blocked.
      if (hasEnded) this.#die();
      else if (Atomics.wait(this.#signal, 0, seen, lookAliveMs) === "timed-out") hasEnded = !this.#isAlive();
    }
  }

  /** Lets go of a handle, once nobody can use it. */
  forget(handle: number): void {
    this.#port.postMessage({
      id: 0,
      database: 0,
      on: handle,
      what: "forget",
      name: "",
      args: [],
      isSymbolFirst: false,
    } satisfies SqliteCall);
  }

  /** Whether the kernel still has that thread, where it tells. */
  #isAlive(): boolean {
    const id = Atomics.load(this.#signal, 1);
    return id === 0 || fileExists(`/proc/self/task/${id}`);
  }

  /** Ends what waits for answers. The first reason counts, and is told of by each call from now on. */
  #die(cause?: unknown): void {
    this.#death ??= { death: { cause }, isInTransaction: false };
    const place = threads.indexOf(this);
    if (place !== -1) threads.splice(place, 1);
    const receivers = [...this.#receivers.values()];
    this.#receivers.clear();
    for (const receiver of receivers) receiver(this.#death);
  }

  #receive(reply: SqliteReply): void {
    const receiver = this.#receivers.get(reply.id);
    this.#receivers.delete(reply.id);
    if (this.#receivers.size === 0) this.#port.unref();
    receiver?.(reply);
  }
}

export function threadDied({ death: { cause } }: SqliteDeath): GreenletError {
  return new GreenletError("ERR_INVALID_STATE", {
    saw: "The thread that holds a connection of node:sqlite has ended, and the connection with it.",
    fix: "Open the database again; a transaction that was open in it has been rolled back.",
    ...(cause === undefined ? {} : { cause }),
  });
}

const errorTypes: Record<string, ErrorConstructor> = { Error, TypeError, RangeError };

/** The error that node:sqlite threw, with the frames of whoever called. */
export function revived({ type, message, fields }: SqliteFailure, caller: (...args: never[]) => unknown): Error {
  const error = Object.assign(new (errorTypes[type] ?? Error)(message), fields);
  Error.captureStackTrace(error, caller);
  return error;
}
