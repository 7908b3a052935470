// A server with lanes that is changed under load: scaled, its workers restarted and recycled, reloaded, replaced by another.
// GET goes to the loops, POST to a sync lane. No request is lost.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { startLoad } from "../harness/load.ts";
import { descendantsOf, isAlive, waitUntilEnded } from "../harness/processes.ts";
import { hangUp } from "../harness/reload.ts";
import { get, type LogLine, startServer, type TestServer } from "../harness/server.ts";

const command = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));

/** Two loops, and two workers of the lane "posts". */
async function start(t: TestContext, args: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-lanes-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, "config.mjs");
  const lanes = [{ name: "posts", match: "/echo/**", methods: ["POST"], model: "sync", workers: 2 }];
  writeFileSync(config, `export default ${JSON.stringify({ lanes })};\n`);
  const versionFile = join(folder, "version");
  const setVersion = (version: string) => writeFileSync(versionFile, version);
  setVersion("0");
  const socket = join(folder, "control.sock");
  const own = [
    "--model",
    "hybrid",
    "--workers",
    "2",
    "--no-access-log",
    "--config",
    config,
    "--control-socket",
    socket,
  ];
  const server = await startServer(t, {
    app: "lanes/app.mjs",
    args: [...own, ...args],
    env: { VERSION_FILE: versionFile },
  });
  return { server, socket, setVersion };
}

/** Runs a command of switchyard against the server, which must succeed. */
async function run(socket: string, ...words: string[]): Promise<void> {
  const child = spawn(process.execPath, [command, ...words, "--control-socket", socket], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "close");
  assert.equal(code, 0, `${words.join(" ")}: ${output}`);
}

/** The next line of that kind that is not among the first `from`. */
function lineAfter(server: TestServer, from: number, fits: (line: LogLine) => boolean): Promise<LogLine> {
  return server.waitForLine((line) => server.lines.indexOf(line) >= from && fits(line));
}

/** The version that GET, which a loop runs, and POST, which the lane runs, are answered by. */
async function versionsNow(url: string): Promise<unknown[]> {
  const answers = [await get(`${url}/echo/0`), await get(`${url}/echo/0`, { method: "POST", body: "x" })];
  return answers.map(({ headers }) => headers["x-version"]);
}

test("a lane is scaled and each of its workers restarted by command, and no request is lost", async (t) => {
  const { server, socket } = await start(t);
  const load = startLoad(t, server.url);
  for (const workers of [4, 1, 3]) {
    await load.answered(40);
    await run(socket, "scale", "posts", String(workers));
    const { workers: live } = await server.waitForStatus(({ lanes }) => lanes[0]?.workers?.live === workers);
    assert.equal(live.filter(({ lane }) => lane === null).length, 2);
  }
  const { workers } = await server.waitForStatus(
    ({ workers }) => workers.filter(({ lane, state }) => lane === "posts" && state === "ready").length === 3,
  );
  for (const { worker, lane } of workers) {
    if (lane !== "posts") continue;
    await load.answered(40);
    const from = server.lines.length;
    await run(socket, "restart", String(worker));
    await lineAfter(server, from, ({ loaded }) => loaded !== undefined);
  }
  await load.answered(40);
  const { outcomes, sent, versions } = await load.stop();
  assert.deepEqual(outcomes, { ok: sent });
  assert.deepEqual(versions, new Set(["loop 0", "lane 0"]));
  assert.equal(await server.stop(), 0);
});

test("--max-requests replaces workers of a lane and loops again and again, and no request is lost", async (t) => {
  const { server } = await start(t, ["--max-requests", "60"]);
  const load = startLoad(t, server.url);
  const recycled = (component: string) =>
    server.lines.filter(({ why, component: of }) => of === component && /maxRequests is 60$/.test(String(why))).length;
  while (recycled("pool") < 3 || recycled("supervisor") < 2) await load.answered(20);
  const { outcomes, sent } = await load.stop();
  assert.deepEqual(outcomes, { ok: sent });
  await server.waitForStatus(
    ({ workers, totals }) => totals.answered === sent && workers.filter(({ state }) => state === "ready").length === 4,
  );
  assert.equal(await server.stop(), 0);
});

test("reloads and successors of a server with lanes lose no request, and loops and lanes have the new application", async (t) => {
  const { server, setVersion } = await start(t);
  const load = startLoad(t, server.url);
  let { pid } = server;
  for (const [how, version] of [
    ["reload", "1"],
    ["successor", "2"],
    ["successor", "3"],
    ["reload", "4"],
  ]) {
    await load.answered(40);
    setVersion(version!);
    const from = server.lines.length;
    if (how === "reload") {
      process.kill(pid, "SIGHUP");
      await lineAfter(server, from, ({ msg }) => msg?.startsWith("Reloaded in") ?? false);
      await Promise.all([load.answeredBy(`loop ${version}`), load.answeredBy(`lane ${version}`)]);
      continue;
    }
    const before = pid;
    process.kill(before, "SIGUSR2");
    pid = Number((await lineAfter(server, from, ({ successor }) => successor !== undefined)).successor);
    const ended = pid;
    t.after(async () => {
      if (isAlive(ended)) process.kill(ended, "SIGKILL");
      await waitUntilEnded([ended]);
    });
    await lineAfter(server, from, ({ msg, pid: of }) => of === before && (msg?.startsWith("Stopped: ") ?? false));
    await Promise.all([load.answeredBy(`loop ${version}`), load.answeredBy(`lane ${version}`)]);
  }
  await load.answered(40);
  const { outcomes, sent, versions } = await load.stop();
  assert.deepEqual(outcomes, { ok: sent });
  const all = ["0", "1", "2", "3", "4"].flatMap((version) => [`loop ${version}`, `lane ${version}`]);
  assert.deepEqual([...versions].sort(), all.sort());
  const processes = [pid, ...descendantsOf(pid)];
  process.kill(pid, "SIGTERM");
  await waitUntilEnded(processes);
});

for (const [whom, what] of [
  ["no loops", "no loop can load"],
  ["one loop", "only one of two loops can load"],
] as const) {
  test(`a reload to an application that the lanes can load and ${what} leaves both as they were`, async (t) => {
    const { server, setVersion } = await start(t);
    const { workers } = await server.waitForStatus(({ workers }) => workers.length === 4);
    const load = startLoad(t, server.url, { clients: 4 });
    await load.answered(20);
    setVersion(`1 ${whom}`);
    const { msg } = await hangUp(server);
    assert.match(msg ?? "", /^The reload failed/);
    // The loops that were there ask the lane's workers that were there, and what is new goes.
    await load.answered(40);
    const idsOf = (of: typeof workers) => of.map(({ pid, worker }) => [pid, worker]);
    const after = await server.waitForStatus(
      (status) => status.retiring === 0 && isDeepStrictEqual(idsOf(status.workers), idsOf(workers)),
    );
    assert.deepEqual(await versionsNow(server.url), ["loop 0", "lane 0"]);
    assert.equal(after.restarts, 0);

    setVersion("2");
    assert.match((await hangUp(server)).msg ?? "", /^Reloaded in/);
    await server.waitForStatus(({ retiring }) => retiring === 0);
    assert.deepEqual(await versionsNow(server.url), ["loop 2", "lane 2"]);
    await Promise.all([load.answeredBy("loop 2"), load.answeredBy("lane 2")]);
    const { outcomes, sent, versions } = await load.stop();
    assert.deepEqual(outcomes, { ok: sent });
    if (whom === "no loops") assert.deepEqual([...versions].sort(), ["lane 0", "lane 2", "loop 0", "loop 2"]);
    assert.equal(await server.stop(), 0);
  });
}
