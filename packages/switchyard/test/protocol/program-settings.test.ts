// Timeouts that a program sets on its own server: kept by the server that stands in for it, under every model.

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { parseServeFlags } from "../../src/config/flags.ts";
import { withProgram } from "../../src/config/program-settings.ts";
import { resolveSettings } from "../../src/config/resolve.ts";
import { retireWithinMs } from "../../src/supervisor/reload.ts";
import { makeCertificate } from "../harness/certificate.ts";
import { models } from "../harness/models.ts";
import { startServer, type TestServer } from "../harness/server.ts";

for (const { name, args } of models) {
  test(`${name}: connections are kept as the program says, unless the user says something else`, async (t) => {
    const app = "protocol/own-timeouts.cjs";
    const asked = [...args, "--keep-alive-timeout", "9s"];
    const [server, told] = await Promise.all([startServer(t, { app, args }), startServer(t, { app, args: asked })]);
    assert.equal((await keptAlive(server.url))[0], "timeout=65, max=3");
    assert.equal((await keptAlive(told.url))[0], "timeout=9, max=3");
    assert.deepEqual(await keptAlive(server.url, 3), ["timeout=65, max=3", "timeout=65, max=3", "closes"]);
  });
}

for (const model of ["async", "sync"]) {
  test(`${model}: a program with a server for TLS is told of when it is served without`, async (t) => {
    const app = "protocol/own-tls.cjs";
    const args = ["--model", model];
    const certificate = makeCertificate(t);
    const [plain, secure] = await Promise.all([
      startServer(t, { app, args }),
      startServer(t, { app, args: [...args, ...certificate.args] }),
    ]);
    const isTold = ({ lines }: TestServer) => lines.some(({ msg }) => msg?.includes("--tls-cert") ?? false);
    assert.equal((await plain.get("/")).body, "encrypted: false\n");
    assert.deepEqual([isTold(plain), isTold(secure)], [true, false]);
  });
}

/** What each of so many answers on one connection says of how long it stays. */
async function keptAlive(url: string, requests = 1): Promise<string[]> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const said: string[] = [];
  for (let sent = 0; sent < requests; sent++) said.push(await ask(url, agent));
  agent.destroy();
  return said;
}

function ask(url: string, agent: http.Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => {
      const { connection, "keep-alive": kept } = response.headers;
      response.on("error", reject);
      response.on("end", () => resolve(connection === "close" ? "closes" : String(kept)));
      response.resume();
    });
    request.on("error", reject);
  });
}

const settingsOf = (flags: string) =>
  resolveSettings({
    flags: parseServeFlags(flags.split(" ").filter((word) => word !== "")),
    config: null,
    env: {},
    cwd: "/srv",
    app: "/srv/app.ts",
  });

test("a program's limit for a request is one for its headers too", () => {
  const short = withProgram(settingsOf(""), { requestTimeout: 7_000 });
  assert.deepEqual([short.requestTimeoutMs, short.headersTimeoutMs], [7_000, 7_000]);
  const none = withProgram(settingsOf(""), { requestTimeout: 0, headersTimeout: 90_000 });
  assert.deepEqual([none.requestTimeoutMs, none.headersTimeoutMs], [0, 90_000]);
  const asked = withProgram(settingsOf("--headers-timeout 3s"), { requestTimeout: 7_000, headersTimeout: 90_000 });
  assert.deepEqual([asked.requestTimeoutMs, asked.headersTimeoutMs], [7_000, 3_000]);
});

test("a worker that is replaced lives for as long as its program keeps idle connections", () => {
  const settings = settingsOf("--drain-timeout 10s");
  assert.equal(retireWithinMs(withProgram(settings, {})), 10_000);
  assert.equal(retireWithinMs(withProgram(settings, { keepAliveTimeout: 65_000 })), 67_500);
});
