// What comes after a worker's death: another, soon at first and later when they die in a row, and the end of the server
// when its application can't be loaded any more.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { errorRecords } from "../../src/errors.ts";
import { Accounting, tally } from "../harness/accounting.ts";
import { descendantsOf, waitUntilEnded } from "../harness/processes.ts";
import { startServer } from "../harness/server.ts";

const models = {
  hybrid: ["--model", "hybrid", "--workers", "2"],
  "hybrid with threads": ["--model", "hybrid", "--workers", "1", "--threads", "2"],
  sync: ["--model", "sync", "--workers", "2"],
  "sync with threads": ["--model", "sync", "--workers", "1", "--threads", "2"],
};

const good = `
export default (request, response) => {
  if (request.url === "/end") process.exit(7);
  response.end(String(process.pid));
};
`;

/** An application in a file of its own, which the test may change. */
function writeApp(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const app = join(folder, "app.mjs");
  writeFileSync(app, good);
  return app;
}

for (const [model, args] of Object.entries(models)) {
  test(`${model}: an application that can't be loaded any more ends the server when no worker is left`, async (t) => {
    const app = writeApp(t);
    const server = await startServer(t, { app, args: [...args, "--no-access-log"] });
    const client = new Accounting(server);
    writeFileSync(app, "export default ((");
    const processes = descendantsOf(server.pid);

    // One is left: it goes on to serve while the other is tried again and again.
    await client.send("/end").outcome;
    await server.waitForLine(({ msg }) => /ended|died/.test(String(msg)));
    assert.deepEqual(tally(await client.load("/", { clients: 1, count: 5 })), { 200: 5 });

    // And none: what waits is told so, and the server ends as it would have if it had been started now.
    await client.send("/end").outcome;
    assert.equal(await server.exited, errorRecords.SY_APP_SYNTAX.exitCode);
    const errors = server.otherOutput.filter((line) => line.startsWith("error "));
    assert.equal(errors.length, 1, server.otherOutput.join("\n"));
    assert.match(errors[0]!, /^error SY_APP_SYNTAX: /);
    await waitUntilEnded(processes);
  });
}

for (const model of ["hybrid", "sync"] as const) {
  test(`${model}: a worker that can't be loaded is tried again after growing pauses, until it can`, async (t) => {
    const app = writeApp(t);
    const server = await startServer(t, { app, args: [...models[model], "--no-access-log"] });
    const client = new Accounting(server);
    writeFileSync(app, "throw new Error('not now');");
    await client.send("/end").outcome;
    await server.waitForLine(({ nextStartMs }) => nextStartMs === 400);
    const pauses = server.lines.map(({ nextStartMs }) => nextStartMs).filter((pause) => pause !== undefined);
    // More of them may have come by now.
    assert.deepEqual(pauses.slice(0, 4), [0, 100, 200, 400]);
    const causes = server.lines.filter(({ nextStartMs }) => nextStartMs !== undefined).map(({ msg }) => String(msg));
    assert.match(causes[0]!, /exit code 7/);
    assert.match(causes[1]!, /not now/);

    writeFileSync(app, good);
    await server.waitForStatus(({ workers }) => workers.length === 2);
    assert.deepEqual(tally(await client.load("/", { clients: 2, count: 10 })), { 200: 10 });
  });
}

test("sync: requests that wait while the application can't be loaded any more are answered, not dropped", async (t) => {
  const app = writeApp(t);
  const server = await startServer(t, { app, args: ["--model", "sync", "--workers", "1", "--no-access-log"] });
  const client = new Accounting(server);
  // It fails when the test lets it.
  const hold = `${app}.hold`;
  writeFileSync(hold, "");
  writeFileSync(
    app,
    `import { existsSync } from "node:fs";
    while (existsSync(${JSON.stringify(hold)})) await new Promise((resolve) => setTimeout(resolve, 20));
    throw new Error("not now");`,
  );
  const last = client.send("/end");
  assert.deepEqual((await last.outcome).statuses, [502]);
  const waiting = Array.from({ length: 5 }, () => client.send("/"));
  await server.waitForStatus(({ queue }) => queue?.length === 5);
  rmSync(hold);
  assert.deepEqual(tally(await Promise.all(waiting.map(({ outcome }) => outcome))), { 503: 5 });
  assert.equal(await server.exited, errorRecords.SY_APP_THREW.exitCode);
});

test("as the first process of a container it ends on SIGTERM, and takes every process with it", async (t) => {
  const prefix = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
  if (!canRun([...prefix, process.execPath, "-e", ""])) {
    t.skip("needs the right to make a PID namespace");
    return;
  }
  for (const model of ["hybrid", "sync"] as const) {
    const server = await startServer(t, { app: "plain/app.mjs", args: models[model], prefix });
    assert.equal((await server.get("/hello")).status, 200);
    assert.equal((await server.status()).pid, 1);
    const [first, ...others] = descendantsOf(server.pid);
    process.kill(first!, "SIGTERM");
    assert.equal(await server.exited, 0);
    await waitUntilEnded([first!, ...others]);
  }
});

function canRun([command, ...args]: readonly string[]): boolean {
  try {
    execFileSync(command!, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
