// Every framework under every model: the same questions to each, with the real framework and the real command.
//
// test/fixtures/apps/README.md says what each application answers. A new framework is one line of the table.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ModelRow, models } from "../harness/models.ts";
import { get, startServer, type TestServer } from "../harness/server.ts";

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

async function assertContract({ url }: TestServer): Promise<void> {
  const hello = await get(`${url}/hello`);
  assert.deepEqual([hello.status, hello.body], [200, "Hello, world!"]);

  const json = await get(`${url}/json?x=1`);
  assert.match(json.headers["content-type"] ?? "", /^application\/json/);
  assert.deepEqual(JSON.parse(json.body), { method: "GET", path: "/json", x: "1" });

  const body = "é0123456789".repeat(10_000);
  const type = "application/x-grid";
  const echo = await get(`${url}/echo`, { method: "POST", body, headers: { "content-type": type } });
  assert.deepEqual([echo.status, echo.headers["content-type"], echo.body.length], [200, type, body.length]);
  assert.ok(echo.body === body);

  const status = await get(`${url}/status/418`);
  assert.deepEqual([status.status, status.body], [418, "status 418"]);
  assert.equal((await get(`${url}/nothing-here`)).status, 404);

  const headers = await get(`${url}/headers`, { headers: { "x-grid": "one", "user-agent": "grid" } });
  const seen = JSON.parse(headers.body);
  assert.deepEqual([seen["x-grid"], seen["user-agent"], seen.host], ["one", "grid", new URL(url).host]);

  const stream = await get(`${url}/stream`);
  assert.equal(stream.body, "chunk 0\nchunk 1\nchunk 2\nchunk 3\nchunk 4\n");
  const waited = await get(`${url}/wait?ms=20`);
  assert.deepEqual([waited.status, waited.body], [200, "waited"]);

  const head = await get(`${url}/hello`, { method: "HEAD" });
  assert.deepEqual([head.status, head.body], [200, ""]);
}

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
