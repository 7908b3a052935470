// A server on a UNIX socket: serves, replaces a file that a dead server left, leaves a live one alone, and cleans up.

import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { mayBeReset } from "../harness/connections.ts";
import { models } from "../harness/models.ts";
import { until } from "../harness/patience.ts";
import { launch, startServer } from "../harness/server.ts";

for (const { name, args } of models) {
  test(`${name}: serves on a UNIX socket, and removes it at its end`, async (t) => {
    const path = socketPath(t);
    const server = await startServer(t, { app: "protocol/app.js", args: [...args, "--unix", path] });
    assert.equal(server.url, `unix:${path}`);
    assert.equal(await getUnix(path, "/hello"), "Hello, world!");
    const { now } = JSON.parse(await getUnix(path, "/fields"));
    assert.deepEqual(
      [now.socket.remoteAddress, now.headers.some(([field]: [string]) => field === "host")],
      [undefined, true],
    );
    await server.waitForLine(
      (line) => line.component === "access" && line.path === "/hello" && line.remote === undefined,
    );

    // Another server may not take it, and does the one that has it no harm.
    const second = launch(t, { app: "protocol/app.js", args: [...args, "--unix", path] });
    assert.notEqual(await second.exited, 0);
    assert.match(second.otherOutput.join("\n"), /SY_PORT_IN_USE.*is in use/);
    assert.equal(await getUnix(path, "/hello"), "Hello, world!");

    assert.equal(await server.stop(), 0);
    assert.equal(existsSync(path), false);
  });
}

test("a UNIX socket whose server was killed is replaced", async (t) => {
  const path = socketPath(t);
  const killed = await startServer(t, { app: "protocol/app.js", args: ["--model", "async", "--unix", path] });
  killed.child.kill("SIGKILL");
  await killed.exited;
  await refused(path);
  assert.equal(lstatSync(path).isSocket(), true);

  const server = await startServer(t, { app: "protocol/app.js", args: ["--model", "async", "--unix", path] });
  assert.equal(await getUnix(path, "/hello"), "Hello, world!");
  assert.equal(await server.stop(), 0);
});

test("a file that is no socket is left as it is", async (t) => {
  const path = socketPath(t);
  writeFileSync(path, "precious");
  const server = launch(t, { app: "protocol/app.js", args: ["--model", "async", "--unix", path] });
  assert.notEqual(await server.exited, 0);
  assert.match(server.otherOutput.join("\n"), /SY_PORT_IN_USE/);
  assert.equal(lstatSync(path).isFile(), true);
});

function socketPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-unix-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "server.sock");
}

function getUnix(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath, path, agent: false }, async (response) => {
      let text = "";
      for await (const piece of response.setEncoding("utf8")) text += piece;
      resolve(text);
    });
    request.on("error", reject);
  });
}

/** Resolves once nobody listens on the socket any more: the killed server's workers end a moment after it. */
async function refused(path: string): Promise<void> {
  const isRefused = () =>
    new Promise<boolean>((resolve) => {
      const probe = mayBeReset(net.connect(path));
      probe.once("connect", () => resolve(false));
      probe.once("error", () => resolve(true));
      probe.unref();
    });
  await until(isRefused);
}
