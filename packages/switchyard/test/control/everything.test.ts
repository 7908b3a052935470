// All at once: load that never stops, while the server is reloaded, scaled, recycled, replaced by another, and its workers are
// killed. Every request is accounted for. All but kill -9 lose none; of that, no more than what was in flight.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ask } from "../../src/control/client.ts";
import type { ServerStatus, WorkerSnapshot } from "../../src/metrics/snapshot.ts";
import { startLoad } from "../harness/load.ts";
import { until } from "../harness/patience.ts";
import { isAlive, waitUntilEnded } from "../harness/processes.ts";
import { startServer } from "../harness/server.ts";

const models = { hybrid: ["--model", "hybrid", "--workers", "2"], sync: ["--model", "sync", "--workers", "2"] };

/** Kills a worker that is ready. One that was replaced since the status was made is not there any more: another is chosen. */
async function killOne(workersNow: () => Promise<readonly WorkerSnapshot[]>): Promise<WorkerSnapshot> {
  for (;;) {
    for (const worker of await workersNow()) {
      if (worker.state !== "ready" || !isAlive(worker.pid)) continue;
      try {
        process.kill(worker.pid, "SIGKILL");
        return worker;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }
}

/** How often each is done; hundreds are for a machine with time. */
const rounds = Number(process.env.SWITCHYARD_TEST_ROUNDS ?? 2);
const clients = 8;

for (const [model, args] of Object.entries(models)) {
  test(`${model}: every request is accounted for while the server is changed in every way that there is`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "switchyard-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const socket = join(folder, "control.sock");
    const server = await startServer(t, {
      app: "control/app.mjs",
      args: [...args, "--no-access-log", "--control-socket", socket, "--max-requests", "1000"],
    });
    let { pid } = server;
    const status = async () => (await ask(socket, { command: "status" })).status;
    const waitFor = async (fits: (status: ServerStatus) => boolean) => {
      let seen: ServerStatus | null = null;
      await until(
        async () => {
          seen = await status();
          return fits(seen);
        },
        () => seen,
      );
    };
    const allReady = ({ workers, workersWanted }: ServerStatus) =>
      workers.filter(({ state }) => state === "ready").length === workersWanted;

    const load = startLoad(t, server.url, { clients });
    for (let round = 0; round < rounds; round++) {
      await load.answered(20);
      await ask(socket, { command: "reload" });
      await ask(socket, { command: "scale", lane: "default", workers: 3 });
      await load.answered(20);
      await ask(socket, { command: "restart", worker: 1 });
      await ask(socket, { command: "scale", lane: "default", workers: 2 });
      await load.answered(20);

      const from = server.lines.length;
      process.kill(pid, "SIGUSR2");
      const { successor } = await server.waitForLine(
        (line) => server.lines.indexOf(line) >= from && line.successor !== undefined,
      );
      pid = Number(successor);
      const ended = pid;
      t.after(async () => {
        if (isAlive(ended)) process.kill(ended, "SIGKILL");
        await waitUntilEnded([ended]);
      });
      await server.waitForLine(
        (line) => server.lines.indexOf(line) >= from && (line.msg?.startsWith("Serving at ") ?? false),
      );
      await waitFor(allReady);
    }
    const calm = await load.stop();
    assert.deepEqual(calm.outcomes, { ok: calm.sent });

    const rough = startLoad(t, server.url, { clients });
    for (let round = 0; round < rounds; round++) {
      await rough.answered(20);
      const victim = await killOne(async () => (await status()).workers);
      await waitFor((now) => allReady(now) && now.workers.every(({ pid: each }) => each !== victim.pid));
    }
    await rough.answered(20);
    const { outcomes, sent } = await rough.stop();
    const { ok = 0, ...lost } = outcomes;
    const count = Object.values(lost).reduce((sum, each) => sum + each, 0);
    assert.equal(ok + count, sent);
    // What a dead loop had: a connection of each client at most. A balancer outlives its workers, and answers 502.
    assert.ok(count <= rounds * clients, JSON.stringify(outcomes));
    const allowed = model === "sync" ? /^status 502$/ : /^(?:failed: (?:ECONNRESET|EPIPE)|broken: ECONNRESET)$/;
    for (const outcome of Object.keys(lost)) assert.match(outcome, allowed);
    assert.equal((await ask(socket, { command: "stop", how: "graceful" })).status.phase, "draining");
    await waitUntilEnded([pid]);
  });
}
