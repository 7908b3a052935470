// Every framework under every model: the same questions to each, with the real framework and the real command.
//
// test/fixtures/apps/README.md says what each application answers. A new framework is one line of the table.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertContract } from "../harness/contract.ts";
import { type ModelRow, models } from "../harness/models.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const frameworks: readonly (readonly [name: string, app: string])[] = [
  ["Express 5", "express/app.js"],
  ["Express 5 (CommonJS)", "express-cjs/app.cjs"],
  ["Express 4", "express4/app.js"],
  ["Koa", "koa/app.js"],
  ["Fastify", "fastify/app.js"],
  ["Fastify (program that listens)", "fastify-program/server.js"],
  ["Hono", "hono/app.js"],
  ["h3", "h3/app.js"],
  ["node:http listener", "node-listener/app.js"],
  ["node:http listener (CommonJS)", "node-listener-cjs/app.cjs"],
  ["exported http.Server", "http-server/app.js"],
  ["program that listens", "server-program/server.js"],
  ["program that listens (CommonJS)", "server-program-cjs/server.cjs"],
  ["NestJS", "nest/src/main.ts"],
  ["Express beside ws", "express-ws/app.js"],
  ["factory", "create-app/app.js"],
  ["Fetch function", "fetch-function/app.js"],
  ["Fetch async function", "fetch-async/app.ts"],
  ["Fetch generator function", "fetch-generator/app.js"],
  ["Fetch object", "fetch-object/app.js"],
];

describe("each framework under each model", { concurrency: 2 }, () => {
  for (const [framework, app] of frameworks) {
    for (const row of models) {
      test(`${framework}, ${row.name}: answers the contract, survives its own errors and stops with 0`, async (t) => {
        const server = await startServer(t, { app, args: row.args });
        await assertContract(server);
        await assertSurvivesErrors(server, row);
        assert.equal(await server.stop(), 0, server.otherOutput.join("\n"));
      });
    }
  }
});

/** A handler that throws or rejects is answered with 500, and the same workers go on. */
async function assertSurvivesErrors(server: TestServer, { model }: ModelRow): Promise<void> {
  for (const path of ["/throw", "/reject"]) {
    assert.equal((await server.get(path)).status, 500, path);
  }
  // More than there are workers, so that each is asked at least once where requests are given to workers in turn.
  const again = await Promise.all(Array.from({ length: model === "sync" ? 4 : 2 }, () => server.get("/hello")));
  for (const answer of again) assert.equal(answer.body, "Hello, world!");
  assert.equal((await server.status()).restarts, 0);
}
