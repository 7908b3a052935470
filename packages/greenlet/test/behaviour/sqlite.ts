// node:sqlite with its connection in a thread: one list of cases, run on the original and on what takes its place, in a
// greenlet and outside; and what it is for.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate as immediately } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { monkey, sleep, spawn, spawnNow } from "../../src/index.ts";

type Sqlite = typeof import("node:sqlite");
type Database = InstanceType<Sqlite["DatabaseSync"]>;
type Step = (database: Database) => unknown;

// Node 24 warns that it is experimental.
process.removeAllListeners("warning");
const sqlite = process.getBuiltinModule("node:sqlite");
const original = sqlite.DatabaseSync;

function patch(t: TestContext): void {
  monkey.patch("sqlite", "worker");
  t.after(() => monkey.unpatch("sqlite"));
}

const table = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data BLOB)";
const insert = "INSERT INTO t (name, data) VALUES (?, ?)";
const filled: Step = (db) => {
  db.exec(table);
  const statement = db.prepare(insert);
  for (const name of ["a", "b", "c"]) statement.run(name, new Uint8Array([1, 2, 3]));
};
/** Arguments that no type allows. */
const bad = (value: unknown) => value as never;

const cases: Record<string, readonly Step[]> = {
  "exec and its result": [(db) => db.exec(table)],
  "a syntax error": [(db) => db.exec("NO SQL"), (db) => db.prepare("SELECT * FROM missing")],
  "an argument of a wrong kind": [
    (db) => db.prepare(bad(1)),
    (db) => db.exec(bad({})),
    (db) => db.prepare(bad(() => 1)),
  ],
  "changes and the last row": [filled, (db) => db.prepare("UPDATE t SET name = ? WHERE id > ?").run("x", 1)],
  "all, get and none": [
    filled,
    (db) => db.prepare("SELECT * FROM t").all(),
    (db) => db.prepare("SELECT * FROM t WHERE id = ?").get(2),
    (db) => db.prepare("SELECT * FROM t WHERE id = ?").get(99),
    (db) => db.prepare("SELECT * FROM t WHERE id = ?").all(99),
  ],
  "named parameters, with and without their sign": [
    filled,
    (db) => db.prepare("SELECT id FROM t WHERE name = $name").get({ $name: "b" }),
    (db) => db.prepare("SELECT id FROM t WHERE name = $name").get({ name: "c" }),
    (db) => db.prepare("SELECT id FROM t WHERE name = $name").get({ other: "c" }),
    (db) => {
      const statement = db.prepare("SELECT $a AS a");
      statement.setAllowBareNamedParameters(false);
      return statement.get({ a: 1 });
    },
    (db) => {
      const statement = db.prepare("SELECT $a AS a");
      statement.setAllowUnknownNamedParameters(true);
      return statement.get({ a: 1, b: 2 });
    },
  ],
  "values that can't be bound": [
    (db) => db.prepare("SELECT ?").get(bad(undefined)),
    (db) => db.prepare("SELECT ?").get(bad(Symbol("s"))),
    (db) =>
      db.prepare("SELECT ?, ?").get(
        1,
        bad(() => 1),
      ),
    (db) => db.prepare("SELECT ?, ?").get(1, bad({})),
    (db) => db.prepare("SELECT ?").get(bad(true)),
    (db) => db.prepare("SELECT $a").get({ a: bad(() => 1) }),
    (db) => db.prepare("SELECT ?").get(1, 2, 3),
    (db) => db.prepare("SELECT ?").get(2n ** 64n),
  ],
  "big integers": [
    (db) => db.prepare("SELECT ? AS n").get(2n ** 40n),
    (db) => db.prepare("SELECT 9007199254740993 AS n").get(),
    (db) => {
      const statement = db.prepare("SELECT 9007199254740993 AS n");
      statement.setReadBigInts(true);
      return statement.get();
    },
    (db) => db.prepare("SELECT ? AS n").get(1.5),
  ],
  "blobs and buffers": [
    filled,
    (db) => db.prepare("SELECT data FROM t").get(),
    (db) => db.prepare("SELECT ? AS b").get(Buffer.from("buffer")),
    (db) => db.prepare("SELECT ? AS b").get(new Uint16Array([1, 2])),
  ],
  "rows as arrays": [
    filled,
    (db) => {
      const statement = db.prepare("SELECT * FROM t");
      (statement as unknown as { setReturnArrays(on: boolean): void }).setReturnArrays(true);
      return [statement.get(), statement.all(), [...statement.iterate()]];
    },
  ],
  "iterate, whole and broken off": [
    filled,
    (db) => [...db.prepare("SELECT id FROM t").iterate()],
    (db) => {
      const seen = [];
      for (const row of db.prepare("SELECT id FROM t WHERE id > ?").iterate(1)) {
        seen.push(row);
        break;
      }
      return seen;
    },
    (db) => db.prepare("SELECT id FROM t").iterate().next(),
    (db) => db.prepare("SELECT id FROM t").iterate()[Symbol.iterator]().next(),
    (db) => {
      const rows = db.prepare("SELECT id FROM t LIMIT 1").iterate();
      return [rows.next(), rows.next(), rows.next()];
    },
    (db) => {
      const statement = db.prepare("SELECT id FROM t");
      const rows = statement.iterate();
      rows.next();
      statement.get();
      return rows.next();
    },
  ],
  "columns and texts": [
    filled,
    (db) => db.prepare("SELECT id, name AS n, 1 + 1 FROM t").columns(),
    (db) => {
      const statement = db.prepare("SELECT $a AS a");
      statement.get({ a: "x" });
      return [statement.sourceSQL, statement.expandedSQL];
    },
  ],
  "constraints, and their codes": [
    (db) => db.exec("CREATE TABLE u (id INTEGER PRIMARY KEY, x UNIQUE)"),
    (db) => db.prepare("INSERT INTO u VALUES (1, 1)").run(),
    (db) => db.prepare("INSERT INTO u VALUES (1, 2)").run(),
    (db) => db.prepare("INSERT INTO u VALUES (2, 1)").run(),
  ],
  transactions: [
    (db) => [db.isOpen, db.isTransaction],
    (db) => db.exec(`${table}; BEGIN; INSERT INTO t (name) VALUES ('a')`),
    (db) => db.isTransaction,
    (db) => db.exec("ROLLBACK"),
    (db) => [db.isTransaction, db.prepare("SELECT count(*) AS n FROM t").get()],
    (db) => db.exec("COMMIT"),
  ],
  "a closed database": [
    filled,
    (db) => db.close(),
    (db) => db.isOpen,
    (db) => db.exec("SELECT 1"),
    (db) => db.prepare("SELECT 1"),
    (db) => db.close(),
    (db) => db.open(),
    (db) => db.open(),
    (db) => db.prepare("SELECT 1 AS one").get(),
    (db) => db[Symbol.dispose](),
    (db) => db[Symbol.dispose](),
    (db) => db.isOpen,
  ],
  "a statement of a closed database": [
    (db) => {
      const statement = db.prepare("SELECT 1");
      db.close();
      return statement.get();
    },
  ],
  "where it is": [(db) => db.location()],
  "functions, aggregates and what else is called back": [
    (db) => db.exec("PRAGMA user_version = 7"),
    (db) => db.function("twice", (n: unknown) => Number(n) * 2),
    (db) => db.aggregate("total", { start: 0, step: (sum: number, n: unknown) => sum + Number(n) }),
    (db) => db.prepare("SELECT twice(4) AS n, total(value) AS sum FROM (SELECT 1 AS value UNION SELECT 2)").get(),
    (db) => db.prepare("PRAGMA user_version").get(),
    (db) => typeof db.createSession(),
  ],
};

interface Outcome {
  readonly value?: unknown;
  readonly error?: unknown;
}

/** What each step gives, or throws. Objects that stand for something are as good as their kind. */
function outcomesOf(steps: readonly Step[], Class: Sqlite["DatabaseSync"]): Outcome[] {
  const database = new Class(":memory:");
  const outcomes = steps.map((step) => outcomeOf(() => step(database)));
  if (database.isOpen) database.close();
  return outcomes;
}

function outcomeOf(act: () => unknown): Outcome {
  try {
    const value = act();
    return { value: value instanceof sqlite.StatementSync ? "a statement" : value };
  } catch (error) {
    assert.ok(error instanceof Error);
    const names = Object.getOwnPropertyNames(error).filter((name) => name !== "stack");
    return {
      error: [
        error.constructor.name,
        error.name,
        Object.fromEntries(names.map((name) => [name, Reflect.get(error, name)])),
      ],
    };
  }
}

for (const [name, steps] of Object.entries(cases)) {
  test(`node:sqlite in a thread, ${name}: as the original, in a greenlet and outside`, async (t) => {
    const expected = outcomesOf(steps, original);
    patch(t);
    assert.notEqual(sqlite.DatabaseSync, original);
    assert.deepEqual(await spawn(outcomesOf, steps, sqlite.DatabaseSync), expected);
    assert.deepEqual(outcomesOf(steps, sqlite.DatabaseSync), expected);
  });
}

test("node:sqlite in a thread: what a database is made of is checked as by the original", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "greenlet-sqlite-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "a.db");
  const made: ((Class: Sqlite["DatabaseSync"]) => unknown)[] = [
    (Class) => new (Class as unknown as new () => unknown)(),
    (Class) => new Class(bad(7)),
    (Class) => new Class(":memory:", bad(7)),
    (Class) => new Class(":memory:", { open: bad(7) }),
    (Class) => new Class(join(folder, "missing", "a.db")),
    (Class) => new Class(bad(new URL("http://localhost/a.db"))),
    (Class) => new Class(":memory:", { open: false }).isOpen,
    (Class) => new Class(":memory:", { open: false }).exec("SELECT 1"),
    (Class) => new Class(file).exec("CREATE TABLE IF NOT EXISTS t (id)"),
    (Class) => new Class(pathToFileURL(file), { readOnly: true }).exec("INSERT INTO t VALUES (1)"),
    (Class) => new Class(Buffer.from(file)).prepare("SELECT count(*) AS n FROM t").get(),
    (Class) => new Class(file).location(),
    (Class) => new (class extends Class {})(":memory:") instanceof Class,
  ];
  const run = (Class: Sqlite["DatabaseSync"]) => made.map((make) => outcomeOf(() => make(Class)));
  const expected = run(original);
  patch(t);
  assert.deepEqual(await spawn(run, sqlite.DatabaseSync), expected);
  assert.deepEqual(run(sqlite.DatabaseSync), expected);
});

test("node:sqlite in a thread: while a greenlet waits for a query, timers and other greenlets run", async (t) => {
  patch(t);
  const folder = mkdtempSync(join(tmpdir(), "greenlet-sqlite-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [locking, waiting] = [1, 2].map(
    () => new sqlite.DatabaseSync(join(folder, "data.db"), { timeout: 600_000 }),
  ) as [Database, Database];
  locking.exec(table);
  const order: string[] = [];
  locking.exec("BEGIN IMMEDIATE");
  // SQLite waits in it until the other connection's transaction has ended.
  const query = spawnNow(() => {
    waiting.prepare(insert).run("a", null);
    order.push("query");
  });
  assert.equal(query.state, "parked");
  assert.match(query.waitsFor, /node:sqlite/);
  await spawn(() => {
    for (let turn = 0; turn < 3; turn++) sleep(1);
    order.push("others");
    locking.exec("COMMIT");
  });
  await query;
  assert.deepEqual(order, ["others", "query"]);
  locking.close();
  waiting.close();
});

test("node:sqlite in a thread: one greenlet's transaction stays its own, until it or the greenlet ends", async (t) => {
  patch(t);
  const database = new sqlite.DatabaseSync(":memory:");
  database.exec("CREATE TABLE t (who TEXT)");
  const add = (who: string) => database.prepare("INSERT INTO t VALUES (?)").run(who);
  const names = () =>
    database
      .prepare("SELECT who FROM t")
      .all()
      .map(({ who }) => who);
  const inside = spawnNow(() => {
    database.exec("BEGIN");
    add("inside");
    sleep();
    assert.throws(() => database.exec(bad(1)), { code: "ERR_INVALID_ARG_TYPE" });
    assert.deepEqual(names(), ["inside"]);
    database.exec("ROLLBACK");
  });
  const outside = spawnNow(() => add("outside"));
  await Promise.all([inside, outside]);
  assert.deepEqual(names(), ["outside"]);

  const killed = spawnNow(() => {
    database.exec("BEGIN");
    sleep(60_000);
  });
  while (!killed.waitsFor.includes("timer")) await immediately();
  assert.throws(() => database.exec("SELECT 1"), { code: "ERR_SWITCH_FORBIDDEN" });
  const next = spawnNow(() => {
    // It was left open, as the original leaves it.
    assert.equal(database.isTransaction, true);
    database.exec("ROLLBACK");
  });
  killed.kill();
  await next;
  assert.equal(database.isTransaction, false);
  database.close();
});

test("node:sqlite in a thread: a greenlet that is killed in a query leaves the database usable", async (t) => {
  patch(t);
  const database = new sqlite.DatabaseSync(":memory:");
  const killed = spawnNow(() => database.exec("CREATE TABLE t (id)"));
  killed.kill();
  await killed;
  assert.deepEqual({ ...(await spawn(() => database.prepare("SELECT count(*) AS n FROM t").get())) }, { n: 0 });
  database.close();
});

test("node:sqlite in a thread: what can't be there is refused after the first statement, and the report says so", (t) => {
  patch(t);
  const database = new sqlite.DatabaseSync(":memory:");
  database.exec("CREATE TABLE t (id)");
  assert.throws(() => database.function("f", () => 1), {
    code: "ERR_INVALID_STATE",
    message: /before the first statement/,
  });
  database.close();
  const report = monkey.report();
  assert.deepEqual(report.patched.find(({ library }) => library === "sqlite")?.functions.slice(-2), [
    "DatabaseSync",
    "backup",
  ]);
  assert.ok(report.blocking.some(({ what }) => /node:sqlite with functions/.test(what)));
});

test("node:sqlite in a thread: a copy of a database is made by backup() as ever", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "greenlet-sqlite-"));
  t.after(() => rmSync(folder, { recursive: true }));
  patch(t);
  const file = join(folder, "from.db");
  const first = new sqlite.DatabaseSync(file);
  first.exec("CREATE TABLE t AS SELECT 1 AS one");
  first.close();
  const database = new sqlite.DatabaseSync(file);
  await sqlite.backup(database, join(folder, "to.db"));
  database.close();
  const copy = new sqlite.DatabaseSync(join(folder, "to.db"));
  assert.deepEqual({ ...copy.prepare("SELECT * FROM t").get() }, { one: 1 });
  copy.close();
});
