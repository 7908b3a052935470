// wait() in an Express application, under each model.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { folderOf } from "../harness/folder.ts";
import { get, startServer } from "../harness/server.ts";

const greenletPackage = fileURLToPath(new URL("../../../greenlet", import.meta.url));

const able = [
  ["greenlet", ["--workers", "1"]],
  ["sync", ["--workers", "1"]],
  ["sync", ["--threads", "1"]],
] as const;

for (const [model, args] of able) {
  test(`${model} ${args.join(" ")}: wait() works in middleware, callbacks, getters, and after a body was parsed`, async (t) => {
    const server = await startServer(t, {
      app: "waiting/app.mjs",
      args: ["--model", model, ...args, "--no-access-log"],
    });
    const asked = Array.from({ length: 20 }, () => server.get("/everywhere"));
    for (const { status, body } of await Promise.all(asked)) {
      assert.equal(status, 200, body);
      assert.deepEqual(JSON.parse(body), { who: "middleware", names: ["a", "b"], sorted: [1, 2, 3], value: "getter" });
    }
    const headers = { "content-type": "application/json" };
    const posted = await get(`${server.url}/after-body`, { method: "POST", headers, body: '{"n":1}' });
    assert.deepEqual(JSON.parse(posted.body), { who: "middleware", body: { n: 1 } });
    assert.equal((await server.get("/on-end")).body, "ended");
  });
}

test("sync: a program whose first request loads greenlets can wait in that request", async (t) => {
  const folder = folderOf(t);
  mkdirSync(join(folder, "node_modules/@switchyard"), { recursive: true });
  symlinkSync(greenletPackage, join(folder, "node_modules/@switchyard/greenlet"));
  writeFileSync(join(folder, "package.json"), '{ "dependencies": { "@switchyard/greenlet": "*" } }');
  const app = join(folder, "app.cjs");
  writeFileSync(
    app,
    `module.exports = (_request, response) => {
      const { wait } = require("@switchyard/greenlet");
      response.end(wait(Promise.resolve("waited")));
    };`,
  );
  const server = await startServer(t, { app, args: ["--model", "sync", "--workers", "1", "--no-access-log"] });
  assert.equal((await server.get("/")).body, "waited");
});

test("async: wait() says which models it works under", async (t) => {
  const server = await startServer(t, { app: "waiting/app.mjs", args: ["--model", "async", "--no-access-log"] });
  const { status, body } = await server.get("/everywhere");
  assert.equal(status, 501);
  assert.match(body, /--model greenlet/);
  assert.match(body, /await/);
});
