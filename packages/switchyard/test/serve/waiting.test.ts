// wait() in an Express application, under each model.

import assert from "node:assert/strict";
import { test } from "node:test";
import { get, startServer } from "../harness/server.ts";

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

test("async: wait() says which models it works under", async (t) => {
  const server = await startServer(t, { app: "waiting/app.mjs", args: ["--model", "async", "--no-access-log"] });
  const { status, body } = await server.get("/everywhere");
  assert.equal(status, 501);
  assert.match(body, /--model greenlet/);
  assert.match(body, /await/);
});
