// Worker threads are offered the oldest request while they are busy. It waits in the one queue all the same: whoever is free
// first runs it, and nobody runs it once its client has gone.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Accounting, tally } from "../harness/accounting.ts";
import { startGate } from "../harness/gate.ts";
import { startServer } from "../harness/server.ts";

/** Two threads, each with a request that waits at the gate. */
async function start(t: TestContext) {
  const gate = await startGate(t);
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", "sync", "--no-access-log", "--threads", "2"],
    env: { ...gate.env },
  });
  const client = new Accounting(server);
  const first = client.send("/gate");
  await gate.waitFor(1);
  const second = client.send("/gate");
  const held = await gate.waitFor(2);
  return { gate, server, client, first, second, held };
}

for (const freed of [0, 1]) {
  test(`requests are run oldest first by thread ${freed + 1}, while the other is busy for long`, async (t) => {
    const { gate, server, client, first, second, held } = await start(t);
    const queued = [];
    for (let length = 1; length <= 4; length++) {
      queued.push(client.send("/run"));
      await server.waitForStatus(({ queue }) => queue?.length === length);
    }
    held[freed]!.release();
    assert.deepEqual(tally(await Promise.all(queued.map(({ outcome }) => outcome))), { 200: 4 });
    assert.deepEqual(client.ran, [1, 2, 3, 4, 5, 6]);
    gate.open();
    assert.deepEqual(tally(await Promise.all([first.outcome, second.outcome])), { 200: 2 });
  });
}

test("a request whose client leaves while it is on offer to a busy thread is never run", async (t) => {
  const { gate, server, client, first, second } = await start(t);
  const leaving = client.send("/run");
  await server.waitForStatus(({ queue }) => queue?.length === 1);
  const staying = client.send("/run");
  await server.waitForStatus(({ queue }) => queue?.length === 2);
  leaving.socket.destroy();
  await server.waitForStatus(({ queue }) => queue?.length === 1 && queue.abandoned === 1);
  gate.open();
  assert.deepEqual(tally(await Promise.all([first.outcome, second.outcome, staying.outcome])), { 200: 3 });
  assert.deepEqual(client.ran, [1, 2, 4]);
});

test("a request on offer to a thread that dies is run by another", async (t) => {
  const { gate, server, client, first, second } = await start(t);
  gate.open();
  assert.deepEqual(tally(await Promise.all([first.outcome, second.outcome])), { 200: 2 });
  // Each thread ends while others wait, again and again.
  for (let round = 0; round < 5; round++) {
    const ending = [client.send("/exit"), client.send("/exit")];
    const others = await client.load("/run", { clients: 8, count: 20 });
    assert.deepEqual(tally(await Promise.all(ending.map(({ outcome }) => outcome))), { 502: 2 });
    assert.deepEqual(tally(others), { 200: 20 });
  }
  await server.waitForStatus(({ totals }) => totals.inFlight === 0);
  assert.equal(new Set(client.ran).size, client.ran.length);
});
