// Preemption under model greenlet. What is checked is what came before what: the hog ends only after another request has
// been answered by the same worker.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { folderOf } from "../harness/folder.ts";
import { get, startServer } from "../harness/server.ts";

test("with --preempt, a request that computes without end does not hold up the others of its worker", async (t) => {
  const server = await startServer(t, {
    app: "hog/app.mjs",
    args: ["--model", "greenlet", "--workers", "1", "--preempt", "2ms"],
  });
  const hogs = [server.get("/hog"), server.get("/hog"), server.get("/hog")];
  await server.waitForStatus(({ totals }) => totals.inFlight === 3);

  assert.equal((await server.get("/hello")).body, "hello");
  for (const { status, body } of await Promise.all(hogs)) {
    assert.equal(status, 200);
    assert.equal(body, "hogged for some turns");
  }
  await server.waitForStatus(({ totals }) => totals.inFlight === 0 && totals.answered === 4);
});

test("with --preempt, a request that computes for --run-timeout is ended and answered 504, and the others go on", async (t) => {
  const args = ["--model", "greenlet", "--workers", "1", "--preempt", "2ms", "--run-timeout", "400ms"];
  const server = await startServer(t, { app: "hog/endless.mjs", args });
  const before = await server.status();
  const waits = server.get("/waits");
  await server.waitForStatus(({ totals }) => totals.inFlight === 1);

  const paths = ["/loop", "/catching", "/expression", "/recursion", "/body"];
  const overdue = paths.map((path) =>
    get(`${server.url}${path}`, path === "/body" ? { method: "POST", body: "body" } : {}),
  );
  assert.equal((await server.get("/quick")).body, "quick");
  for (const answer of await Promise.all(overdue)) {
    assert.equal(answer.status, 504);
    assert.match(answer.body, /did not answer within 400 ms/);
  }
  for (const path of paths) {
    const line = await server.waitForLine((line) => line.level === "error" && line.path === path);
    assert.equal(line.code, "SY_RUN_TIMEOUT");
  }
  // An answer that has begun is broken off, so that it does not look whole.
  await assert.rejects(server.get("/begun"));

  // What it has waited for counts for nothing.
  await server.get("/release");
  assert.equal((await waits).body, "released");
  const after = await server.waitForStatus(({ totals }) => totals.inFlight === 0);
  assert.equal(after.restarts, 0);
  assert.deepEqual(
    after.workers.map(({ pid }) => pid),
    before.workers.map(({ pid }) => pid),
  );
});

test("with --preempt, a parser that Express shares between requests is not left in the middle of a header", async (t) => {
  const folder = folderOf(t);
  const parser = join(folder, "node_modules/content-type");
  mkdirSync(parser, { recursive: true });
  mkdirSync(join(folder, "node_modules/@switchyard"));
  const greenlets = fileURLToPath(new URL("../../../greenlet", import.meta.url));
  symlinkSync(greenlets, join(folder, "node_modules/@switchyard/greenlet"));
  writeFileSync(
    join(parser, "index.js"),
    `const { hub } = require("@switchyard/greenlet");
    exports.parse = () => {
      let wasLeft = false;
      setImmediate(() => { wasLeft = true; });
      // Until a slice was over several times.
      while (!wasLeft && hub.stats().preemptionRefusals.library < 3);
      return wasLeft ? "left" : "parsed";
    };`,
  );
  const app = join(folder, "app.cjs");
  writeFileSync(
    app,
    'const { parse } = require("content-type"); module.exports = (_request, response) => response.end(parse());',
  );
  const args = ["--model", "greenlet", "--workers", "1", "--preempt", "2ms"];
  const server = await startServer(t, { app, args });
  assert.equal((await server.get("/")).body, "parsed");
});
