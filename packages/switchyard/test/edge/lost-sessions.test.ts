// Socket.IO's long polling with several workers: what it answers is told to whoever reads the log.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { program } from "../app/loaded-app.ts";
import { startServer } from "../harness/server.ts";

// As Engine.IO answers: a handshake gives a session, and a poll for one that this process does not hold is 400.
const source = `
  import { createServer } from "node:http";
  createServer((request, response) => {
    response.statusCode = request.url.includes("sid=") || request.url === "/bad" ? 400 : 200;
    response.end('{"code":1,"message":"Session ID unknown"}');
  }).listen(3000);`;
const poll = "/socket.io/?EIO=4&transport=polling&t=x1&sid=gone";

/** Which lines of the log speak of sessions, when the server has answered a poll three times and ended. */
async function toldAfterPolls(t: TestContext, args: readonly string[]): Promise<string[]> {
  const server = await startServer(t, { app: program(t, { "server.mjs": source }), args: [...args] });
  await server.get("/socket.io/?EIO=4&transport=polling");
  await server.get("/bad");
  for (let i = 0; i < 3; i++) assert.equal((await server.get(poll)).status, 400);
  assert.equal(await server.stop(), 0);
  return server.lines.flatMap(({ msg }) => (msg?.includes("holds its session") ? [msg] : []));
}

for (const args of [
  ["--model", "sync", "--workers", "2"],
  ["--model", "hybrid", "--threads", "2"],
]) {
  test(`${args.join(" ")}: the log says once what to do about a session that another worker holds`, async (t) => {
    const told = await toldAfterPolls(t, args);
    // Each process has a log of its own, and each thread tells for itself.
    assert.ok(told.length >= 1 && told.length <= 2, told.join("\n"));
    assert.match(told[0] ?? "", /transports: \["websocket"\].*--model async --workers 1/);
  });
}

test("one worker alone says nothing of sessions: it has only been restarted", async (t) => {
  assert.deepEqual(await toldAfterPolls(t, ["--model", "async"]), []);
});
