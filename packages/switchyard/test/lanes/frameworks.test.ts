// Frameworks that know nothing of lanes, with lanes of three models in one server: loops, a sync lane, greenlet lanes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertContract } from "../harness/contract.ts";
import { startServer } from "../harness/server.ts";

const lanes = {
  "/echo": ["sync", "/echo=sync:1"],
  "/json": ["sync", "/json=sync:1"],
  "/throw": ["sync", "/throw=sync:1"],
  "/stream": ["greenlet", "/stream=greenlet"],
  "/wait": ["greenlet", "/wait=greenlet:1"],
  "/reject": ["greenlet", "/reject=greenlet"],
} as const;

for (const [framework, app] of [
  ["Express", "express/app.js"],
  ["Fastify", "fastify/app.js"],
  ["NestJS", "nest/src/main.ts"],
] as const) {
  test(`${framework} answers the same from loops, sync lanes and greenlet lanes of one server`, async (t) => {
    const flags = Object.values(lanes).flatMap(([, text]) => ["--lane", text]);
    const server = await startServer(t, { app, args: ["--model", "hybrid", "--workers", "2", ...flags] });
    await assertContract(server);
    for (const path of ["/throw", "/reject"]) assert.equal((await server.get(path)).status, 500);
    await assertContract(server);
    for (const [path, [model]] of Object.entries(lanes)) {
      const line = await server.waitForLine((each) => String(each.path).split("?")[0] === path);
      assert.deepEqual([line.lane, line.model], [path.slice(1), model]);
    }
    const hello = await server.waitForLine(({ path }) => path === "/hello");
    assert.deepEqual([hello.lane, hello.model], [undefined, "async"]);
    assert.equal((await server.status()).restarts, 0);
    assert.equal(await server.stop(), 0, server.otherOutput.join("\n"));
  });
}
