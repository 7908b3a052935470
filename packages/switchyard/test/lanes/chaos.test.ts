// A server with three lanes of which at random workers, loops and the pool's process are killed, handlers never end, and
// clients hang up; every request that was sent must have one answer, or lose its connection to a death that explains it.
//
// Short in the suite. SWITCHYARD_CHAOS_MS sets how long it runs, SWITCHYARD_CHAOS_SEED repeats a run's choices.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Accounting, type Outcome, tally } from "../harness/accounting.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const runMs = Number(process.env.SWITCHYARD_CHAOS_MS ?? 4_000);
const seed = Number(process.env.SWITCHYARD_CHAOS_SEED ?? Date.now() % 100_000);
const clients = 6;

const lanes = ["--lane", "/run=sync:2", "--lane", "/spin=sync:1-2", "--lane", "/pid=async:1"];

test(`three lanes in chaos lose no request without a cause (seed ${seed})`, { timeout: runMs + 90_000 }, async (t) => {
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", "hybrid", "--workers", "2", "--run-timeout", "700", "--no-access-log", ...lanes],
  });
  const random = randomFrom(seed);
  const client = new Accounting(server);
  const endAtMs = Date.now() + runMs;
  const isOver = () => Date.now() >= endAtMs;
  const outcomes: { outcome: Outcome; path: string; hungUp: boolean }[] = [];
  let kills = 0;

  const load = async () => {
    while (!isOver()) {
      const path = ["/run", "/run", "/pid", "/body", "/spin"][Math.floor(random() * 5)]!;
      const method = random() < 0.3 ? "POST" : "GET";
      const body = method === "POST" ? { method, headers: "Content-Length: 4\r\n", body: "body" } : {};
      const sent = client.send(path, body);
      const hungUp = random() < 0.1;
      if (hungUp) sent.socket.end();
      if (hungUp && random() < 0.5) sent.socket.destroy();
      outcomes.push({ outcome: await sent.outcome, path, hungUp });
    }
  };
  const havoc = async () => {
    while (!isOver()) {
      const { workers } = await server.status();
      const victim = workers[Math.floor(random() * workers.length)];
      if (victim !== undefined && (await killed(victim.pid))) kills++;
      await server.waitForStatus(({ workers }) => isOver() || workers.every(({ pid }) => pid !== victim?.pid));
    }
  };
  await Promise.all([...Array.from({ length: clients }, load), havoc()]);

  // Whatever was killed last is replaced, and every lane serves again.
  for (const path of ["/run", "/pid", "/body"]) await untilServed(server, path);
  for (const { outcome, path, hungUp } of outcomes) {
    const { statuses } = outcome;
    assert.ok(statuses.length <= 1, `${path} was answered ${statuses.join(", ")}`);
    // None: the client hung up, or its loop was killed, which resets or ends the connection.
    if (statuses.length === 0) assert.ok(hungUp || kills > 0, `${path} has no answer`);
    else assert.ok([200, 502, 503, 504].includes(statuses[0]!), `${path} was answered ${statuses[0]}`);
    if (path === "/spin") assert.notEqual(statuses[0], 200);
  }
  const counts = tally(outcomes.map(({ outcome }) => outcome));
  assert.ok((counts["200"] ?? 0) > 0, JSON.stringify(counts));
  assertRunsFewTimes(client, outcomes.length);
  const { totals } = await server.waitForStatus(({ totals }) => totals.inFlight === 0);
  assert.equal(totals.begun, totals.answered + totals.failed + totals.aborted);
  assert.equal(await server.stop(), 0);
});

/** A request is run once, or twice when the first process that it was sent to was killed before it said that it ran it. */
function assertRunsFewTimes(client: Accounting, sent: number): void {
  const times = new Map<number, number>();
  for (const number of client.ran) if (number > 0) times.set(number, (times.get(number) ?? 0) + 1);
  for (const [number, count] of times)
    assert.ok(count <= 2 && number <= sent + 100, `request ${number} ran ${count} times`);
}

async function killed(pid: number): Promise<boolean> {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself since the status was made.
    return false;
  }
}

async function untilServed(server: TestServer, path: string): Promise<void> {
  for (;;) {
    const status = await server.get(path, { method: "POST" }).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return;
    await server.status();
  }
}

/** Mulberry32: a small generator whose runs repeat with their seed. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("a reload under load moves lanes' requests to the new pool and loses none", async (t: TestContext) => {
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", "hybrid", "--workers", "2", "--no-access-log", "--lane", "/run=sync:2"],
  });
  const client = new Accounting(server);
  const before = new Set(
    (await server.waitForStatus(({ workers }) => workers.length === 4)).workers.map(({ pid }) => pid),
  );
  let isDone = false;
  const outcomes: Outcome[] = [];
  const load = async () => {
    while (!isDone) outcomes.push(await client.send("/run").outcome);
  };
  const loads = [load(), load(), load()];
  process.kill(server.pid, "SIGHUP");
  await server.waitForLine(({ msg }) => msg?.startsWith("Reloaded in") ?? false);
  await server.waitForStatus(({ workers }) => workers.filter(({ pid }) => !before.has(pid)).length >= 4);
  isDone = true;
  await Promise.all(loads);
  assert.deepEqual(tally(outcomes), { 200: outcomes.length });
});
