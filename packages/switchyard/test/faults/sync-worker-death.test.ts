// A sync worker that dies takes with it the one request that it has, which is answered 502; everybody else is served.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { ServerStatus } from "../../src/metrics/snapshot.ts";
import { Accounting, type Outcome, tally } from "../harness/accounting.ts";
import { type Gate, startGate } from "../harness/gate.ts";
import { startServer, type TestServer } from "../harness/server.ts";

/** Workers as processes, as threads of the balancer, and as threads in several processes. */
const shapes = {
  processes: ["--workers", "2"],
  threads: ["--workers", "1", "--threads", "2"],
  "threads in processes": ["--workers", "2", "--threads", "2"],
};

async function startSync(t: TestContext, args: readonly string[], env: Record<string, string> = {}) {
  const gate = await startGate(t);
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", "sync", "--no-access-log", ...args],
    env: { ...gate.env, ...env },
  });
  return { gate, server, client: new Accounting(server) };
}

for (const shape of ["processes", "threads in processes"] as const) {
  test(`sync, ${shape}: kill -9 under load loses the requests in that process to 502, and no other`, async (t) => {
    const { gate, server, client } = await startSync(t, shapes[shape]);
    const killed = killEvery(gate, { arrivals: 12, times: 4 });
    const outcomes = await client.load("/gate", { clients: 8, count: 60 });

    assert.equal(killed.size, 4, "each kill hits a process that was not killed before");
    assertOnlyDeadWorkersFailed(client, outcomes, killed);
    const { 200: answered = 0, 502: failed = 0 } = tally(outcomes);
    assert.ok(failed >= 4);
    await assertCountsAddUp(server, { answered, failed });
    assertNoneRanTwice(client);
  });
}

test("sync, processes: a worker that was killed is replaced by another process", async (t) => {
  const { gate, server, client } = await startSync(t, ["--workers", "1"]);
  const first = client.send("/gate");
  const [arrival] = await gate.waitFor(1);
  const waiting = client.send("/gate");
  process.kill(arrival!.pid, "SIGKILL");

  assert.deepEqual((await first.outcome).statuses, [502]);
  const [, second] = await gate.waitFor(2);
  assert.notEqual(second!.pid, arrival!.pid);
  second!.release();
  assert.deepEqual((await waiting.outcome).statuses, [200]);
  await server.waitForStatus(({ workers }) => workers[0]?.pid === second!.pid);
  const line = await server.waitForLine(({ cause }) => String(cause).startsWith("killed by SIGKILL"));
  assert.equal(line.pid, arrival!.pid);
});

for (const [shape, args] of Object.entries(shapes)) {
  test(`sync, ${shape}: whichever way an application ends its worker, its request gets 502 and it is replaced`, async (t) => {
    // A small heap, so that it is full soon.
    const env = { NODE_OPTIONS: "--max-old-space-size=48" };
    const { server, client } = await startSync(t, args, env);
    const causes = {
      "/exit": "exit code 3",
      "/throw-outside": "exit code 1",
      "/out-of-memory": "out of heap memory",
    };
    let restarts = 0;
    for (const [path, cause] of Object.entries(causes)) {
      const sent = client.send(path);
      const others = await client.load("/run", { clients: 4, count: 10 });
      assert.deepEqual(tally([await sent.outcome, ...others]), { 502: 1, 200: 10 }, path);
      await server.waitForLine((line) => String(line.cause).includes(cause));
      restarts++;
      await server.waitForStatus((status) => status.restarts === restarts && hasAllWorkers(status));
    }
    await assertCountsAddUp(server, { answered: 30, failed: 3 });
    assertNoneRanTwice(client);
  });
}

// Each waits for its deadline, which is long: what is served meanwhile must be answered by it on a slow machine too.
describe("at the deadline", { concurrency: 3 }, () => {
  for (const [shape, args] of Object.entries({ ...shapes, processes: ["--workers", "3"] })) {
    test(`sync, ${shape}: what is not answered by --run-timeout gets 504, an endless loop too`, async (t) => {
      const { server, client } = await startSync(t, [...args, "--run-timeout", "4s"]);
      const stuck = (shape === "threads" ? ["/spin"] : ["/spin", "/never"]).map((path) => client.send(path));
      for (const { number } of stuck) await server.waitForLine(({ ran }) => ran === number);
      const others = await client.load("/run", { clients: 4, count: 10 });
      assert.deepEqual(tally(others), { 200: 10 });
      const outcomes = await Promise.all(stuck.map(({ outcome }) => outcome));
      assert.deepEqual(tally(outcomes), { 504: stuck.length });
      assert.deepEqual(tally(await client.load("/run", { clients: 4, count: 10 })), { 200: 10 });
      await server.waitForStatus((status) => status.restarts >= 1 && hasAllWorkers(status));
      await assertCountsAddUp(server, { answered: 20, failed: stuck.length });
      assertNoneRanTwice(client);
    });
  }
});

function hasAllWorkers({ workers, workersWanted }: ServerStatus): boolean {
  return workers.length === workersWanted && workers.every(({ state }) => state === "ready");
}

/** Lets requests pass the gate, but kills the process of every so many one, until it has done so often enough. */
function killEvery(gate: Gate, { arrivals, times }: { arrivals: number; times: number }): ReadonlySet<number> {
  const killed = new Set<number>();
  let seen = 0;
  gate.onArrival((arrival) => {
    if (++seen % arrivals !== 0 || killed.size === times) {
      arrival.release();
      return;
    }
    killed.add(arrival.pid);
    process.kill(arrival.pid, "SIGKILL");
  });
  return killed;
}

function assertOnlyDeadWorkersFailed(client: Accounting, outcomes: readonly Outcome[], killed: ReadonlySet<number>) {
  for (const { number, statuses, error } of outcomes) {
    if (statuses.length === 1 && statuses[0] === 200) continue;
    assert.deepEqual({ number, statuses, error }, { number, statuses: [502], error: null });
    // One that was on its way to the dying worker was never run at all.
    const run = client.runOf(number);
    assert.ok(run === undefined || killed.has(Number(run.pid)), `${number} was in a worker that lived`);
  }
}

function assertNoneRanTwice(client: Accounting) {
  assert.equal(new Set(client.ran).size, client.ran.length);
}

async function assertCountsAddUp(server: TestServer, counts: { answered: number; failed: number }) {
  const { totals } = await server.waitForStatus(
    ({ totals }) => totals.answered + totals.failed === counts.answered + counts.failed,
  );
  const { answered, failed } = counts;
  assert.deepEqual(totals, { begun: answered + failed, inFlight: 0, answered, failed, aborted: 0, refused: 0 });
}
