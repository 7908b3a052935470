// Busy threads with short requests are sent the next ones ahead. These wait in the one queue all the same: whoever is free
// first runs them, nobody runs what was left by its client, and a thread that dies takes only its own with it.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Accounting, sendRaw, tally } from "../harness/accounting.ts";
import { startGate } from "../harness/gate.ts";
import { startServer } from "../harness/server.ts";

/** Threads whose requests have been short so far. */
async function start(t: TestContext, args: readonly string[] = ["--model", "sync", "--threads", "2"]) {
  const gate = await startGate(t);
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: [...args, "--no-access-log"],
    env: { ...gate.env },
  });
  const client = new Accounting(server);
  assert.deepEqual(tally(await client.load("/run", { clients: 8, count: 100 })), { 200: 100 });
  const before = client.ran.length;
  /** One after the other on one connection, so that they come at once and in order. */
  const pipelined = (requests: readonly (readonly [path: string, number: number])[]) =>
    sendRaw(
      server,
      requests.map(([path, number]) => `GET ${path} HTTP/1.1\r\nHost: test\r\nX-Number: ${number}\r\n\r\n`).join(""),
    );
  return { gate, server, client, pipelined, ran: () => client.ran.slice(before) };
}

const models = {
  sync: ["--model", "sync", "--threads", "2"],
  "a sync lane": ["--model", "async", "--lane", "/**=sync:2"],
};

for (const [model, args] of Object.entries(models)) {
  for (const freed of [0, 1]) {
    test(`${model}: what was sent ahead to two threads whose requests turn out long is run by thread ${freed + 1}`, {
      timeout: 300_000,
    }, async (t) => {
      const { gate, server, pipelined, ran } = await start(t, args);
      const { socket, outcome } = pipelined([
        ["/gate", 1001],
        ["/gate", 1002],
        ...[3, 4, 5, 6, 7, 8].map((n) => ["/run", 1000 + n] as const),
      ]);
      const held = await gate.waitFor(2);
      held[freed]!.release();
      // The other is never free before all of them were run.
      await server.waitForLine(() => ran().length >= 8);
      // The first two ran at the same time; the order of the others is in test/pool/ahead.
      assert.deepEqual(
        ran().sort((a, b) => a - b),
        [1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008],
      );
      gate.open();
      await server.waitForStatus(({ totals }) => totals.answered === 108);
      socket.destroy();
      assert.deepEqual((await outcome).statuses, Array(8).fill(200));
    });
  }
}

test("requests that are sent ahead to a thread that ends are run by another, each once", async (t) => {
  const { server, client } = await start(t);
  for (let round = 0; round < 3; round++) {
    const ending = client.send("/exit");
    const others = await client.load("/run", { clients: 8, count: 60 });
    assert.deepEqual(tally([await ending.outcome]), { 502: 1 });
    const counts = tally(others);
    // One that was begun in the thread just then ends with it.
    assert.equal((counts[200] ?? 0) + (counts[502] ?? 0), 60);
    await server.waitForStatus(({ totals, workers }) => totals.inFlight === 0 && workers.length === 2);
  }
  assert.equal(new Set(client.ran).size, client.ran.length);
});

test("a request that was sent ahead runs in a context of its own: it finds no AsyncLocalStorage store of the one before", async (t) => {
  const server = await startServer(t, {
    app: "ahead/app.mjs",
    args: ["--model", "sync", "--threads", "1", "--no-access-log"],
  });
  for (let round = 0; round < 5; round++) {
    const { socket, outcome } = sendRaw(
      server,
      Array.from({ length: 20 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: test\r\n\r\n`).join(""),
    );
    await server.waitForStatus(({ totals }) => totals.answered === (round + 1) * 20);
    socket.destroy();
    const { text } = await outcome;
    assert.equal(text.match(/none;/g)?.length, 20);
  }
});
