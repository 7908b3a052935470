// Whom the server becomes, and who may use its UNIX socket. What needs root is skipped without it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { errorRecords } from "../../src/errors.ts";
import { until } from "../harness/patience.ts";
import { waitUntilEnded } from "../harness/processes.ts";
import { appPath, get, launch, startServer } from "../harness/server.ts";

const isRoot = process.getuid?.() === 0;
const skip = !isRoot && "only root can become another user";
const id = (...args: string[]) => execFileSync("id", args, { encoding: "utf8" }).trim();

/** A copy of the application where every user can read it. */
function publicFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-user-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(appPath("edge/app.mjs"), join(folder, "app.mjs"));
  execFileSync("chmod", ["-R", "a+rX", folder]);
  return folder;
}

for (const model of ["async", "sync"]) {
  test(`no application code runs as root: user, group and supplementary groups are the user's (${model})`, {
    skip,
  }, async (t) => {
    const folder = publicFolder(t);
    const server = await startServer(t, {
      app: join(folder, "app.mjs"),
      args: ["--model", model, "--workers", "1", "--user", "nobody", "--control-socket", "off"],
    });
    const seen = JSON.parse((await server.get("/")).body);
    assert.equal(seen.uid, Number(id("-u", "nobody")));
    assert.equal(seen.gid, Number(id("-g", "nobody")));
    assert.ok(!seen.groups.includes(0));
    for (const pid of [server.pid, ...(await server.status()).workers.map(({ pid }) => pid)]) {
      assert.equal(statSync(`/proc/${pid}`).uid, seen.uid);
    }
    assert.equal(await server.stop(), 0);
  });
}

test("a number and a group of its own are taken too", { skip }, async (t) => {
  const server = await startServer(t, {
    app: join(publicFolder(t), "app.mjs"),
    args: ["--model", "async", "--user", "54321", "--group", "54322", "--control-socket", "off"],
  });
  const { uid, gid, groups } = JSON.parse((await server.get("/")).body);
  assert.deepEqual({ uid, gid, groups }, { uid: 54321, gid: 54322, groups: [54322] });
});

test("a user or group that does not exist is refused before anything is bound", async (t) => {
  for (const args of [
    ["--user", "nobody-of-that-name"],
    ["--group", "no-group-of-that-name"],
    ["--user", "-x"],
  ]) {
    const server = launch(t, { app: "edge/app.mjs", args });
    const code = await server.exited;
    assert.ok(code === 99 || (code === 65 && args[1] === "-x"), `${args.join(" ")}: ${code}`);
  }
});

test("the UNIX socket has the mode that was asked for from its first moment", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-mode-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [mode, bits] of [
    ["660", 0o660],
    ["600", 0o600],
    ["0666", 0o666],
  ] as const) {
    const unix = join(folder, `socket-${mode}`);
    const server = await startServer(t, {
      app: "edge/app.mjs",
      args: ["--model", "async", "--unix", unix, "--unix-mode", mode],
    });
    assert.equal(statSync(unix).mode & 0o777, bits);
    assert.equal(await statusOver(unix), 200);
    await server.stop();
  }
  for (const mode of ["66", "9", "888", "rw-", "7777"]) {
    const server = launch(t, { app: "edge/app.mjs", args: ["--unix", join(folder, "x"), "--unix-mode", mode] });
    assert.equal(await server.exited, 65, mode);
  }
});

test("a UNIX socket that root has bound belongs to the user that serves", { skip }, async (t) => {
  const folder = publicFolder(t);
  const unix = join(folder, "socket");
  await startServer(t, {
    app: join(folder, "app.mjs"),
    args: ["--model", "async", "--unix", unix, "--unix-mode", "600", "--user", "nobody", "--control-socket", "off"],
  });
  assert.equal(statSync(unix).uid, Number(id("-u", "nobody")));
  assert.equal(await statusOver(unix), 200);
});

test("in root's folders, log files and pid file are made for the user, and outlive rotation, reload and replacement", {
  skip,
}, async (t) => {
  const folder = publicFolder(t);
  const file = (name: string) => join(folder, name);
  const [log, access, pidFile] = [file("server.log"), file("access.log"), file("server.pid")];
  const nobody = Number(id("-u", "nobody"));
  const server = launch(t, {
    app: join(folder, "app.mjs"),
    args: ["--model", "async", "--workers", "1", "--user", "nobody", "--control-socket", "off"].concat([
      "--log-file",
      log,
      "--access-log-file",
      access,
      "--pid-file",
      pidFile,
      "--admin-port",
      "off",
    ]),
  });
  const textOf = (name: string) => (existsSync(name) ? readFileSync(name, "utf8") : "");
  const waitFor = (name: string, pattern: RegExp) =>
    until(
      () => pattern.exec(textOf(name)),
      () => `${pattern} is not in ${textOf(name)}\n${server.otherOutput.join("\n")}`,
    );
  const [, url = ""] = await waitFor(log, /"Serving at (.*)"/);
  for (const each of [log, access, pidFile]) assert.equal(statSync(each).uid, nobody, each);
  assert.equal(textOf(pidFile), `${server.pid}\n`);

  // As logrotate does with `create`: the new files are there, and the user's, before the signal is sent.
  for (const each of [log, access]) {
    renameSync(each, `${each}.1`);
    closeSync(openSync(each, "w", 0o640));
    chownSync(each, nobody, -1);
  }
  process.kill(server.pid, "SIGUSR1");
  await waitFor(log, /The log files are opened again/);
  await get(`${url}/rotated`);
  await waitFor(access, /\/rotated/);

  // Without `create` nobody may make them: that is said, the old files are written on, and a new worker serves all the same.
  for (const each of [log, access]) renameSync(each, `${each}.2`);
  process.kill(server.pid, "SIGUSR1");
  await waitFor(`${log}.2`, /"code":"SY_LOG_FILE".*its old file is written on/);
  await get(`${url}/kept`);
  await waitFor(`${access}.2`, /\/kept/);
  process.kill(server.pid, "SIGHUP");
  await waitFor(`${log}.2`, /Reloaded in/);
  const code = server.waitForLine(({ component, code }) => component === "access" && code === "EACCES");
  assert.match((await code).msg ?? "", /its lines are written here/);
  assert.equal((await get(`${url}/again`)).status, 200);

  for (const each of [log, access]) renameSync(`${each}.2`, each);
  process.kill(server.pid, "SIGUSR2");
  const [, successor = ""] = await waitFor(log, /"successor":(\d+)/);
  t.after(() => waitUntilEnded([Number(successor)]));
  await waitFor(pidFile, new RegExp(`^${successor}\n`));
  await waitFor(log, new RegExp(`"pid":${successor},.*Serving at`));
  assert.equal((await get(`${url}/last`)).status, 200);
  process.kill(Number(successor), "SIGTERM");
  await waitUntilEnded([Number(successor)]);
  assert.equal(textOf(pidFile), "");
});

test("a log file that is another's is refused before anything is served", { skip }, async (t) => {
  const folder = publicFolder(t);
  const log = join(folder, "access.log");
  closeSync(openSync(log, "w", 0o600));
  const server = launch(t, {
    app: join(folder, "app.mjs"),
    args: ["--model", "async", "--user", "nobody", "--control-socket", "off", "--access-log-file", log],
  });
  assert.equal(await server.exited, errorRecords.SY_LOG_FILE.exitCode);
  assert.match(server.otherOutput.join("\n"), /SY_LOG_FILE: .*EACCES/);
});

function statusOver(socketPath: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", reject);
  });
}
