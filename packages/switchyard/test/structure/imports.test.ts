// The arrows between the folders of the sources, which docs/architecture.md draws and gives the reasons for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadedBy, type Module, readModules } from "./modules.ts";

const modules = readModules(new URL("../../src/", import.meta.url));

/** A unit may import those that come after it, types included. */
const order = [
  "index",
  "cli",
  "experiments",
  "compare",
  "plan",
  "control",
  "supervisor",
  "pool/worker",
  "loop",
  "pool",
  "edge",
  "exchange",
  "watch",
  "ipc",
  "app",
  "tracing",
  "log",
  "dev",
  "auto",
  "config",
  "lanes",
  "server-control",
  "metrics",
  "errors",
  "clock",
  "collections",
  "node-http",
  "write-now",
];

/** The folder that a module is in, or its own name when it is in none. */
function unitOf(path: string): string {
  if (path.startsWith("pool/worker/")) return "pool/worker";
  const slash = path.indexOf("/");
  return slash === -1 ? path.replace(/\.ts$/, "") : path.slice(0, slash);
}

test("the imports of the sources are read, and each leads to a file", () => {
  assert.ok(modules.size > 50);
  for (const { path, imports } of modules.values()) {
    for (const { target, specifier } of imports) {
      if (target === null) continue;
      assert.ok(modules.has(target), `${path} imports ${specifier}, which is no file`);
    }
  }
  assert.ok(modules.get("cli/serve.ts")?.imports.some(({ target }) => target === "supervisor/supervisor.ts"));
  assert.ok(modules.get("errors.ts")?.imports.length === 0);
});

test("every folder has its place in the order, and nothing imports upwards", () => {
  const wrong: string[] = [];
  for (const { path, imports } of modules.values()) {
    const place = order.indexOf(unitOf(path));
    assert.notEqual(place, -1, `${unitOf(path)} is not in the order`);
    for (const { target } of imports) {
      if (target === null || unitOf(target) === unitOf(path)) continue;
      if (order.indexOf(unitOf(target)) < place) wrong.push(`${path} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("control and supervisor know nothing of each other", () => {
  assert.deepEqual(importsBetween("control", "supervisor"), []);
});

test("the process of the supervisor loads nothing that touches a request", () => {
  const loaded = [...loadedBy(modules, "cli/main.ts")];
  assert.ok(loaded.includes("supervisor/supervisor.ts"));
  const forbidden = loaded.filter(
    (path) =>
      ["edge", "exchange", "app", "loop", "pool/worker"].includes(unitOf(path)) ||
      ["pool/main.ts", "pool/balancer.ts", "pool/queue.ts", "pool/transfer.ts"].includes(path),
  );
  assert.deepEqual(forbidden, []);
});

for (const entry of ["loop/main.ts", "pool/worker/main.ts"]) {
  test(`a worker (${entry}) loads nothing that starts, keeps or replaces workers but the threads of its own process`, () => {
    const keepers = ["main", "pool", "balancer", "queue", "transfer"].map((name) => `pool/${name}.ts`);
    const forbidden = [...loadedBy(modules, entry)].filter(
      (path) => ["cli", "control", "supervisor"].includes(unitOf(path)) || keepers.includes(path),
    );
    assert.deepEqual(forbidden, []);
  });
}

test("the entries of processes and threads are known, and the files exist", () => {
  const entries = new Set([...modules.values()].flatMap(({ starts }) => starts));
  assert.deepEqual([...entries].sort(), [
    "app/syntax-probe.ts",
    "cli/reread.ts",
    "compare/load/main.ts",
    "experiments/switch-costs.ts",
    "loop/main.ts",
    "pool/main.ts",
    "pool/worker/main.ts",
    "watch/watchdog-thread.ts",
  ]);
  for (const entry of entries) assert.ok(modules.has(entry), entry);
});

test("an application knows nothing of the server that runs it", () => {
  const outside = [...modules.values()]
    .filter(({ path }) => unitOf(path) === "app")
    .flatMap(({ imports }) => imports.map(({ target }) => target))
    .filter((target) => target !== null && unitOf(target) !== "app" && modules.has(target));
  assert.deepEqual([...new Set(outside)].sort(), [
    "config/program-settings.ts",
    "config/suggest.ts",
    "errors.ts",
    "node-http.ts",
  ]);
});

test("only clock.ts reads a clock", () => {
  const clock = /\bDate\.now\(|\bperformance\.now\(|\bnew Date\(\)|\bhrtime\b|\bprocess\.uptime\(/;
  const readers = pathsOf(({ text }) => clock.test(text));
  assert.deepEqual(readers, ["clock.ts"]);
});

test("only node-http.ts takes values from node:http", () => {
  const takesValues = ({ imports, text }: Module) =>
    imports.some(({ specifier, isType }) => specifier === "node:http" && !isType) ||
    text.includes('getBuiltinModule("node:http")');
  assert.deepEqual(pathsOf(takesValues), ["node-http.ts"]);
});

test("each library is known to one file, and greenlets to the two that run them and the one that measures them", () => {
  const users: Record<string, string[]> = {};
  for (const { path, imports } of modules.values()) {
    for (const { specifier, target } of imports) {
      if (target !== null || specifier.startsWith("node:")) continue;
      users[specifier] = [...new Set([...(users[specifier] ?? []), path])];
    }
  }
  assert.deepEqual(users, {
    "@hono/node-server": ["app/fetch-handler.ts"],
    "@switchyard/greenlet": ["experiments/switch-costs.ts", "loop/greenlets.ts", "loop/run-greenlet.ts"],
    "@switchyard/greenlet/loop-watch": ["watch/watchdog.ts"],
    "get-tsconfig": ["app/typescript.ts"],
    pino: ["log/logger.ts"],
    "pino-pretty": ["log/logger.ts"],
    "sonic-boom": ["log/line-output.ts"],
    valibot: ["config/values.ts"],
  });
});

test("what makes and sends spans is reached by tracing/open.ts alone, which loads it where it is asked for", () => {
  const reached = [...modules.values()]
    .filter(({ path }) => unitOf(path) !== "tracing")
    .flatMap(({ imports }) => imports.filter(({ isType }) => !isType).map(({ target }) => target))
    .filter((target) => target !== null && unitOf(target) === "tracing");
  assert.deepEqual([...new Set(reached)], ["tracing/open.ts"]);
  const atOnce = modules.get("tracing/open.ts")!.text.matchAll(/^import (?!type ).*from "([^"]+)"/gm);
  assert.deepEqual(
    Array.from(atOnce, ([, from]) => from),
    ["./environment.ts"],
  );
});

test("the package greenlet knows nothing of switchyard", () => {
  const greenlet = readModules(new URL("../../../greenlet/src/", import.meta.url));
  assert.ok(greenlet.size > 10);
  for (const { path, imports } of greenlet.values()) {
    for (const { specifier, target } of imports) {
      assert.ok(!/^switchyard(?:\/|$)/.test(specifier), `${path} imports ${specifier}`);
      assert.ok(target === null || greenlet.has(target), `${path} imports ${specifier}, outside its package`);
    }
  }
});

function importsBetween(one: string, other: string): string[] {
  return [...modules.values()].flatMap(({ path, imports }) =>
    imports
      .map(({ target }) => target)
      .filter((target) => target !== null && [one, other].includes(unitOf(path)) && unitOf(target) !== unitOf(path))
      .filter((target) => target !== null && [one, other].includes(unitOf(target)))
      .map((target) => `${path} imports ${target}`),
  );
}

function pathsOf(fits: (module: Module) => boolean): string[] {
  return [...modules.values()].filter(fits).map(({ path }) => path);
}
