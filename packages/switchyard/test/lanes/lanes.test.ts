// Lanes over real sockets: one queue whatever loop a request came in by, limits, sizes, priority, and the death of each party.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { UserLane } from "../../src/config/settings.ts";
import type { LaneSnapshot, ServerStatus } from "../../src/metrics/snapshot.ts";
import { Accounting, tally } from "../harness/accounting.ts";
import { startGate } from "../harness/gate.ts";
import { until } from "../harness/patience.ts";
import { startServer } from "../harness/server.ts";

/** A server of two loops with these lanes. */
async function start(t: TestContext, lanes: readonly UserLane[], args: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-lanes-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, "config.mjs");
  writeFileSync(config, `export default ${JSON.stringify({ lanes })};\n`);
  const gate = await startGate(t);
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", "hybrid", "--workers", "2", "--config", config, ...args],
    env: gate.env,
  });
  return { gate, server, client: new Accounting(server) };
}

function laneOf(status: ServerStatus, name: string): LaneSnapshot {
  const lane = status.lanes.find((each) => each.name === name);
  assert.ok(lane, name);
  return lane;
}

const gateLane: UserLane = { match: "/gate", model: "sync", workers: 2 };

test("all loops have one queue: never more run than there are workers, in the order in which they came", async (t) => {
  const { gate, server, client } = await start(t, [gateLane]);
  const sent = [];
  for (let count = 1; count <= 6; count++) {
    sent.push(client.send("/gate"));
    // In the queue, or at the gate, before the next is sent, whichever loop takes it.
    await server.waitForStatus((status) => laneOf(status, "gate").requests.begun === count);
    await server.waitForStatus((status) => laneOf(status, "gate").queue?.length === Math.max(0, count - 2));
  }
  assert.equal((await gate.waitFor(2)).length, 2);
  for (let next = 0; next < 6; next++) {
    const arrivals = await gate.waitFor(Math.min(6, next + 2));
    assert.equal(arrivals.length, Math.min(6, next + 2), "one more runs only when one is done");
    arrivals[next]!.release();
  }
  assert.deepEqual(tally(await Promise.all(sent.map(({ outcome }) => outcome))), { 200: 6 });
  assert.deepEqual(client.ran, [1, 2, 3, 4, 5, 6]);
  const lines = await Promise.all(sent.map(({ number }) => server.waitForLine((line) => line.ran === number)));
  assert.equal(new Set(lines.map(({ thread }) => thread)).size, 2, "both workers were used");
  const { lanes, totals } = await server.waitForStatus(({ totals }) => totals.answered === 6);
  assert.deepEqual(
    lanes.map(({ name, requests }) => [name, requests.answered]),
    [
      ["gate", 6],
      ["default", 0],
    ],
  );
  assert.equal(totals.begun, 6);
});

test("what no lane takes runs in the loops while every worker of a lane is busy", async (t) => {
  const { gate, server, client } = await start(t, [{ match: "/spin", model: "sync", workers: 1 }]);
  const stuck = client.send("/spin");
  await server.waitForLine((line) => line.ran === stuck.number);
  for (let i = 0; i < 20; i++) assert.equal((await server.get("/run")).body, "ran");
  gate.open();
  stuck.socket.destroy();
});

test("over queueLimit and over queueTimeoutMs a request gets 503 with Retry-After, counted apart, and never runs", async (t) => {
  const { gate, server, client } = await start(t, [
    { ...gateLane, workers: 1, queueLimit: 1 },
    { match: "/never", model: "sync", workers: 1, queueTimeoutMs: 100 },
  ]);
  const first = client.send("/gate");
  await gate.waitFor(1);
  const second = client.send("/gate");
  await server.waitForStatus((status) => laneOf(status, "gate").queue?.length === 1);
  const overLimit = await client.send("/gate").outcome;
  const running = client.send("/never");
  await server.waitForLine(({ ran }) => ran === running.number);
  const tooLate = await client.send("/never").outcome;
  for (const { statuses, text } of [overLimit, tooLate]) {
    assert.deepEqual(statuses, [503]);
    assert.match(text, /\r\nRetry-After: [1-9]\d*\r\n/);
  }
  assert.match(overLimit.text, /The queue is full: 1 requests wait already/);
  assert.match(tooLate.text, /No worker was free/);
  running.socket.destroy();
  gate.open();
  assert.deepEqual(tally(await Promise.all([first.outcome, second.outcome])), { 200: 2 });
  // The loops tell of requests, the pool's process of its queues.
  await server.waitForStatus((status) => {
    const { queue } = laneOf(status, "gate");
    return status.totals.inFlight === 0 && queue?.refused === 1 && laneOf(status, "never").queue?.timedOut === 1;
  });
  assert.deepEqual(client.ran, [1, running.number, 2]);
});

test("newest-first serves the newest of those that wait, and a full queue gives up its oldest", async (t) => {
  const lane: UserLane = { ...gateLane, workers: 1, queueLimit: 2, order: "newest-first" };
  const { gate, server, client } = await start(t, [lane]);
  const sent = [client.send("/gate")];
  await gate.waitFor(1);
  for (let count = 1; count <= 3; count++) {
    sent.push(client.send("/gate"));
    await server.waitForStatus((status) => laneOf(status, "gate").requests.begun === count + 1);
    await server.waitForStatus((status) => laneOf(status, "gate").queue?.length === Math.min(2, count));
  }
  assert.deepEqual((await sent[1]!.outcome).statuses, [503]);
  gate.open();
  await Promise.all(sent.map(({ outcome }) => outcome));
  assert.deepEqual(client.ran, [1, 4, 3]);
});

test("a request in an endless loop gets 504 after runTimeoutMs, and its worker is replaced", async (t) => {
  const { server, client } = await start(t, [
    { match: ["/spin", "/run"], model: "sync", workers: 1, runTimeoutMs: 4_000 },
  ]);
  const stuck = client.send("/spin");
  await server.waitForLine((line) => line.ran === stuck.number);
  const next = client.send("/run");
  assert.deepEqual((await stuck.outcome).statuses, [504]);
  assert.deepEqual((await next.outcome).statuses, [200]);
  const [before, after] = [stuck, next].map(({ number }) => client.runOf(number)?.thread);
  assert.notEqual(before, after);
});

test("a queued request whose client goes away is never run", async (t) => {
  const { gate, server, client } = await start(t, [{ ...gateLane, workers: 1 }]);
  const first = client.send("/gate");
  await gate.waitFor(1);
  const leaving = client.send("/gate");
  await server.waitForStatus((status) => laneOf(status, "gate").queue?.length === 1);
  leaving.socket.destroy();
  await server.waitForStatus((status) => laneOf(status, "gate").queue?.abandoned === 1);
  gate.open();
  await first.outcome;
  assert.equal((await client.send("/gate").outcome).statuses[0], 200);
  assert.deepEqual(client.ran, [1, 3]);
});

test("a lane with { min, max } grows while requests wait, and shrinks when its workers are idle", async (t) => {
  const lane: UserLane = { ...gateLane, workers: { min: 1, max: 3 }, growAfterMs: 20, idleMs: 300 };
  const { gate, server, client } = await start(t, [lane]);
  const sent = Array.from({ length: 5 }, () => client.send("/gate"));
  await gate.waitFor(3);
  const { workers } = laneOf(
    await server.waitForStatus((status) => laneOf(status, "gate").workers?.live === 3),
    "gate",
  );
  assert.equal(workers?.max, 3);
  gate.open();
  assert.deepEqual(tally(await Promise.all(sent.map(({ outcome }) => outcome))), { 200: 5 });
  await server.waitForStatus((status) => laneOf(status, "gate").workers?.live === 1);
  assert.equal((await server.status()).restarts, 0);
});

test("workers of a sync lane run at a lower priority, and nothing else does", {
  skip: process.platform !== "linux",
}, async (t) => {
  const { server } = await start(t, [gateLane, { match: "/p", model: "async", workers: 1, isolation: "process" }]);
  const { workers } = await server.waitForStatus(({ workers }) => workers.length === 5);
  const pool = workers.find(({ lane }) => lane === "gate")!.pid;
  assert.equal(nicesOf(pool).filter((nice) => nice === 10).length, 2);
  for (const { pid, lane } of workers) if (lane !== "gate") assert.ok(nicesOf(pid).every((nice) => nice === 0));
});

/** The nice value of each thread (proc(5), /proc/pid/stat, the 19th field). */
function nicesOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  });
}

test("when the pool's process dies, what it ran gets 502, and what waited is run by the next", async (t) => {
  const { gate, server, client } = await start(t, [{ ...gateLane, workers: 1 }]);
  const running = client.send("/gate");
  const [arrival] = await gate.waitFor(1);
  const waiting = client.send("/gate");
  await server.waitForStatus((status) => laneOf(status, "gate").queue?.length === 1);
  const posted = client.send("/gate", { method: "POST", headers: "Content-Length: 2\r\n", body: "ab" });
  await server.waitForStatus((status) => laneOf(status, "gate").queue?.length === 2);
  process.kill(arrival!.pid, "SIGKILL");

  assert.deepEqual((await running.outcome).statuses, [502]);
  const post = await posted.outcome;
  assert.deepEqual(post.statuses, [503], "to run a POST twice may do harm");
  assert.match(post.text, /\r\nRetry-After: 1\r\n/);
  const [, second] = await gate.waitFor(2);
  assert.notEqual(second!.pid, arrival!.pid);
  gate.open();
  assert.deepEqual((await waiting.outcome).statuses, [200]);
  assert.deepEqual(client.ran, [1, 2]);
});

test("when a loop dies, its queued requests are never run, and the lane serves the other loops", async (t) => {
  const { gate, server, client } = await start(t, [{ ...gateLane, workers: 1 }]);
  const first = client.send("/gate");
  await gate.waitFor(1);
  const second = client.send("/gate");
  const { workers } = await server.waitForStatus((status) => laneOf(status, "gate").queue?.length === 1);
  for (const { pid, lane } of workers) if (lane === null) process.kill(pid, "SIGKILL");
  for (const { outcome } of [first, second]) assert.deepEqual((await outcome).statuses, []);
  await server.waitForStatus((status) => laneOf(status, "gate").queue?.abandoned === 1);
  gate.open();
  await server.waitForStatus(({ workers }) => workers.filter(({ lane }) => lane === null).length === 2);
  assert.deepEqual((await client.send("/gate").outcome).statuses, [200]);
  assert.deepEqual(client.ran, [1, 3]);
});

for (const model of ["async", "greenlet"] as const) {
  test(`lane of model ${model} with workers of its own has many requests at once in one of them`, async (t) => {
    const { gate, server, client } = await start(t, [{ match: "/gate", model, workers: 1, isolation: "process" }]);
    const sent = Array.from({ length: 8 }, () => client.send("/gate"));
    const arrivals = await gate.waitFor(8);
    const { workers } = await server.waitForStatus((status) => status.workers.some(({ lane }) => lane === "gate"));
    const own = workers.find(({ lane }) => lane === "gate");
    assert.deepEqual([own?.model, own?.isolation], [model, "process"]);
    assert.deepEqual([...new Set(arrivals.map(({ pid }) => pid))], [own?.pid]);
    gate.open();
    assert.deepEqual(tally(await Promise.all(sent.map(({ outcome }) => outcome))), { 200: 8 });
    assert.equal(await server.stop(), 0);
  });
}

test("one server has lanes of every model, in the loops and beside them, and each access line says which", async (t) => {
  const { server } = await start(t, [
    { match: "/run", methods: ["POST"], model: "sync", workers: 2, processes: 2 },
    { match: "/run", methods: ["PUT"], model: "greenlet" },
    { match: "/pid", model: "async" },
  ]);
  for (const [method, path] of [
    ["POST", "/run"],
    ["PUT", "/run"],
    ["GET", "/pid"],
    ["GET", "/run"],
  ] as const) {
    assert.equal((await server.get(path, { method })).status, 200);
  }
  const lines = await Promise.all(
    [
      ["POST", "/run"],
      ["PUT", "/run"],
      ["GET", "/pid"],
      ["GET", "/run"],
    ].map(([method, path]) => server.waitForLine((line) => line.method === method && line.path === path)),
  );
  assert.deepEqual(
    lines.map(({ lane, model }) => [lane, model]),
    [
      ["run", "sync"],
      ["run-2", "greenlet"],
      ["pid", "async"],
      [undefined, "async"],
    ],
  );
  assert.equal(await server.stop(), 0);
});

test("a lane's body limit is its own", async (t) => {
  const { server } = await start(t, [{ match: "/body", model: "sync", workers: 1, bodyLimitBytes: 3 }]);
  const post = (path: string) =>
    server.get(path, { method: "POST", ...({ body: "four" } as object) }).then(({ status }) => status);
  assert.equal(await post("/body"), 413);
  assert.equal(await post("/run"), 200);
});

test("a sync server with lanes has their workers beside its own, without loops", async (t) => {
  const sync = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", "sync", "--workers", "1", "--lane", "/pid=sync:1", "--lane", "/run=async"],
  });
  for (const path of ["/pid", "/run", "/body"]) assert.equal((await sync.get(path)).status, 200);
  const { lanes } = await sync.waitForStatus(({ totals }) => totals.answered === 3);
  assert.deepEqual(
    lanes.map(({ name, requests, workers }) => [name, requests.answered, workers?.live]),
    [
      ["pid", 1, 1],
      ["run", 1, 1],
      ["default", 1, 1],
    ],
  );
});

test("the folder of the links is gone after a stop, and after the supervisor was killed", async (t) => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const folder = mkdtempSync(join(tmpdir(), "switchyard-links-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const args = ["--model", "async", "--lane", "/run=sync:1", "--control-socket", "off"];
    const server = await startServer(t, { app: "faults/app.mjs", args, env: { TMPDIR: folder } });
    assert.equal((await server.get("/run")).status, 200);
    assert.equal(readdirSync(folder).length, 1);
    await server.stop(signal);
    await until(
      () => readdirSync(folder).length === 0,
      () => readdirSync(folder),
    );
  }
});
