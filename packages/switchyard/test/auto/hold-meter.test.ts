// The meter and the evidence on a real server, with real frameworks in its place: a handler that holds the loop is found,
// one that waits is not.

import assert from "node:assert/strict";
import { once } from "node:events";
import http, { type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import express from "express";
import fastify from "fastify";
import { Evidence, type RouteEvidence } from "../../src/auto/evidence.ts";
import { HoldMeter } from "../../src/auto/hold-meter.ts";
import { openRunDelay, RunDelay } from "../../src/auto/run-delay.ts";
import { get } from "../harness/server.ts";

const thresholdMs = 20;

/** Uses the CPU for that long, whatever else the machine does: by what this process has used of it. */
function burn(ms: number): void {
  const from = process.cpuUsage();
  for (;;) {
    const { user, system } = process.cpuUsage(from);
    if (user + system > ms * 1000) return;
  }
}

interface Measured {
  readonly url: string;
  seen(): RouteEvidence[];
}

async function serve(t: TestContext, listener: RequestListener): Promise<Measured> {
  const evidence = new Evidence();
  const runDelay = openRunDelay();
  // Each part is measured exactly from the first on: the machine may be busy.
  runDelay.without(0);
  const meter = new HoldMeter({
    thresholdMs,
    runDelay,
    onHold: (hold) => evidence.record(hold, 0),
  });
  const server = http.createServer((request, response) => {
    if (evidence.hasRoutes) evidence.count(request);
    const beginMs = meter.begin();
    listener(request, response);
    meter.end(response, beginMs);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: () => evidence.take(0),
  };
}

/** The first time that a route holds a loop makes it known, and is not counted. */
async function twice(url: string, options: Parameters<typeof get>[1] = {}): Promise<void> {
  await get(url, options);
  await get(url, options);
}

const routesOf = (all: RouteEvidence[]) => all.map(({ method, route, holds }) => ({ method, route, holds }));

test("a handler that holds the loop is found, with the time that it took", async (t) => {
  const server = await serve(t, (_request, response) => {
    burn(60);
    response.end("done");
  });
  await twice(`${server.url}/reports/17?x=1`);
  const [one] = server.seen();
  assert.deepEqual([one?.method, one?.route, one?.holds, one?.samplePath], ["GET", "/reports/:id", 1, "/reports/17"]);
  assert.ok(one!.longestMs >= thresholdMs);
  assert.deepEqual(server.seen(), []);
});

test("a handler that holds the loop after an await is found when it answers", async (t) => {
  const server = await serve(t, async (_request, response) => {
    await new Promise((resolve) => setImmediate(resolve));
    burn(60);
    response.end("done");
  });
  await twice(`${server.url}/late`);
  assert.deepEqual(routesOf(server.seen()), [{ method: "GET", route: "/late", holds: 1 }]);
});

test("a handler that only waits is not found, and what waits beside it is told", async (t) => {
  const server = await serve(t, async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    if (request.url === "/both") burn(60);
    response.end("done");
  });
  await get(`${server.url}/waits`);
  assert.deepEqual(server.seen(), []);
  await twice(`${server.url}/both`);
  const [one] = server.seen();
  assert.equal(one?.route, "/both");
  assert.ok(one!.waitedMs > 10);
});

test("a request that is counted is known again by its route, and one that streams events is told", async (t) => {
  const server = await serve(t, (request, response) => {
    response.setHeader("Content-Type", "text/event-stream");
    if (request.url !== "/things/2") burn(60);
    response.end("data: 1\n\n");
  });
  await twice(`${server.url}/things/1`);
  await get(`${server.url}/things/2`);
  const [one] = server.seen();
  assert.deepEqual([one?.requests, one?.holds, one?.isEventStream], [2, 1, true]);
});

test("Express tells its own route, of routers too, also when a body was parsed before", async (t) => {
  const app = express();
  const router = express.Router();
  router.get("/:name/report", (_request, response) => {
    burn(60);
    response.send("done");
  });
  router.post("/:name", express.json(), (_request, response) => {
    burn(60);
    response.send("done");
  });
  app.use("/people/:group", router);
  const server = await serve(t, app);
  await twice(`${server.url}/people/1/anna/report`);
  const headers = { "Content-Type": "application/json" };
  await twice(`${server.url}/people/2/ben`, { method: "POST", headers, body: '{"a":1}' });
  assert.deepEqual(routesOf(server.seen()), [
    { method: "GET", route: "/people/:id/:name/report", holds: 1 },
    { method: "POST", route: "/people/:id/:name", holds: 1 },
  ]);
});

test("Fastify tells its own route from the second time on", async (t) => {
  const app = fastify();
  app.get("/people/:name", async () => {
    burn(60);
    return "done";
  });
  await app.ready();
  t.after(() => app.close());
  const server = await serve(t, (request, response) => app.routing(request, response));
  await twice(`${server.url}/people/anna`);
  await twice(`${server.url}/people/anna`);
  // The first request may have been asked about by another test of this process.
  assert.equal(server.seen().at(-1)?.route, "/people/:name");
});

test("what the kernel had a thread wait for a CPU is taken off, all of it since the last reading", () => {
  let delayMs = 0;
  const runDelay = new RunDelay(() => delayMs);
  delayMs = 30;
  assert.equal(runDelay.without(50), 20);
  assert.ok(runDelay.isWatched);
  delayMs = 100;
  runDelay.mark();
  delayMs = 110;
  assert.equal(runDelay.without(50), 40);
  delayMs = 500;
  assert.equal(runDelay.without(50), 0);
});

test("a million different paths fill a table of a fixed size, and the rest is counted", () => {
  const evidence = new Evidence();
  for (let i = 0; i < 1_000; i++) {
    const path = `/${[...String(i)].map((digit) => "abcdefghij"[Number(digit)]).join("")}`;
    const request = { method: "GET", url: path } as http.IncomingMessage;
    const response = { req: request, getHeader: () => undefined } as unknown as http.ServerResponse;
    evidence.record({ response, heldMs: 50, waitedMs: 0 }, i);
  }
  assert.equal(evidence.overlooked, 1_000 - 64);
  evidence.take(20_000);
  assert.equal(evidence.hasRoutes, false);
});
