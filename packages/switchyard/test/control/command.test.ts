// The commands that steer a running server, as a user runs them, and what the control socket does with anything else.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { findSocket } from "../../src/control/client.ts";
import { errorRecords } from "../../src/errors.ts";
import { closeOf, mayBeReset } from "../harness/connections.ts";
import { launch, type StartOptions, startServer } from "../harness/server.ts";

const bin = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));

/** A folder to be the runtime folder, so that a test's servers are the only ones that its commands can find. */
function privateFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(t: TestContext, options: Partial<StartOptions> = {}) {
  const runtime = privateFolder(t);
  const server = await startServer(t, {
    app: "control/app.mjs",
    ...options,
    args: ["--model", "hybrid", "--workers", "2", "--no-access-log", ...(options.args ?? [])],
    env: { XDG_RUNTIME_DIR: runtime, ...options.env },
  });
  const run = (...args: string[]) => runCommand(t, args, runtime);
  return { server, runtime, run };
}

async function runCommand(t: TestContext, args: readonly string[], runtime: string, cwd = process.cwd()) {
  const child = spawn(process.execPath, [bin, ...args], { cwd, env: { ...process.env, XDG_RUNTIME_DIR: runtime } });
  t.after(() => child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [exitCode] = await once(child, "close");
  return { exitCode: exitCode as number | null, stdout, stderr };
}

function assertRefused(
  result: { exitCode: number | null; stderr: string },
  code: keyof typeof errorRecords,
  saw: RegExp,
) {
  assert.ok(result.stderr.startsWith(`error ${code}: `), result.stderr);
  assert.match(result.stderr, saw);
  assert.equal(result.exitCode, errorRecords[code].exitCode);
}

test("status, workers and lanes show the server that was started in the same folder", async (t) => {
  const { server, run } = await start(t);
  await server.waitForStatus(({ workers }) => workers.length === 2);
  const status = await run("status");
  assert.equal(status.exitCode, 0, status.stderr);
  assert.match(status.stdout, /^serves +.* in .*control\/app\.mjs$/m);
  assert.match(status.stdout, /^state +serving$/m);
  assert.match(status.stdout, /^workers +2 of 2 ready; 0 replaced, 0 reloads$/m);
  const { stdout } = await run("status", "--json");
  assert.equal(JSON.parse(stdout).pid, server.pid);
  assert.deepEqual(
    JSON.parse((await run("workers", "--json")).stdout).map(({ worker }: { worker: number }) => worker),
    [1, 2],
  );
  assert.match((await run("lanes")).stdout, /^default +async +the loops +0 +0/m);
});

for (const model of ["hybrid", "sync"]) {
  test(`${model}: scale, restart, reload and stop do it before they say so`, async (t) => {
    const { server, run } = await start(t, { args: ["--model", model] });
    const pidsOf = async () =>
      (
        await server.waitForStatus(
          ({ workers }) => workers.length > 0 && workers.every(({ state }) => state === "ready"),
        )
      ).workers;
    for (const [words, workers] of [
      [["scale", "3"], 3],
      [["scale", "default", "1"], 1],
      [["scale", "2"], 2],
    ] as const) {
      const scaled = await run(...words);
      assert.equal(scaled.exitCode, 0, scaled.stderr);
      await server.waitForStatus((status) => status.workersWanted === workers && status.workers.length === workers);
    }
    const before = await pidsOf();
    assert.equal((await run("restart", "2")).stdout, "Worker 2 was replaced.\n");
    const restarted = await server.waitForStatus(
      ({ workers }) => workers.length === 2 && workers[1]!.pid !== before[1]!.pid,
    );
    assert.equal(restarted.workers[0]!.pid, before[0]!.pid);

    const reloaded = await run("reload", "--wait");
    assert.equal(reloaded.stdout, "Reloaded: 2 new workers.\n", reloaded.stderr);
    const pids = restarted.workers.map(({ pid }) => pid);
    await server.waitForStatus(
      ({ workers }) => workers.length === 2 && workers.every(({ pid }) => !pids.includes(pid)),
    );

    assert.equal((await run("stop")).stdout, "Stopped.\n");
    assert.equal(await server.exited, 0);
    assertRefused(await run("status"), "SY_NO_SERVER", /No server that was started in .* is running/);
  });
}

test("a reload that fails ends the command with the application's own error, and the server goes on", async (t) => {
  const file = join(privateFolder(t), "version");
  writeFileSync(file, "1");
  const { server, run } = await start(t, { env: { VERSION_FILE: file } });
  writeFileSync(file, "broken");
  assertRefused(await run("reload"), "SY_APP_THREW", /version broken does not work/);
  assertRefused(await run("scale", "3"), "SY_APP_THREW", /version broken does not work/);
  assert.equal((await server.get("/")).headers["x-version"], "1");
  const { phase, workersWanted, workers } = await server.waitForStatus((status) => status.workers.length === 2);
  assert.deepEqual(
    { phase, workersWanted, workers: workers.length },
    { phase: "serving", workersWanted: 2, workers: 2 },
  );
});

test("a reload reads the config file again, and refuses by name what can't change while the server runs", async (t) => {
  const folder = privateFolder(t);
  const config = join(folder, "switchyard.config.mjs");
  const set = (text: string) => writeFileSync(config, `export default { ${text} };`);
  set("bodyLimitBytes: 100");
  const { server, run } = await start(t, { args: ["--config", config] });
  const post = async () => {
    const { get } = await import("../harness/server.ts");
    return (await get(server.url, { method: "POST", body: "x".repeat(200) })).status;
  };
  assert.equal(await post(), 413);
  set("bodyLimitBytes: 1000");
  assert.equal((await run("reload")).exitCode, 0);
  // Until an old worker hears that it is one, it may take a connection.
  await server.waitForStatus(({ retiring }) => retiring === 0);
  assert.equal(await post(), 200);
  set("bodyLimitBytes: 2000, threads: 2");
  assertRefused(await run("reload"), "SY_RELOAD_SETTING", /threads \(0 to 2\)/);
  set("bodyLimit: 1");
  assertRefused(await run("reload"), "SY_CONFIG_VALUE", /"bodyLimit"/);
  set("})(");
  assertRefused(await run("reload"), "SY_CONFIG_THREW", /can't be loaded/);
  assert.equal(await post(), 200);
});

test("nonsense is refused with what to do, and changes nothing", async (t) => {
  const { server, run } = await start(t);
  assertRefused(await run("scale", "0"), "SY_SCALE", /0 is not a number of workers/);
  assertRefused(await run("scale", "99999"), "SY_SCALE", /from 1 to 1024/);
  assertRefused(await run("scale", "many"), "SY_OPTION_VALUE", /"many" is not a number of workers/);
  assertRefused(await run("scale", "reports", "2"), "SY_NO_LANE", /no lane "reports"/);
  assertRefused(await run("scale"), "SY_UNKNOWN_OPTION", /no argument/);
  assertRefused(await run("restart", "7"), "SY_NO_WORKER", /There is no worker 7/);
  assertRefused(await run("reload", "now"), "SY_UNKNOWN_OPTION", /1 argument/);
  assertRefused(await run("logs"), "SY_OPTION_VALUE", /--reopen/);
  assertRefused(await run("status", "--control-socket", "/nowhere/at/all"), "SY_NO_SERVER", /ENOENT/);
  const { restarts, workersWanted } = await server.status();
  assert.deepEqual({ restarts, workersWanted }, { restarts: 0, workersWanted: 2 });
});

test("with several servers of one folder, a command says which there are and wants to be told one", async (t) => {
  const { server, runtime, run } = await start(t);
  const socket = join(privateFolder(t), "second.sock");
  const second = await startServer(t, {
    app: "control/app.mjs",
    args: ["--model", "async", "--control-socket", socket],
    env: { XDG_RUNTIME_DIR: runtime },
  });
  const several = await run("status");
  assertRefused(several, "SY_SEVERAL_SERVERS", new RegExp(`process ${server.pid}`));
  assert.match(several.stderr, new RegExp(`process ${second.pid}`));
  assert.equal(JSON.parse((await run("status", "--json", "--control-socket", socket)).stdout).pid, second.pid);
  assert.equal((await run("stop", "--control-socket", socket)).exitCode, 0);
  assert.equal(JSON.parse((await run("status", "--json")).stdout).pid, server.pid);
});

test("the control socket is its user's alone; a stale one is replaced, and a live one is not", async (t) => {
  const folder = privateFolder(t);
  const socket = join(folder, "control.sock");
  const args = ["--model", "async", "--control-socket", socket];
  const first = await startServer(t, { app: "control/app.mjs", args });
  assert.equal(statSync(socket).mode & 0o777, 0o600);

  const second = launch(t, { app: "control/app.mjs", args });
  assert.equal(await second.exited, errorRecords.SY_CONTROL_SOCKET.exitCode);
  assert.match(second.otherOutput.join("\n"), /belongs to a server that is running/);
  assert.equal((await first.get("/")).status, 200);

  first.child.kill("SIGKILL");
  await first.exited;
  assert.ok(statSync(socket).isSocket());
  const third = await startServer(t, { app: "control/app.mjs", args });
  assert.equal((await say(socket, '{"command":"status"}\n')).ok, true);
  await third.stop();
  assert.equal(statSync(socket, { throwIfNoEntry: false }), undefined);
});

test("a command that comes while one server takes the place of another waits for the new one's socket", async (t) => {
  const path = join(privateFolder(t), "control.sock");
  const found = findSocket(path, 60_000);
  let connections = 0;
  const server = net.createServer((socket) => {
    connections++;
    socket.on("error", () => {});
    socket.end();
  });
  t.after(() => server.close());
  server.listen(path);
  assert.equal(await found, path);
  if (connections === 0) await once(server, "connection");
});

test("without a control socket, or without a place for one, the server serves", async (t) => {
  const { run } = await start(t, { args: ["--no-control-socket"] });
  assertRefused(await run("status"), "SY_NO_SERVER", /No server/);

  const folder = privateFolder(t);
  symlinkSync("/nowhere/at/all", join(folder, "switchyard"));
  const server = await startServer(t, {
    app: "control/app.mjs",
    args: ["--model", "async"],
    env: { XDG_RUNTIME_DIR: folder },
  });
  await server.waitForLine(({ msg }) => /There is no control socket/.test(String(msg)));
  assert.equal((await server.get("/")).status, 200);
});

test("whoever sends garbage over the control socket, too much or nothing, harms nobody", async (t) => {
  const socket = join(privateFolder(t), "control.sock");
  const { server, run } = await start(t, { args: ["--control-socket", socket] });
  for (const garbage of [
    "\n",
    "GET / HTTP/1.1\r\n\r\n",
    '{"command":"explode"}\n',
    '{"command":"scale","lane":7}\n',
    '{"command":"stop"}\n',
    "[]\n",
    "x".repeat(100_000),
    Buffer.from([0, 255, 254, 10]),
  ]) {
    const answer = await say(socket, garbage);
    assert.equal(answer.ok, false);
    assert.equal(answer.error?.code, "SY_CONTROL_REQUEST");
  }
  const hanging = await Promise.all(Array.from({ length: 20 }, () => connected(socket)));
  assert.equal((await run("status", "--control-socket", socket)).exitCode, 0);
  const leaving = await connected(socket);
  leaving.end('{"command":"reload"}\n');
  leaving.destroy();
  await server.waitForStatus(({ reloads }) => reloads === 1);
  await Promise.all(hanging.map(closeOf));
  assert.equal((await server.get("/")).status, 200);
});

async function connected(path: string): Promise<net.Socket> {
  const socket = mayBeReset(net.connect(path));
  socket.resume();
  await once(socket, "connect");
  return socket;
}

/** Sends bytes and resolves with what is answered, as JSON. */
async function say(path: string, bytes: string | Buffer): Promise<{ ok: boolean; error?: { code: string } }> {
  const socket = mayBeReset(net.connect(path));
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.write(bytes);
  await closeOf(socket);
  return JSON.parse(text);
}
