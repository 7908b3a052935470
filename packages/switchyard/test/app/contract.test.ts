// Every form of application, loaded from its fixture and asked everything that test/fixtures/apps/README.md promises.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import { mayBeReset } from "../harness/connections.ts";
import { loadApp } from "./loaded-app.ts";

const forms = [
  ["a plain listener", "node-listener/app.js", "a request listener (default export)"],
  ["a listener as module.exports", "node-listener-cjs/app.cjs", "a request listener (default export)"],
  ["an exported http.Server", "http-server/app.js", "an HTTP server (export `server`)"],
  ["a program that listens", "server-program/server.js", "a program that listens by itself (it asked for port 3000)"],
  ["a CommonJS program", "server-program-cjs/server.cjs", "a program that listens by itself (it asked for port 3001)"],
  ["Express 5", "express/app.js", "an Express app (default export)"],
  ["Express 5 in CommonJS", "express-cjs/app.cjs", "an Express app (export `app`)"],
  ["Express 4", "express4/app.js", "an Express app (default export)"],
  ["Express beside its server", "express-ws/app.js", "an HTTP server (export `server`)"],
  ["Koa", "koa/app.js", "a Koa app (default export)"],
  ["Fastify", "fastify/app.js", "a Fastify app (default export)"],
  ["Hono", "hono/app.js", "a Hono app (default export)"],
  ["h3", "h3/app.js", "an H3 app (export `app`)"],
  ["Nest", "nest/src/main.ts", "a program that listens by itself (it asked for port 3000)"],
  ["a Fetch function", "fetch-function/app.js", "a Fetch handler (default export)"],
  ["an async Fetch function", "fetch-async/app.ts", "a Fetch handler (export `fetch`)"],
  ["a Fetch generator function", "fetch-generator/app.js", "a Fetch handler (export `handler`)"],
  ["an object with fetch", "fetch-object/app.js", "an object with fetch (default export)"],
  ["an async factory", "create-app/app.js", "an Express app (export `createApp`)"],
] as const;

for (const [name, app, description] of forms) {
  test(`${name} is found without configuration and answers as it does under Node`, async (t) => {
    const { origin, outcome } = await loadApp(t, { app });
    assert.equal(outcome.description, description);
    await assertContract(origin);
  });
}

describe("in a worker thread", () => {
  for (const app of ["express/app.js", "server-program-cjs/server.cjs", "fetch-generator/app.js"]) {
    test(`${app} is found and answers as in a process`, async (t) => {
      const { origin } = await loadApp(t, { app, isolation: "thread" });
      await assertContract(origin);
    });
  }
});

for (const app of ["express-ws/app.js", "express-ws-program/server.js", "fastify-ws/app.js"]) {
  test(`a WebSocket of ${app} is upgraded by the program's own server`, async (t) => {
    const { outcome } = await loadApp(t, { app });
    assert.equal(outcome.takesUpgrades, true);
    const socket = mayBeReset(new WebSocket(`ws://127.0.0.1:${outcome.port}/ws`));
    t.after(() => socket.terminate());
    await once(socket, "open");
    socket.send("hello");
    const [message] = await once(socket, "message");
    assert.equal(String(message), "hello");
  });
}

test("an Express Router is served by itself, and what it does not know is answered 404", async (t) => {
  const { origin, outcome } = await loadApp(t, { app: "express-router/routes.js" });
  assert.equal(outcome.description, "an Express Router (default export)");
  assert.equal(await (await fetch(`${origin}/hello`)).text(), "Hello, world!");
  assert.equal((await fetch(`${origin}/else`)).status, 404);
});

async function assertContract(origin: string): Promise<void> {
  const hello = await fetch(`${origin}/hello`);
  assert.equal(hello.status, 200);
  assert.match(hello.headers.get("content-type") ?? "", /^text\//);
  assert.equal(await hello.text(), "Hello, world!");

  const json = await fetch(`${origin}/json?x=1`);
  assert.deepEqual(await json.json(), { method: "GET", path: "/json", x: "1" });

  const body = "piece of a body\n".repeat(20_000);
  const echo = await fetch(`${origin}/echo`, { method: "POST", body, headers: { "content-type": "text/x-echo" } });
  assert.match(echo.headers.get("content-type") ?? "", /^text\/x-echo/);
  assert.equal(await echo.text(), body);

  const status = await fetch(`${origin}/status/418`);
  assert.deepEqual([status.status, await status.text()], [418, "status 418"]);

  const headers = await fetch(`${origin}/headers`, { headers: { "x-asked": "yes" } });
  assert.equal(Object(await headers.json())["x-asked"], "yes");

  const stream = await fetch(`${origin}/stream`);
  assert.equal(await stream.text(), "chunk 0\nchunk 1\nchunk 2\nchunk 3\nchunk 4\n");

  for (const path of ["/throw", "/reject"]) {
    const failed = await fetch(`${origin}${path}`);
    await failed.arrayBuffer();
    assert.equal(failed.status, 500, path);
  }

  const waited = await fetch(`${origin}/wait?ms=5`);
  assert.equal(await waited.text(), "waited");

  const head = await fetch(`${origin}/hello`, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);

  const missing = await fetch(`${origin}/no-such-route`);
  await missing.arrayBuffer();
  assert.equal(missing.status, 404);
}
