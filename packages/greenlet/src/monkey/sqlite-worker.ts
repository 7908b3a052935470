// What runs in a thread that holds connections of node:sqlite for others: one call after the other, in the order in which
// they come. Knows nothing of greenlets.

import { readlinkSync } from "node:fs";
import { type MessagePort, workerData } from "node:worker_threads";

/** A call of a method, or the reading of a property, of what a handle stands for. */
export interface SqliteCall {
  readonly id: number;
  /** The handle of the connection that it is about. */
  readonly database: number;
  readonly on: number;
  readonly what: "construct" | "call" | "get" | "forget";
  readonly name: string;
  readonly args: readonly unknown[];
  /** Whether the first is a symbol, which a message does not carry. */
  readonly isSymbolFirst: boolean;
  /** The handle that the result gets, instead of being sent. */
  readonly keepAs?: number;
}

export interface SqliteReply {
  readonly id: number;
  /** Whether the connection is in a transaction now. */
  readonly isInTransaction: boolean;
  readonly value?: unknown;
  /** What has no prototype, which a message does not carry: the value, or each element of it. */
  readonly bare?: "itself" | "elements" | "value";
  readonly error?: SqliteFailure;
}

export interface SqliteFailure {
  readonly type: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface SqliteWorkerData {
  readonly port: MessagePort;
  /** First a count of the replies, for whoever blocks until one comes; then this thread's id in the kernel, 0 if it tells none. */
  readonly signal: Int32Array;
}

type Handle = Record<string, (...args: unknown[]) => unknown>;

const handles = new Map<number, object>();

function serve({ port, signal }: SqliteWorkerData): void {
  Atomics.store(signal, 1, kernelThread());
  port.on("message", (call: SqliteCall) => {
    if (call.what === "forget") {
      release(call.on);
      return;
    }
    port.postMessage(answer(call));
    Atomics.add(signal, 0, 1);
    Atomics.notify(signal, 0);
  });
}

/** This thread's id in Linux's kernel; 0 elsewhere. */
function kernelThread(): number {
  try {
    return Number(readlinkSync("/proc/thread-self").split("/").at(-1));
  } catch {
    return 0;
  }
}

function answer(call: SqliteCall): SqliteReply {
  try {
    const value = run(call);
    const isInTransaction = inTransaction(call.database);
    if (call.keepAs === undefined) return { id: call.id, isInTransaction, value, ...bareness(value) };
    handles.set(call.keepAs, value as object); // only what gives an object is kept
    return { id: call.id, isInTransaction };
  } catch (error) {
    return { id: call.id, isInTransaction: inTransaction(call.database), error: failureOf(error) };
  }
}

function run({ what, on, name, args: given, isSymbolFirst }: SqliteCall): unknown {
  const args = isSymbolFirst ? given.with(0, Symbol()) : given;
  if (what === "construct") {
    const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
    const [path, ...options] = args as [string | { url: string }, ...[]]; // what sqlite-database.ts sends; checked by Node
    const location = typeof path === "object" && path !== null && "url" in path ? new URL(path.url) : path;
    return args.length === 0 ? Reflect.construct(DatabaseSync, []) : new DatabaseSync(location, ...options);
  }
  const handle = handles.get(on) as Handle; // made before, in the same order
  return what === "get" ? handle[name] : handle[name]?.(...args);
}

function inTransaction(database: number): boolean {
  const connection = handles.get(database) as { isOpen: boolean; isTransaction: boolean } | undefined;
  return connection?.isOpen === true && connection.isTransaction;
}

function bareness(value: unknown): Pick<SqliteReply, "bare"> {
  if (typeof value !== "object" || value === null) return {};
  if (Object.getPrototypeOf(value) === null) return { bare: "itself" };
  if (Array.isArray(value)) return isBare(value[0]) ? { bare: "elements" } : {};
  return "value" in value && isBare(value.value) ? { bare: "value" } : {};
}

function isBare(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null;
}

function failureOf(error: unknown): SqliteFailure {
  if (!(error instanceof Error)) return { type: "Error", message: String(error), fields: {} };
  return { type: error.constructor.name, message: error.message, fields: { ...error } };
}

function release(handle: number): void {
  const held = handles.get(handle);
  handles.delete(handle);
  if (held instanceof process.getBuiltinModule("node:sqlite").DatabaseSync && held.isOpen) held.close();
}

serve(workerData as SqliteWorkerData); // what sqlite-thread.ts starts it with
