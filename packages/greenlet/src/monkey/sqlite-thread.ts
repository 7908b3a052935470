// The threads that hold connections of node:sqlite, and the calls to them.
//
// A greenlet that calls is parked until the answer comes; whoever calls from the main stack, inside withoutSwitching() or
// while a module loads is blocked until then, as by node:sqlite itself. There are at most `mostThreads`; a connection stays
// with its thread. They keep the process alive only while a greenlet waits for an answer.

import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { SqliteCall, SqliteFailure, SqliteReply, SqliteWorkerData } from "./sqlite-worker.ts";

const mostThreads = 8;
const threads: SqliteThread[] = [];

export type UnsentCall = Omit<SqliteCall, "id">;
type Receiver = (reply: SqliteReply) => void;

export class SqliteThread {
  /** Connections that are open there. */
  connections = 0;
  readonly #port: MessagePort;
  readonly #signal: Int32Array;
  readonly #receivers = new Map<number, Receiver>();
  #lastId = 0;

  private constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#signal = new Int32Array(new SharedArrayBuffer(4));
    const program = new URL(
      import.meta.url.endsWith(".ts") ? "./sqlite-worker.ts" : "./sqlite-worker.js",
      import.meta.url,
    );
    const workerData: SqliteWorkerData = { port: port2, signal: this.#signal };
    // The program has been warned already, where its Node warns; what it imports first is no business of this thread's.
    const execArgv = ["--disable-warning=ExperimentalWarning"];
    new Worker(program, { name: "node:sqlite", workerData, transferList: [port2], execArgv }).unref();
    port1.on("message", (reply: SqliteReply) => this.#receive(reply));
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
    const id = ++this.#lastId;
    this.#port.postMessage({ ...call, id } satisfies SqliteCall);
    this.#receivers.set(id, onReply);
    this.#port.ref();
  }

  /** Blocks until the answer is there. */
  block(call: UnsentCall, onReply: Receiver): SqliteReply {
    let answer: SqliteReply | null = null;
    this.send(call, (reply) => {
      onReply(reply);
      answer = reply;
    });
    this.blockUntil(() => answer !== null);
    return answer as unknown as SqliteReply; // set before blockUntil returns
  }

  /** Blocks, and takes answers, until `isMet`, which one of them must bring about. */
  blockUntil(isMet: () => boolean): void {
    for (;;) {
      // Read first: what is sent after this ends the wait below at once.
      const seen = Atomics.load(this.#signal, 0);
      for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port)) {
        this.#receive(next.message);
      }
      if (isMet()) return;
      Atomics.wait(this.#signal, 0, seen);
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

  #receive(reply: SqliteReply): void {
    const receiver = this.#receivers.get(reply.id);
    this.#receivers.delete(reply.id);
    if (this.#receivers.size === 0) this.#port.unref();
    receiver?.(reply);
  }
}

const errorTypes: Record<string, ErrorConstructor> = { Error, TypeError, RangeError };

/** The error that node:sqlite threw, with the frames of whoever called. */
export function revived({ type, message, fields }: SqliteFailure, caller: (...args: never[]) => unknown): Error {
  const error = Object.assign(new (errorTypes[type] ?? Error)(message), fields);
  Error.captureStackTrace(error, caller);
  return error;
}
