// The bound of the queue: what waits is served in order of arrival, what is over the limit is told to come again.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Accounting, sendRaw, tally } from "../harness/accounting.ts";
import { startGate } from "../harness/gate.ts";
import { startServer } from "../harness/server.ts";

async function start(t: TestContext, args: readonly string[]) {
  const gate = await startGate(t);
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", "sync", "--no-access-log", ...args],
    env: { ...gate.env },
  });
  return { gate, server, client: new Accounting(server) };
}

test("exactly queueLimit requests wait; one more gets 503 with Retry-After, and is counted", async (t) => {
  const { gate, server, client } = await start(t, ["--workers", "2", "--queue-limit", "5"]);
  const running = [client.send("/gate"), client.send("/gate")];
  await gate.waitFor(2);
  const queued = Array.from({ length: 5 }, () => client.send("/gate"));
  await server.waitForStatus(({ queue }) => queue?.length === 5);

  const refused = await Promise.all(Array.from({ length: 3 }, () => client.send("/gate").outcome));
  assert.deepEqual(tally(refused), { 503: 3 });
  for (const { text } of refused) assert.match(text, /\r\nRetry-After: [1-9]\d*\r\n/);

  gate.open();
  assert.deepEqual(tally(await Promise.all([...running, ...queued].map(({ outcome }) => outcome))), { 200: 7 });
  assert.deepEqual(
    client.ran.sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7],
  );
  const { totals, queue } = await server.waitForStatus(({ totals }) => totals.inFlight === 0);
  assert.deepEqual(totals, { begun: 10, inFlight: 0, answered: 7, failed: 3, aborted: 0, refused: 0 });
  assert.deepEqual(queue, { length: 0, limit: 5, oldestMs: 0, refused: 3, timedOut: 0, abandoned: 0 });
});

test("requests are served in the order in which they arrived, whoever sent them", async (t) => {
  const { gate, server, client } = await start(t, ["--workers", "1"]);
  const first = client.send("/gate");
  await gate.waitFor(1);
  // Requests of one connection arrive in its order; the next connection sends when they are seen in the queue.
  const pipelined = (numbers: number[]) =>
    sendRaw(server, numbers.map((number) => `GET /run HTTP/1.1\r\nHost: test\r\nX-Number: ${number}\r\n\r\n`).join(""));
  const connections = [pipelined([2, 3, 4, 5])];
  await server.waitForStatus(({ queue }) => queue?.length === 4);
  connections.push(pipelined([6, 7, 8]));
  await server.waitForStatus(({ queue }) => queue?.length === 7);
  connections.push(pipelined([9, 10]));
  await server.waitForStatus(({ queue }) => queue?.length === 9);

  gate.open();
  await first.outcome;
  await server.waitForStatus(({ totals }) => totals.answered === 10);
  for (const { socket } of connections) socket.destroy();
  const statuses = (await Promise.all(connections.map(({ outcome }) => outcome))).map(
    ({ statuses }) => statuses.length,
  );
  assert.deepEqual(statuses, [4, 3, 2]);
  assert.deepEqual(client.ran, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test("what waits in the queue while every worker is dead is served by the replacement", async (t) => {
  const { gate, server, client } = await start(t, ["--workers", "2"]);
  const running = [client.send("/gate"), client.send("/gate")];
  const arrivals = await gate.waitFor(2);
  const queued = Array.from({ length: 4 }, () => client.send("/run"));
  await server.waitForStatus(({ queue }) => queue?.length === 4);
  for (const { pid } of arrivals) process.kill(pid, "SIGKILL");
  assert.deepEqual(tally(await Promise.all(running.map(({ outcome }) => outcome))), { 502: 2 });
  assert.deepEqual(tally(await Promise.all(queued.map(({ outcome }) => outcome))), { 200: 4 });
  assert.deepEqual(client.ran.slice(2).sort(), [3, 4, 5, 6]);
});
