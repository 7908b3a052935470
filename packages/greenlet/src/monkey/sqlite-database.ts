// node:sqlite's DatabaseSync with its connection in a thread: a query parks the greenlet that makes it, and no other.
//
//   nobody's ──a greenlet calls──► its ──answer, outside a transaction──► the next one's that waits, or nobody's
//                                   └──answer, in a transaction──► still its: until the transaction or the greenlet ends
//
// Calls to one database are made one at a time, and one greenlet's transaction stays its own: others wait for its end.
// Code that can't wait meets the same rule: it is refused while a greenlet's transaction is open.
//
// What gives SQLite functions to call, and what else has no form that a message can carry (functions, aggregates, an
// authorizer, sessions, extensions, limits, backup ...), makes the database a plain one, which blocks as ever. That is
// possible before its first statement, PRAGMAs not counted; they are made again.

import type { DatabaseSync } from "node:sqlite";
import { GreenletError } from "../errors.ts";
import type { Greenlet } from "../greenlet.ts";
import { parkMidRun } from "../mid-run.ts";
import { Waiter } from "../waiter.ts";
import { cooperatingTask, type LibraryFunction } from "./cooperation.ts";
import { revived, type SqliteDeath, SqliteThread, threadDied, type UnsentCall } from "./sqlite-thread.ts";
import type { SqliteReply } from "./sqlite-worker.ts";

type Original = typeof DatabaseSync;
type Plain = Record<PropertyKey, unknown>;

/** What is done by a call to the thread. Every other method makes the database a plain one. */
const remoteMethods = new Set(["open", "close", "exec", "prepare", "location", "enableDefensive"]);

let lastHandle = 0;
let plainCount = 0;

/** How many databases became plain ones so far. */
export function plainDatabases(): number {
  return plainCount;
}

/** Who may use one connection. */
class Turns {
  #owner: Greenlet | null = null;
  #isInTransaction = false;
  /** The owner whose end is looked out for. */
  #watched: Greenlet | null = null;
  /** Whether a call is under way. */
  isBusy = false;
  readonly #waiting: { task: Greenlet; waiter: Waiter }[] = [];

  get hasTransaction(): boolean {
    return this.#isInTransaction && this.#owner !== null;
  }

  take(task: Greenlet): void {
    if (this.#owner === task) return;
    if (this.#owner === null) {
      this.#owner = task;
      return;
    }
    const waiter = new Waiter(task, "its turn at a database of node:sqlite");
    this.#waiting.push({ task, waiter });
    parkMidRun(task, waiter);
  }

  /** After each answer. */
  readonly answered = ({ isInTransaction }: SqliteReply | SqliteDeath): void => {
    this.isBusy = false;
    const owner = this.#owner;
    if (isInTransaction && owner !== null && owner !== this.#watched) {
      this.#watched = owner;
      owner.onEnd(() => this.#leave(owner));
    }
    this.#isInTransaction = isInTransaction;
    if (!isInTransaction || owner?.ready === true) this.#pass();
  };

  /** What was to be called could not be. */
  giveBack(): void {
    if (!this.#isInTransaction) this.#pass();
  }

  #leave(owner: Greenlet): void {
    if (this.#watched === owner) this.#watched = null;
    if (this.#owner === owner && !this.isBusy) this.#pass();
  }

  #pass(): void {
    this.#owner = null;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      // One that was killed meanwhile is passed over.
      if (!next.waiter.wake()) continue;
      this.#owner = next.task;
      return;
    }
  }
}

/** A connection in a thread. */
class Connection {
  readonly thread = SqliteThread.forConnection();
  readonly handle = ++lastHandle;
  readonly #turns = new Turns();
  #isOpen = false;

  call(caller: LibraryFunction, call: Omit<UnsentCall, "database" | "isSymbolFirst">): unknown {
    // Greenlets are the only kind of task.
    const task = cooperatingTask() as Greenlet | null;
    const isSymbolFirst = typeof call.args[0] === "symbol";
    const sent = { ...call, database: this.handle, args: call.args.map(sendable), isSymbolFirst };
    const reply = task === null ? this.#block(sent) : this.#park(task, sent);
    if ("death" in reply) throw threadDied(reply);
    if (reply.error !== undefined) throw revived(reply.error, caller);
    return resultOf(reply);
  }

  setOpen(isOpen: boolean): void {
    if (this.#isOpen === isOpen) return;
    this.#isOpen = isOpen;
    this.thread.connections += isOpen ? 1 : -1;
  }

  #park(task: Greenlet, call: UnsentCall): SqliteReply | SqliteDeath {
    this.#turns.take(task);
    let waiter: Waiter;
    try {
      waiter = new Waiter(task, `node:sqlite, ${call.name}()`);
      this.thread.send(call, (reply) => {
        this.#turns.answered(reply);
        waiter.wake(reply);
      });
    } catch (error) {
      this.#turns.giveBack();
      throw error;
    }
    this.#turns.isBusy = true;
    return parkMidRun(task, waiter) as SqliteReply | SqliteDeath; // what it is woken with
  }

  #block(call: UnsentCall): SqliteReply | SqliteDeath {
    if (this.#turns.isBusy) this.thread.blockUntil(() => !this.#turns.isBusy);
    if (this.#turns.hasTransaction) {
      throw new GreenletError("ERR_SWITCH_FORBIDDEN", {
        saw: "A database of node:sqlite was used where nothing can wait, while a greenlet has a transaction open in it.",
        fix: "Use it in a greenlet (greenletify), which waits for the transaction's end, or open another connection.",
      });
    }
    return this.thread.block(call, this.#turns.answered);
  }
}

/** Lets go of what the thread holds for objects that are garbage. */
const garbage = new FinalizationRegistry<{ connection: Connection; handle: number }>(({ connection, handle }) => {
  connection.thread.forget(handle);
  if (handle === connection.handle) connection.setOpen(false);
});

export interface WorkerDatabases {
  /** The class that takes DatabaseSync's place. */
  readonly databaseClass: LibraryFunction;
  /** What node:sqlite's own functions take for such a database; anything else as it is. */
  plainOf(database: unknown): unknown;
}

export function workerDatabases(original: Original): WorkerDatabases {
  const inThread = new WeakMap<
    object,
    { connection: Connection; args: unknown[]; pragmas: string[]; isUsed: boolean }
  >();
  const plain = new WeakMap<object, object>();
  const statement = statementPrototype();

  class WorkerDatabase {
    constructor(...args: unknown[]) {
      const connection = new Connection();
      const { handle } = connection;
      const sent = args.map((arg) => (arg instanceof URL ? { url: arg.href } : arg));
      connection.call(new.target as unknown as LibraryFunction, {
        ...{ on: handle, what: "construct", name: "DatabaseSync", args: sent, keepAs: handle },
      });
      connection.setOpen((args[1] as { open?: unknown } | undefined)?.open !== false);
      inThread.set(this, { connection, args, pragmas: [], isUsed: false });
      garbage.register(this, { connection, handle });
    }
  }
  Object.setPrototypeOf(WorkerDatabase, original);
  Object.setPrototypeOf(WorkerDatabase.prototype, original.prototype);

  /** The same on a plain database. */
  const becomePlain = (database: object, name: string): object => {
    const already = plain.get(database);
    if (already !== undefined) return already;
    const state = inThread.get(database);
    if (state === undefined) return database;
    if (state.isUsed) {
      throw new GreenletError("ERR_INVALID_STATE", {
        saw: `${name}() was called on a database of node:sqlite whose connection is in a thread and has run statements.`,
        fix: `Call it before the first statement, or patch without it: monkey.patchAll({ sqlite: true }).`,
      });
    }
    const { connection, args, pragmas } = state;
    connection.call(becomePlain, { on: connection.handle, what: "call", name: "close", args: [] });
    connection.setOpen(false);
    const made = Reflect.construct(original, args) as DatabaseSync;
    for (const sql of pragmas) made.exec(sql);
    plain.set(database, made);
    plainCount++;
    return made;
  };

  const remote = (name: string): LibraryFunction =>
    function method(...args) {
      const other = plain.get(this);
      const state = inThread.get(this);
      if (other !== undefined || state === undefined)
        return Reflect.get(original.prototype, name).apply(other ?? this, args);
      const { connection } = state;
      if (name === "prepare") {
        const handle = ++lastHandle;
        state.isUsed = true;
        connection.call(method, { on: connection.handle, what: "call", name, args, keepAs: handle });
        return statement(connection, handle, this);
      }
      if (name === "exec" && /^\s*pragma\b[^;]*;?\s*$/i.test(String(args[0]))) state.pragmas.push(String(args[0]));
      else if (name === "exec") state.isUsed = true;
      const value = connection.call(method, { on: connection.handle, what: "call", name, args });
      if (name === "open" || name === "close") connection.setOpen(name === "open");
      return value;
    };
  const local = (name: string): LibraryFunction =>
    function (...args) {
      const target = becomePlain(this, name);
      return (Reflect.get(target, name) as LibraryFunction).apply(target, args);
    };

  for (const name of Object.getOwnPropertyNames(original.prototype)) {
    if (name === "constructor") continue;
    define(WorkerDatabase.prototype, name, remoteMethods.has(name) ? remote(name) : local(name));
  }
  define(WorkerDatabase.prototype, Symbol.dispose, function (this: Plain) {
    if (this.isOpen === true) (this.close as () => void)();
  });
  for (const name of ["isOpen", "isTransaction", "limits"]) {
    const read: LibraryFunction = function () {
      const target = name === "limits" ? becomePlain(this, name) : plain.get(this);
      if (target !== undefined) return Reflect.get(target, name);
      const connection = inThread.get(this)?.connection;
      return connection?.call(read, { on: connection.handle, what: "get", name, args: [] });
    };
    if (name !== "limits" || Number.parseInt(process.versions.node, 10) >= 26) {
      Object.defineProperty(WorkerDatabase.prototype, name, { get: read, configurable: true, enumerable: true });
    }
  }
  return {
    // Called with `new` alone, as a class is.
    databaseClass: WorkerDatabase as unknown as LibraryFunction,
    plainOf: (database) => (database instanceof WorkerDatabase ? becomePlain(database, "backup") : database),
  };
}

/** Makes statements whose counterpart is in a thread. */
function statementPrototype(): (connection: Connection, handle: number, database: object) => object {
  const { StatementSync } = process.getBuiltinModule("node:sqlite");
  // The database is held, so that it is not garbage before its statements.
  const held = new WeakMap<object, { connection: Connection; handle: number; database: object }>();
  const prototype: object = Object.create(StatementSync.prototype);
  const call = (self: object, caller: LibraryFunction, part: Pick<UnsentCall, "what" | "name" | "args" | "keepAs">) => {
    const state = held.get(self);
    if (state === undefined) throw new TypeError("Illegal invocation");
    return state.connection.call(caller, { ...part, on: state.handle });
  };
  for (const name of [...Object.getOwnPropertyNames(StatementSync.prototype)]) {
    if (name === "constructor") continue;
    define(prototype, name, function method(this: object, ...args: unknown[]) {
      if (name !== "iterate") return call(this, method, { what: "call", name, args });
      const handle = ++lastHandle;
      call(this, method, { what: "call", name, args, keepAs: handle });
      const state = held.get(this);
      return state === undefined ? undefined : rowsOf(state.connection, handle, this);
    });
  }
  if (Symbol.dispose in StatementSync.prototype) {
    define(prototype, Symbol.dispose, function method(this: object) {
      if ("close" in this) call(this, method, { what: "call", name: "close", args: [] });
    });
  }
  for (const name of ["sourceSQL", "expandedSQL"]) {
    const read: LibraryFunction = function () {
      return call(this, read, { what: "get", name, args: [] });
    };
    Object.defineProperty(prototype, name, { get: read, configurable: true, enumerable: true });
  }
  return (connection, handle, database) => {
    const made: object = Object.create(prototype);
    held.set(made, { connection, handle, database });
    garbage.register(made, { connection, handle });
    return made;
  };
}

/** Iterator.prototype, which not every version of the language's types has by that name. */
const iteratorPrototype: object = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

/** A statement's rows, each asked for when it is wanted. */
function rowsOf(connection: Connection, handle: number, statement: object): Iterator<unknown> {
  const ask = (name: string, caller: LibraryFunction) => {
    return connection.call(caller, { on: handle, what: "call", name, args: [] }) as IteratorResult<unknown>; // an iterator's
  };
  const rows = Object.assign(Object.create(iteratorPrototype), {
    statement,
    next: function next() {
      return ask("next", next);
    },
    return: function end() {
      return ask("return", end);
    },
  });
  Object.defineProperty(rows, "statement", { enumerable: false });
  garbage.register(rows, { connection, handle });
  return rows;
}

function define(holder: object, name: PropertyKey, value: (...args: never[]) => unknown): void {
  Object.defineProperty(value, "name", { value: typeof name === "symbol" ? "[Symbol.dispose]" : name });
  Object.defineProperty(holder, name, {
    value,
    writable: true,
    configurable: true,
    enumerable: typeof name === "string",
  });
}

/** What a message carries in its place: functions and symbols are refused with the same words as any other object. */
function sendable(value: unknown): unknown {
  if (typeof value === "function" || typeof value === "symbol") return {};
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, sendableInside(each)]));
}

function sendableInside(value: unknown): unknown {
  return typeof value === "function" ||
    typeof value === "symbol" ||
    (typeof value === "object" && value !== null && !ArrayBuffer.isView(value))
    ? {}
    : value;
}

function resultOf({ value, bare }: SqliteReply): unknown {
  if (bare === undefined) return value;
  if (bare === "itself") return Object.setPrototypeOf(withBareValue(value), null);
  if (bare === "value") return withBareValue(value);
  for (const element of value as object[]) Object.setPrototypeOf(element, null);
  return value;
}

/** An iterator's result, whose value is a row. */
function withBareValue(value: unknown): unknown {
  const result = value as { done?: unknown; value?: unknown }; // an object: it was said to be bare
  if (
    "done" in result &&
    typeof result.value === "object" &&
    result.value !== null &&
    !ArrayBuffer.isView(result.value)
  ) {
    if (!Array.isArray(result.value)) Object.setPrototypeOf(result.value, null);
  }
  return value;
}
