// Under model greenlet the event loop goes round in the middle of a request's run: where a patched function waits, and where
// a slice is over. That must not show in what Node tells of promises.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer } from "../harness/server.ts";

const app = "mid-run/app.mjs";
const ways = [
  ["reads a file", "/reads", []],
  ["computes for several slices", "/computes", ["--preempt", "2ms"]],
] as const;

for (const [what, path, args] of ways) {
  test(`greenlet: a promise is not unhandled while the request that is to handle it ${what}`, async (t) => {
    const server = await startServer(t, { app, args: ["--model", "greenlet", "--workers", "1", ...args] });
    for (const { status, body } of await Promise.all([1, 2, 3].map(() => server.get(`${path}?handles`)))) {
      assert.equal(body, "handled early");
      assert.equal(status, 200);
    }
    assert.equal((await server.get(path)).status, 500, "one that nobody handles is answered once the run is over");
    const line = await server.waitForLine((line) => line.level === "error" && line.component === "worker 1");
    assert.equal(line.path, path, "nothing was logged of those before");
  });
}

test("greenlet: a program's own listener for unhandled rejections hears of none that is handled in the same run", async (t) => {
  const args = ["--model", "greenlet", "--workers", "1"];
  const server = await startServer(t, { app, args, env: { LISTENS: "1" } });
  for (let asked = 0; asked < 3; asked++) assert.equal((await server.get("/reads?handles")).body, "handled early");
  assert.equal((await server.get("/heard")).body, "0");
});
