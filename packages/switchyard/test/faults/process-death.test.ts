// A loop worker, the balancer and the supervisor, killed at the worst moment.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Accounting, tally } from "../harness/accounting.ts";
import { startGate } from "../harness/gate.ts";
import { freePort } from "../harness/ports.ts";
import { descendantsOf, isAlive, parentOf, waitUntilEnded } from "../harness/processes.ts";
import { startServer } from "../harness/server.ts";

async function start(t: TestContext, args: readonly string[]) {
  const gate = await startGate(t);
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--no-access-log", ...args],
    env: { ...gate.env },
  });
  return { gate, server, client: new Accounting(server) };
}

for (const [name, args] of Object.entries({
  async: ["--model", "async", "--workers", "2"],
  hybrid: ["--model", "hybrid", "--workers", "2"],
  greenlet: ["--model", "greenlet", "--workers", "2"],
  "hybrid with threads": ["--model", "hybrid", "--workers", "2", "--threads", "2"],
})) {
  test(`${name}: kill -9 of a worker breaks its own connections, and no other`, async (t) => {
    const { gate, server, client } = await start(t, args);
    const sent = Array.from({ length: 16 }, () => client.send("/gate"));
    const arrivals = await gate.waitFor(16);
    const victim = arrivals[0]!.pid;
    const lost = new Set(arrivals.filter(({ pid }) => pid === victim).map(({ number }) => number));
    process.kill(victim, "SIGKILL");

    // What comes now is served at once: by the others, or by the replacement as soon as it is ready.
    gate.open();
    const later = await client.load("/run", { clients: 4, count: 20 });
    assert.deepEqual(tally(later), { 200: 20 });
    for (const { number, outcome } of sent) {
      const { statuses } = await outcome;
      assert.deepEqual(statuses, lost.has(number) ? [] : [200]);
    }
    const status = await server.waitForStatus(
      ({ workers, workersWanted, totals }) =>
        workers.length === workersWanted && workers.every(({ pid }) => pid !== victim) && totals.inFlight === 0,
    );
    assert.equal(status.restarts, 1);
  });
}

for (const [name, args] of Object.entries({
  processes: ["--workers", "2"],
  threads: ["--workers", "1", "--threads", "2"],
  "threads in processes": ["--workers", "2", "--threads", "2"],
})) {
  test(`sync, ${name}: kill -9 of the balancer ends its workers, and another serves again`, async (t) => {
    const { server, client } = await start(t, ["--model", "sync", ...args]);
    const stuck = client.send("/spin");
    const { pid } = await server.waitForLine(({ ran }) => ran === stuck.number);
    // With one process the workers are its threads.
    const balancer = args.includes("1") ? Number(pid) : parentOf(Number(pid))!;
    const ended = [balancer, ...descendantsOf(balancer)];
    process.kill(balancer, "SIGKILL");

    assert.deepEqual((await stuck.outcome).statuses, []);
    // The listening socket is the supervisor's: whoever comes meanwhile waits for the new balancer.
    assert.deepEqual(tally(await client.load("/run", { clients: 4, count: 8 })), { 200: 8 });
    await waitUntilEnded(ended);
    const status = await server.waitForStatus(
      ({ workers, workersWanted, totals }) => workers.length === workersWanted && totals.answered === 8,
    );
    assert.equal(status.restarts, 1);
  });
}

for (const [name, args] of Object.entries({
  hybrid: ["--model", "hybrid", "--workers", "2"],
  "hybrid with threads": ["--model", "hybrid", "--workers", "1", "--threads", "2"],
  sync: ["--model", "sync", "--workers", "2"],
  "sync with threads": ["--model", "sync", "--workers", "2", "--threads", "2"],
})) {
  test(`${name}: kill -9 of the supervisor ends every process, one in an endless loop too`, async (t) => {
    // One that the kernel gives to nobody meanwhile.
    const port = await freePort();
    const { server, client } = await start(t, [...args, "--port", String(port)]);
    const stuck = client.send("/spin");
    const run = await server.waitForLine(({ ran }) => ran === stuck.number);
    const processes = descendantsOf(server.pid);
    assert.ok(processes.includes(Number(run.pid)));
    t.after(() => killAll(processes));

    process.kill(server.pid, "SIGKILL");
    await waitUntilEnded(processes);
    assert.deepEqual((await stuck.outcome).statuses, []);
    await assertFree(t, port);
  });
}

test("a UNIX socket whose server was killed is taken over by the next one", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "server");
  const options = { app: "faults/app.mjs", args: ["--model", "async", "--unix", path] };
  const first = await startServer(t, options);
  const processes = descendantsOf(first.pid);
  process.kill(first.pid, "SIGKILL");
  await waitUntilEnded(processes);
  assert.ok(existsSync(path));

  const second = await startServer(t, options);
  assert.equal(second.url, `unix:${path}`);
  assert.equal(await second.stop(), 0);
  assert.ok(!existsSync(path));
});

function killAll(pids: readonly number[]) {
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, "SIGKILL");
}

/** Whether the port can be bound again. */
async function assertFree(t: TestContext, port: number) {
  const server = net.createServer();
  t.after(() => server.close());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
}
