// What signals do besides stopping and reloading, and the files that a server keeps: its logs and its pid file.

import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { errorRecords } from "../../src/errors.ts";
import { folderOf } from "../harness/folder.ts";
import { until } from "../harness/patience.ts";
import { get, launch, startServer } from "../harness/server.ts";

const models = { hybrid: ["--model", "hybrid", "--workers", "2"], sync: ["--model", "sync", "--workers", "2"] };

for (const [model, args] of Object.entries(models)) {
  test(`${model}: SIGTTIN is one worker more and SIGTTOU one less, each counted, and never none`, async (t) => {
    const server = await startServer(t, { app: "control/app.mjs", args: [...args, "--no-access-log"] });
    const waitFor = (count: number) =>
      server.waitForStatus(({ workersWanted, workers }) => workersWanted === count && workers.length === count);
    for (const _ of [1, 2]) {
      server.child.kill("SIGTTIN");
      // Two of one signal at the same moment are one to the kernel: the second is sent when the first was heard.
      await server.waitForStatus(({ workersWanted }) => workersWanted > 2);
    }
    await waitFor(4);
    for (const left of [3, 2, 1]) {
      server.child.kill("SIGTTOU");
      await waitFor(left);
    }
    server.child.kill("SIGTTOU");
    await server.waitForLine(({ msg }) => msg === "Scaled from 1 to 1 workers.");
    assert.equal((await server.get("/")).status, 200);
  });

  test(`${model}: log files are written by every process, and opened again on SIGUSR1`, async (t) => {
    const folder = folderOf(t);
    const [log, access] = [join(folder, "server.log"), join(folder, "access.log")];
    const port = "0";
    const server = launch(t, {
      app: "control/app.mjs",
      args: [...args, "--port", port, "--log-file", log, "--access-log-file", access],
    });
    const url = await waitForUrl(log);
    const linesOf = (file: string) => (existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : []);
    const waitForLines = (file: string, count: number) =>
      until(
        () => linesOf(file).length >= count,
        () => linesOf(file),
      );
    assert.equal(statSync(access).mode & 0o777, 0o640);
    for (let index = 0; index < 20; index++) await get(`${url}/first`);
    await waitForLines(access, 20);
    renameSync(access, `${access}.1`);
    renameSync(log, `${log}.1`);
    server.child.kill("SIGUSR1");
    await until(
      () => linesOf(log).some((line) => line.includes("opened again")),
      () => linesOf(log),
    );
    // Until a worker has heard of it, its lines go to the old file: none is lost.
    let sent = 0;
    await until(
      async () => {
        for (let index = 0; index < 20; index++, sent++) await get(`${url}/second`);
        return linesOf(access).length >= 20;
      },
      () => ({ sent, lines: linesOf(access) }),
    );
    await server.stop();
    const all = [...linesOf(`${access}.1`), ...linesOf(access)].map((line) => JSON.parse(line).path);
    assert.equal(all.filter((path) => path === "/first").length, 20);
    assert.equal(all.filter((path) => path === "/second").length, sent);
    assert.deepEqual(server.lines, []);
  });
}

async function waitForUrl(log: string): Promise<string> {
  const [, url] = await until(() =>
    existsSync(log) ? /"msg":"Serving at ([^"]+)"/.exec(readFileSync(log, "utf8")) : null,
  );
  return url!;
}

test("a log file that can't be written is refused before anything is started", async (t) => {
  for (const flag of ["--log-file", "--access-log-file"]) {
    const server = launch(t, { app: "control/app.mjs", args: [flag, "/nowhere/at/all.log"] });
    assert.equal(await server.exited, errorRecords.SY_LOG_FILE.exitCode);
    assert.match(server.otherOutput.join("\n"), /\/nowhere\/at\/all\.log can't be opened \(ENOENT\)/);
  }
});

test("the pid file names the server while it runs; a stale one is replaced, that of a running server is not", async (t) => {
  const file = join(folderOf(t), "server.pid");
  const args = ["--model", "async", "--pid-file", file];
  const server = await startServer(t, { app: "control/app.mjs", args });
  assert.equal(readFileSync(file, "utf8"), `${server.pid}\n`);

  const second = launch(t, { app: "control/app.mjs", args });
  assert.equal(await second.exited, errorRecords.SY_PID_FILE.exitCode);
  assert.match(second.otherOutput.join("\n"), new RegExp(`names process ${server.pid}, which is running`));

  server.child.kill("SIGKILL");
  await server.exited;
  const third = await startServer(t, { app: "control/app.mjs", args });
  assert.equal(readFileSync(file, "utf8"), `${third.pid}\n`);
  await third.stop();
  assert.ok(!existsSync(file));

  // Another program may have got the number since, and anything may be in the file.
  for (const text of [`${process.ppid}\n`, "nonsense", "-1"]) {
    writeFileSync(file, text);
    const next = await startServer(t, { app: "plain/app.mjs", args });
    assert.equal(readFileSync(file, "utf8"), `${next.pid}\n`);
    await next.stop();
  }
});

for (const [model, args] of Object.entries(models)) {
  test(`${model}: with --lame-duck, SIGTERM turns readiness to 503 at once and requests are served on`, async (t) => {
    const server = await startServer(t, { app: "control/app.mjs", args: [...args, "--lame-duck", "10m"] });
    const page = await server.waitForLine(({ msg }) => /^(?:Status page|Dashboard): /.test(String(msg)));
    const ready = async () => (await get(`${page.url}readyz`)).status;
    assert.equal(await ready(), 200);
    server.child.kill("SIGTERM");
    await server.waitForLine(({ lameDuckMs }) => lameDuckMs === 600_000);
    assert.equal(await ready(), 503);
    assert.equal((await server.get("/still")).status, 200);
    assert.equal((await server.status()).phase, "leaving");
  });

  test(`${model}: after the time of --lame-duck the server drains and ends`, async (t) => {
    const server = await startServer(t, { app: "control/app.mjs", args: [...args, "--lame-duck", "100ms"] });
    assert.equal(await server.stop(), 0);
    const told = server.lines.findIndex(({ lameDuckMs }) => lameDuckMs === 100);
    const drained = server.lines.findIndex(({ withinMs }) => withinMs === 30_000);
    assert.ok(told !== -1 && drained > told);
  });
}
