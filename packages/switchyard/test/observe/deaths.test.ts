// Why a worker died is found out, whichever way it did: in the status, in the metrics and in the log.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeathReport } from "../../src/metrics/snapshot.ts";
import { MemoryKills } from "../../src/pool/memory-death.ts";
import { startGate } from "../harness/gate.ts";
import { get, startServer, type TestServer } from "../harness/server.ts";

const shapes = {
  hybrid: ["--model", "hybrid", "--workers", "2"],
  greenlet: ["--model", "greenlet", "--workers", "1"],
  "hybrid, threads": ["--model", "hybrid", "--workers", "1", "--threads", "2"],
  "sync, processes": ["--model", "sync", "--workers", "2"],
  "sync, threads": ["--model", "sync", "--workers", "1", "--threads", "2"],
  "sync, threads in processes": ["--model", "sync", "--workers", "2", "--threads", "2"],
};

for (const [shape, args] of Object.entries(shapes)) {
  const isThreads = shape.includes("threads");

  test(`${shape}: an exit, an uncaught error and a full heap are told apart, with the request that did it`, async (t) => {
    const server = await startServer(t, {
      app: "faults/app.mjs",
      args: [...args, "--no-access-log"],
      env: { NODE_OPTIONS: "--max-old-space-size=48" },
    });
    const expected = [
      { path: "/exit", kind: "exit", cause: /^exit code 3$/ },
      { path: "/throw-outside", kind: "error", cause: /thrown outside any request/ },
      { path: "/out-of-memory", kind: "heap_memory", cause: /^out of heap memory/ },
    ] as const;
    for (const [index, { path, kind, cause }] of expected.entries()) {
      await server.get(`${path}?secret=1`).catch(() => {});
      const death = await deathNumber(server, index + 1);
      assert.equal(death.kind, kind, JSON.stringify(death));
      assert.match(death.cause, cause);
      if (path === "/exit") {
        assert.deepEqual(
          death.requests.map((request) => request.path),
          ["/exit"],
        );
        assert.equal(death.exitCode, 3);
      }
      if (path === "/out-of-memory" && !isThreads) {
        assert.equal(death.signal, "SIGABRT");
        assert.ok(Number(death.heapUsedBytes) > 20 * 1024 ** 2, JSON.stringify(death));
      }
      assert.ok(death.workers.length >= 1 && death.pid > 0);
      await server.waitForLine(
        ({ msg, level }) => level === "warn" && (msg?.startsWith(`${death.what} died: ${death.cause}`) ?? false),
      );
      await server.waitForStatus(
        ({ workers, workersWanted }) =>
          workers.length === workersWanted &&
          // Its process is replaced with it, but for the balancer, whose threads are started again in it.
          workers.every(({ state, pid }) => state === "ready" && (shape === "sync, threads" || pid !== death.pid)),
      );
    }
    const { deathCounts } = await server.status();
    assert.deepEqual([deathCounts.exit, deathCounts.error, deathCounts.heap_memory], [1, 1, 1]);
    const page = await server.waitForLine(({ msg }) => msg?.startsWith("Status page: ") ?? false);
    const metrics = await get(`${page.url}metrics`);
    for (const cause of ["exit", "error", "heap_memory"])
      assert.match(metrics.body, new RegExp(`^switchyard_worker_deaths_total{cause="${cause}"} 1$`, "m"));
  });

  test(`${shape}: a kill from outside is told from one of Switchyard's own`, async (t) => {
    const gate = await startGate(t);
    const isSync = shape.startsWith("sync");
    const server = await startServer(t, { app: "faults/app.mjs", args: [...args, "--no-access-log"], env: gate.env });
    const sent = server.get("/gate").catch(() => null);
    const [arrival] = await gate.waitFor(1);
    // All that it is known by has been told.
    const { workers } = await server.waitForStatus((status) => {
      const its = status.workers.filter(({ pid }) => pid === arrival!.pid);
      return its.some(({ latest }) => latest.length > 0) && its.every(({ vitals }) => vitals !== null);
    });
    process.kill(arrival!.pid, "SIGKILL");
    const death = await deathNumber(server, 1);
    assert.equal(death.kind, "signal");
    assert.equal(death.signal, "SIGKILL");
    assert.equal(death.pid, arrival!.pid);
    assert.ok(death.requests.some(({ path }) => path === "/gate"));
    assert.ok(Number(death.heapUsedBytes) > 1e6 && Number(death.rssBytes) > 1e7);
    const dead = workers.filter(({ pid }) => pid === arrival!.pid).map(({ worker }) => worker);
    // Threads of the balancer itself die with it.
    assert.deepEqual(death.workers, dead);
    await sent;
    if (!isSync) return;

    const other = await startServer(t, {
      app: "faults/app.mjs",
      args: [...args, "--run-timeout", "500ms", "--no-access-log"],
    });
    assert.equal((await other.get("/spin")).status, 504);
    const own = await deathNumber(other, 1);
    assert.equal(own.kind, "switchyard");
    assert.match(own.cause, /^killed by Switchyard: .*request/);
    assert.ok(own.requests.some(({ path }) => path === "/spin"));
  });
}

test("workers that are told to stop have not died", async (t) => {
  const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", "hybrid", "--workers", "2"] });
  assert.equal(await server.stop(), 0);
  assert.deepEqual(
    server.lines.filter(({ msg }) => msg?.includes(" died: ")),
    [],
  );
});

test("a rise of the cgroup's count of kills for memory is told once", () => {
  let kills = 4;
  const memoryKills = new MemoryKills((path) => {
    if (path === "/proc/self/cgroup") return "0::/server.slice\n";
    assert.equal(path, "/sys/fs/cgroup/server.slice/memory.events");
    return `low 0\nhigh 0\nmax 7\noom 5\noom_kill ${kills}\noom_group_kill 0\n`;
  });
  assert.equal(memoryKills.happened(), false);
  kills++;
  assert.equal(memoryKills.happened(), true);
  assert.equal(memoryKills.happened(), false);
});

test("where there is no cgroup of version 2, no kill is put down to it", () => {
  const memoryKills = new MemoryKills(() => {
    throw new Error("no such file");
  });
  assert.equal(memoryKills.happened(), false);
});

async function deathNumber(server: TestServer, number: number): Promise<DeathReport> {
  const { deaths } = await server.waitForStatus((status) => status.deaths.length >= number);
  return deaths[number - 1]!;
}
