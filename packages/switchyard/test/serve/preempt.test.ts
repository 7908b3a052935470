// Preemption under model greenlet. What is checked is what came before what: the hog ends only after another request has
// been answered by the same worker.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer } from "../harness/server.ts";

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
