// A client that hangs up, in every phase of a request. Nothing that it leaves behind may run for nobody, hold a worker, or
// be counted as in flight for ever.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Accounting, openConnection, sendRaw, tally } from "../harness/accounting.ts";
import { startGate } from "../harness/gate.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const models = {
  async: ["--model", "async"],
  greenlet: ["--model", "greenlet", "--workers", "1"],
  sync: ["--model", "sync", "--workers", "1"],
};

async function start(t: TestContext, args: readonly string[]) {
  const gate = await startGate(t);
  const server = await startServer(t, { app: "faults/app.mjs", args, env: { ...gate.env } });
  return { gate, server, client: new Accounting(server) };
}

for (const [model, args] of Object.entries(models)) {
  test(`${model}: a client that leaves before its request is whole reaches no worker, and leaves nothing behind`, async (t) => {
    const { server, client } = await start(t, args);
    const unfinished = [
      "",
      "GET /ru",
      "GET /run HTTP/1.1\r\nHost: te",
      "GET /run HTTP/1.1\r\nHost: test\r\nX-Number: 99\r\n",
    ];
    for (const bytes of unfinished) {
      const { socket, outcome } = openConnection(server);
      await once(socket, "connect");
      await new Promise<void>((resolve) => void socket.write(bytes, () => resolve()));
      socket.resetAndDestroy();
      await outcome;
    }
    assert.deepEqual(tally([await client.send("/run").outcome]), { 200: 1 });
    const { totals } = await server.waitForStatus(({ totals }) => totals.answered === 1);
    assert.equal(totals.begun, 1);
    assert.deepEqual(client.ran, [1]);
  });

  test(`${model}: a client that leaves in its body, while it waits, or in its answer is counted and holds nobody`, async (t) => {
    const { gate, server, client } = await start(t, args);
    const inBody = client.send("/body", {
      method: "POST",
      headers: "Content-Length: 1000000\r\n",
      body: "a beginning",
    });
    await server.waitForLine(({ ran }) => ran === inBody.number);
    inBody.socket.resetAndDestroy();

    const waiting = client.send("/gate");
    await gate.waitFor(1);
    waiting.socket.destroy();
    await server.waitForLine(({ left }) => left === waiting.number);

    const never = client.send("/never");
    await server.waitForLine(({ ran }) => ran === never.number);
    never.socket.destroy();

    const inAnswer = client.send("/stream?chunks=1000");
    await once(inAnswer.socket, "data");
    inAnswer.socket.destroy();

    assert.deepEqual(tally([await client.send("/run").outcome]), { 200: 1 });
    const { totals } = await server.waitForStatus(({ totals }) => totals.begun === 5 && totals.inFlight === 0);
    assert.deepEqual(totals, { begun: 5, inFlight: 0, answered: 1, failed: 0, aborted: 4, refused: 0 });
    assert.equal((await server.status()).restarts, 0);
  });

  test(`${model}: a client that leaves between two requests of its connection is not missed`, async (t) => {
    const { server, client } = await start(t, args);
    const { socket } = sendRaw(server, "GET /run HTTP/1.1\r\nHost: test\r\n\r\n");
    await once(socket, "data");
    socket.destroy();
    assert.deepEqual(tally([await client.send("/run").outcome]), { 200: 1 });
    const { totals } = await server.waitForStatus(({ totals }) => totals.answered === 2);
    assert.deepEqual(totals, { begun: 2, inFlight: 0, answered: 2, failed: 0, aborted: 0, refused: 0 });
  });

  test(`${model}: a client that says with FIN that it sends no more is taken to have left, or, in its body, gets 400`, async (t) => {
    const { gate, server, client } = await start(t, args);
    const whole = client.send("/gate");
    await gate.waitFor(1);
    whole.socket.end();
    assert.deepEqual((await whole.outcome).statuses, []);
    await server.waitForLine(({ left }) => left === whole.number);

    const cut = client.send("/body", { method: "POST", headers: "Content-Length: 100\r\n", body: "a beginning" });
    await server.waitForLine(({ ran }) => ran === cut.number);
    cut.socket.end();
    assert.deepEqual((await cut.outcome).statuses, [400]);
    const { totals } = await server.waitForStatus(({ totals }) => totals.aborted === 1 && totals.answered === 1);
    assert.equal(totals.inFlight, 0);
  });

  test(`${model}: of pipelined requests whose client leaves none is counted as in flight for ever`, async (t) => {
    const { gate, server } = await start(t, args);
    const request = "GET /gate HTTP/1.1\r\nHost: test\r\n\r\n";
    const { socket } = sendRaw(server, request.repeat(3));
    await gate.waitFor(1);
    socket.destroy();
    const { totals } = await server.waitForStatus(({ totals }) => totals.begun === 3 && totals.inFlight === 0);
    assert.equal(totals.aborted, 3);
  });
}

test("sync: a client that leaves the queue is taken out of it, and its request never runs", async (t) => {
  const { gate, server, client } = await start(t, ["--model", "sync", "--workers", "1"]);
  const first = client.send("/gate");
  await gate.waitFor(1);
  const queued = Array.from({ length: 6 }, () => client.send("/run"));
  await waitForQueue(server, 6);
  const leaving = queued.filter(({ number }) => number % 2 === 0);
  for (const { socket } of leaving) socket.destroy();
  const { queue } = await waitForQueue(server, 3);
  assert.equal(queue?.abandoned, 3);

  gate.open();
  const staying = queued.filter((each) => !leaving.includes(each));
  assert.deepEqual(tally(await Promise.all([first, ...staying].map(({ outcome }) => outcome))), { 200: 4 });
  assert.deepEqual(client.ran, [1, 3, 5, 7]);
  const { totals } = await server.waitForStatus(({ totals }) => totals.inFlight === 0);
  assert.deepEqual(totals, { begun: 7, inFlight: 0, answered: 4, failed: 0, aborted: 3, refused: 0 });
});

test("sync: a worker whose client has left is free when its handler ends, and the next request gets it", async (t) => {
  const { gate, client } = await start(t, ["--model", "sync", "--workers", "1"]);
  const first = client.send("/gate");
  const [arrival] = await gate.waitFor(1);
  const second = client.send("/gate");
  first.socket.destroy();
  arrival!.release();
  const [, next] = await gate.waitFor(2);
  next!.release();
  assert.deepEqual((await second.outcome).statuses, [200]);
});

function waitForQueue(server: TestServer, length: number) {
  return server.waitForStatus(({ queue }) => queue?.length === length);
}
