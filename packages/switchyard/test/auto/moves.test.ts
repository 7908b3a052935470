// Model auto on a real server: an Express application with routes that hold the loop.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ServerStatus } from "../../src/metrics/snapshot.ts";
import { Accounting, tally } from "../harness/accounting.ts";
import { until } from "../harness/patience.ts";
import { isAlive, waitUntilEnded } from "../harness/processes.ts";
import { get, startServer, type TestServer } from "../harness/server.ts";

const app = "auto/app.mjs";
const args = ["--model", "auto", "--workers", "2", "--no-access-log"];

/** Asks for a path again and again until the status says what is waited for; every answer must be a 200. */
async function askUntil(server: TestServer, path: string, fits: (routes: string[]) => boolean): Promise<void> {
  let status: ServerStatus | null = null;
  await until(
    async () => {
      assert.equal((await server.get(path)).status, 200);
      status = await server.status();
      return fits(status.moves.map(({ method, route }) => `${method} ${route}`));
    },
    () => status,
    0,
  );
}

/** Asks for a path again and again until such a process answers. */
async function untilAnsweredBy(server: TestServer, path: string, fits: (pid: number) => boolean): Promise<void> {
  await until(
    async () => fits(await whoAnswers(server, path)),
    () => `${path} is answered by others`,
    0,
  );
}

async function whoAnswers(server: TestServer, path: string): Promise<number> {
  return JSON.parse((await server.get(path)).body.replace("data: ", "")).pid;
}

async function loopPids(server: TestServer): Promise<number[]> {
  const { workers } = await server.waitForStatus(
    ({ workers }) => workers.filter(({ model }) => model === "async").length === 2,
  );
  return workers.filter(({ model }) => model === "async").map(({ pid }) => pid);
}

test("a route that holds the loops is moved to sync workers, and the log and the status say why", async (t) => {
  const server = await startServer(t, { app, args });
  const loops = await loopPids(server);
  await askUntil(server, "/report/a", (routes) => routes.includes("GET /report/:name"));
  const [move] = (await server.status()).moves;
  assert.equal(move?.config, 'lanes: [{ match: "/report/:name", methods: ["GET"], model: "sync" }]');
  assert.ok(move!.longestMs >= 20 && move!.holds >= 3);
  const line = await server.waitForLine(
    ({ msg }) => msg?.startsWith("GET /report/:name held the event loops") ?? false,
  );
  assert.ok(String(line.msg).includes(move!.config));
  // Another name is the same route; the loops may hear of the move a moment after the status.
  await untilAnsweredBy(server, "/report/another", (pid) => !loops.includes(pid));
  assert.ok(loops.includes(await whoAnswers(server, "/hello")));
  assert.ok((await server.status()).lanes.some(({ origin }) => origin === "auto"));
});

test("a route that holds the loops after an await is moved too", async (t) => {
  const server = await startServer(t, { app, args });
  const loops = await loopPids(server);
  await askUntil(server, "/late/a", (routes) => routes.includes("GET /late/:name"));
  await untilAnsweredBy(server, "/late/b", (pid) => !loops.includes(pid));
});

test("a stream of events never moves", async (t) => {
  const server = await startServer(t, { app, args });
  const loops = await loopPids(server);
  for (let i = 0; i < 12; i++) assert.ok(loops.includes(await whoAnswers(server, "/events")));
  // By now another route would have been moved.
  await askUntil(server, "/report/a", (routes) => routes.length > 0);
  assert.deepEqual(
    (await server.status()).moves.map(({ route }) => route),
    ["/report/:name"],
  );
  assert.ok(loops.includes(await whoAnswers(server, "/events")));
});

test("no request is lost or run twice when its route is moved under load", async (t) => {
  const server = await startServer(t, { app, args });
  const accounting = new Accounting(server);
  let isMoved = false;
  const clients = Array.from({ length: 4 }, async () => {
    // On for a while after the move, so that requests are under way while the loops hear of it.
    for (let after = 0; after < 8; after += isMoved ? 1 : 0) await accounting.send("/report/a").outcome;
  });
  await server.waitForStatus(({ moves }) => moves.length > 0);
  isMoved = true;
  await Promise.all(clients);
  assert.deepEqual(tally(accounting.outcomes.values()), { 200: accounting.sent });
  await server.stop();
  assert.deepEqual(
    accounting.ran.toSorted((a, b) => a - b),
    Array.from({ length: accounting.sent }, (_, index) => index + 1),
  );
});

test("a route that stops holding the loops comes back", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-auto-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const mended = join(folder, "mended");
  const server = await startServer(t, { app, args, env: { MENDED: mended } });
  const loops = await loopPids(server);
  await askUntil(server, "/report/a", (routes) => routes.length > 0);
  writeFileSync(mended, "");
  await askUntil(server, "/report/a", (routes) => routes.length === 0);
  await untilAnsweredBy(server, "/report/a", (pid) => loops.includes(pid));
  await server.waitForLine(({ msg }) => msg?.startsWith("GET /report/:name runs on the event loops again") ?? false);
});

test("what was moved stays so in the workers that a reload starts", async (t) => {
  const server = await startServer(t, { app, args });
  await askUntil(server, "/report/a", (routes) => routes.length > 0);
  server.child.kill("SIGHUP");
  await server.waitForLine(({ msg }) => msg?.startsWith("Reloaded in ") ?? false);
  const loops = new Set<number>();
  await server.waitForStatus(({ workers, retiring }) => {
    for (const { pid, model } of workers) if (model === "async") loops.add(pid);
    return retiring === 0 && workers.filter(({ model }) => model === "async").length === 2;
  });
  assert.equal((await server.status()).moves.length, 1);
  await untilAnsweredBy(server, "/report/b", (pid) => !loops.has(pid));
});

test("what was moved stays so in the server that SIGUSR2 puts in the place of this one, and when the pool is killed", async (t) => {
  const server = await startServer(t, { app, args });
  await askUntil(server, "/report/a", (routes) => routes.length > 0);
  server.child.kill("SIGUSR2");
  const { successor } = await server.waitForLine((line) => line.successor !== undefined);
  const pid = Number(successor);
  try {
    const page = await server.waitForLine(
      (line) => line.pid === pid && (line.msg?.startsWith("Status page: ") ?? false),
    );
    const status = async (): Promise<ServerStatus> => JSON.parse((await get(`${page.url}status`)).body);
    assert.ok((await status()).moves.some(({ route }) => route === "/report/:name"));
    // Until it has ended, the first one may answer as well.
    await waitUntilEnded([server.pid]);
    const loops = await until(async () => {
      const { workers } = await status();
      const pids = workers.filter(({ model }) => model === "async").map((worker) => worker.pid);
      return pids.length >= 2 && pids;
    });
    await untilAnsweredBy(server, "/report/b", (each) => !loops.includes(each));
    const pool = await whoAnswers(server, "/report/b");
    process.kill(pool, "SIGKILL");
    // What waits meanwhile is run by the next one.
    await untilAnsweredBy(server, "/report/b", (each) => each !== pool);
    assert.ok(!loops.includes(await whoAnswers(server, "/report/b")));
  } finally {
    // It has the output of the first one, whose end is waited for.
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
    await waitUntilEnded([pid]);
  }
});

test("under model hybrid nothing moves", async (t) => {
  const server = await startServer(t, { app, args: ["--model", "hybrid", "--workers", "2", "--no-access-log"] });
  const loops = await loopPids(server);
  for (let i = 0; i < 12; i++) assert.ok(loops.includes(await whoAnswers(server, "/report/a")));
  assert.deepEqual((await server.status()).moves, []);
});
