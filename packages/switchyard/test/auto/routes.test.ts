// What is one route, and what never moves, with frameworks that tell their routes in ways of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openConnection } from "../harness/accounting.ts";
import { until } from "../harness/patience.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const args = ["--model", "auto", "--workers", "2", "--no-access-log"];

/** Asks for one path after the other until a route is moved. @returns what was moved, and how many were asked for. */
async function askUntilMoved(server: TestServer, pathOf: (number: number) => string): Promise<[string[], number]> {
  for (let count = 1; ; count++) {
    assert.equal((await server.get(pathOf(count))).status, 200);
    const { moves } = await server.status();
    if (moves.length > 0) return [moves.map(({ method, route }) => `${method} ${route}`), count];
  }
}

/** A name without a digit, another for each number. */
function nameOf(number: number): string {
  return [...String(number)].map((digit) => "abcdefghij"[Number(digit)]).join("");
}

test("names are one route where Hono tells it, and what it answers by writeHead is known", async (t) => {
  const server = await startServer(t, { app: "auto/hono.mjs", args });
  const pids = (await server.status()).workers.map(({ pid }) => pid);
  const stays = async (path: string) => {
    for (let i = 0; i < 12; i++)
      assert.ok(pids.includes(JSON.parse((await server.get(path)).body.replace("data: ", "")).pid));
  };
  // A stream of events, and an answer of two megabytes.
  await stays("/events");
  await stays("/download");
  const [moves] = await askUntilMoved(server, (number) => `/users/${nameOf(number)}`);
  assert.deepEqual(moves, ["GET /users/:name"]);
  await stays("/events");
});

test("names are one route where a router of Koa tells it, with the prefixes of those above", async (t) => {
  const server = await startServer(t, { app: "auto/koa.mjs", args });
  const [moves] = await askUntilMoved(server, (number) => `/api/users/${nameOf(number)}`);
  assert.deepEqual(moves, ["GET /api/users/:name"]);
});

test("a router of Express that is mounted at a parameter is one, whatever the names", async (t) => {
  const server = await startServer(t, { app: "auto/app.mjs", args });
  const [moves] = await askUntilMoved(server, (number) => `/tenants/${nameOf(number)}/statement`);
  assert.deepEqual(moves, ["GET /tenants/:id/statement"]);
});

test("a thousand names that are each asked for once are one route of an application that tells none", async (t) => {
  const server = await startServer(t, { app: "auto/listener.mjs", args });
  const [moves, count] = await askUntilMoved(server, (number) => `/users/${nameOf(number)}`);
  assert.deepEqual(moves, ["GET /users/:id"]);
  assert.ok(count < 1_000);
});

test("of a moved route, an upgrade and a request with a large body or one of unknown length stay on the loops", async (t) => {
  const server = await startServer(t, { app: "auto/listener.mjs", args });
  const loops = (await server.status()).workers.map(({ pid }) => pid);
  const inLoop = async (head: string, body = "") => {
    const { socket, outcome } = openConnection(server);
    socket.write(`${head}\r\nHost: test\r\n\r\n${body}`);
    const { text } = await outcome;
    return loops.includes(Number(/"pid":(\d+)/.exec(text)?.[1]));
  };
  const post = "POST /users/1 HTTP/1.1\r\nConnection: close\r\n";
  const get = "GET /users/1 HTTP/1.1\r\n";
  await until(async () => !(await inLoop(`${post}Content-Length: 4`, "body")));
  await until(async () => !(await inLoop(`${get}Connection: close`)));
  assert.ok(await inLoop(`${post}Transfer-Encoding: chunked`, "4\r\nbody\r\n0\r\n\r\n"));
  const large = 1024 ** 2 + 1;
  assert.ok(await inLoop(`${post}Content-Length: ${large}`, "x".repeat(large)));
  assert.ok(await inLoop(`${get}Connection: close\r\nAccept: text/event-stream`));
  assert.ok(await inLoop(`${get}Connection: Upgrade\r\nUpgrade: test`));
  assert.ok(!(await inLoop(`${post}Content-Length: 4`, "body")));
});
