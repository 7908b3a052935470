// Workers that have served for long enough, or have grown too large, are replaced one at a time, and no request is lost.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startLoad } from "../harness/load.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const models = {
  hybrid: ["--model", "hybrid", "--workers", "2"],
  sync: ["--model", "sync", "--workers", "2"],
  "sync with threads": ["--model", "sync", "--workers", "1", "--threads", "2"],
};

async function start(t: TestContext, args: readonly string[]): Promise<TestServer> {
  return startServer(t, { app: "control/app.mjs", args: [...args, "--no-access-log"] });
}

for (const [model, args] of Object.entries(models)) {
  test(`${model}: --max-requests replaces workers again and again without losing a request`, async (t) => {
    const server = await start(t, [...args, "--max-requests", "100"]);
    const load = startLoad(t, server.url);
    await server.waitForStatus(({ restarts }) => restarts >= 4);
    const { outcomes, sent } = await load.stop();
    assert.deepEqual(outcomes, { ok: sent });
    await server.waitForLine(({ why }) => /^it has had \d+ requests, and maxRequests is 100$/.test(String(why)));
    const { workersWanted } = await server.waitForStatus(
      ({ workers, totals }) =>
        totals.answered === sent && workers.filter(({ state }) => state === "ready").length === 2,
    );
    assert.equal(workersWanted, 2);
  });
}

for (const [what, limit, reason] of [
  ["its age", ["--max-lifetime", "300ms"], /served for \d+ s, and maxLifetimeMs is 300/],
  ["the memory of its process", ["--memory-limit", "1mb"], /MiB of memory, and memoryLimitBytes is 1 MiB/],
  ["its heap", ["--heap-limit", "1mb"], /its heap holds \d+ MiB, and heapLimitBytes is 1 MiB/],
] as const) {
  for (const model of ["hybrid", "sync"] as const) {
    test(`${model}: a worker is replaced for ${what}, one at a time, when its successor is ready`, async (t) => {
      const server = await start(t, [...models[model], ...limit]);
      await server.waitForStatus(({ restarts }) => restarts >= 3);
      const recycled = server.lines.filter(({ why }) => why !== undefined);
      assert.ok(recycled.length >= 2);
      for (const { why } of recycled) assert.match(String(why), reason);
      assert.equal((await server.get("/")).status, 200);
    });
  }
}
