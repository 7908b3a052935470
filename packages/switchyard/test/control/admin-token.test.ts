// The admin port's address and its token: who is answered, who is not, and what is refused before anything starts.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startAdminServer } from "../../src/control/admin.ts";
import { errorRecords } from "../../src/errors.ts";
import type { ServerControl } from "../../src/server-control.ts";
import { folderOf } from "../harness/folder.ts";
import { waitUntilEnded } from "../harness/processes.ts";
import { appPath, get, launch, startServer, type TestServer } from "../harness/server.ts";

const token = "0123456789abcdef:and-a-colon";
const bearer = { authorization: `Bearer ${token}` };

function tokenFile(t: TestContext, text: string, mode = 0o600): string {
  const file = join(folderOf(t), "token");
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

async function adminUrl(server: TestServer): Promise<string> {
  const line = await server.waitForLine(({ msg }) => msg?.startsWith("Status page: ") ?? false);
  return String(line.url);
}

const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});

async function assertRefused(
  t: TestContext,
  { args, env = {}, saw }: { args: readonly string[]; env?: Record<string, string>; saw: RegExp },
): Promise<void> {
  const server = launch(t, { app: "plain/app.mjs", args: ["--model", "async", ...args], env });
  assert.equal(await server.exited, errorRecords.SY_ADMIN_TOKEN.exitCode, server.otherOutput.join("\n"));
  assert.match(server.otherOutput.join("\n"), /^error SY_ADMIN_TOKEN: /m);
  assert.match(server.otherOutput.join("\n"), saw);
  assert.deepEqual(server.lines, []);
}

test("an admin address that others can reach is refused without a token, with what to do", async (t) => {
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "shop.example"]) {
    await assertRefused(t, {
      args: ["--admin-host", host],
      saw: new RegExp(`listen on ${host}, .*--admin-token-file`, "s"),
    });
  }
});

test("loopback needs no token, and a port that is off needs none anywhere", async (t) => {
  const local = await startServer(t, { app: "plain/app.mjs", args: ["--model", "async", "--admin-host", "127.0.0.2"] });
  const url = await adminUrl(local);
  assert.equal(new URL(url).hostname, "127.0.0.2");
  assert.equal((await get(url)).status, 200);
  assert.equal((await get(url, { headers: { host: "evil.example" } })).status, 421);
  await local.stop();

  const off = ["--admin-host", "0.0.0.0", "--admin-port", "off", "--admin-token-file", "/nowhere"];
  const without = await startServer(t, { app: "plain/app.mjs", args: ["--model", "async", ...off] });
  assert.equal((await without.get("/hello")).status, 200);
});

test("a token that is no good is refused at the start, and is not printed", async (t) => {
  const cases: [file: string, saw: RegExp][] = [
    [tokenFile(t, token, 0o604), /Every user of this machine may read or write the token file .*0604.*chmod 600/s],
    [tokenFile(t, token, 0o602), /may read or write the token file/],
    [tokenFile(t, ""), /is empty/],
    [tokenFile(t, "fifteen-letters"), /has 15 characters, and a token needs 16/],
    [tokenFile(t, "first-of-two-lines\nsecond-of-two-lines"), /has white space/],
    [tokenFile(t, "schlüssel-schlüssel"), /not ASCII/],
    [tokenFile(t, "x".repeat(1025)), /1024 at most/],
    [join(folderOf(t), "missing"), /can't be read \(ENOENT\)/],
    [folderOf(t), /can't be read \(EISDIR\)/],
  ];
  for (const [file, saw] of cases) await assertRefused(t, { args: ["--admin-token-file", file], saw });

  const server = launch(t, { app: "plain/app.mjs", env: { SWITCHYARD_ADMIN_TOKEN: "fifteen-letters" } });
  assert.equal(await server.exited, errorRecords.SY_ADMIN_TOKEN.exitCode);
  const said = server.otherOutput.join("\n");
  assert.match(said, /environment variable SWITCHYARD_ADMIN_TOKEN has 15 characters/);
  assert.doesNotMatch(said, /fifteen-letters/);
});

test("with a token, everything but the probes is for those who bring it, by any name of the server", async (t) => {
  const args = ["--model", "async", "--admin-host", "0.0.0.0", "--admin-token-file", tokenFile(t, `${token}\n`, 0o640)];
  const server = await startServer(t, { app: "plain/app.mjs", args });
  const url = `http://127.0.0.1:${new URL(await adminUrl(server)).port}/`;

  const closed = [
    "",
    "status",
    "metrics",
    "events",
    "assets/main.js",
    "actions/reload",
    "nothing",
    "livez/",
    "livez%20",
  ];
  for (const path of closed) {
    for (const method of ["GET", "POST"]) {
      const answer = await get(url + path, { method });
      assert.equal(answer.status, 401, `${method} /${path}`);
      assert.match(String(answer.headers["www-authenticate"]), /^Basic realm=.*Bearer realm=/);
    }
  }
  for (const authorization of [
    "",
    "Bearer",
    "Bearer ",
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token}x`,
    `Bearer ${token} ${token}`,
    `Token ${token}`,
    token,
    "Basic",
    "Basic ====",
    `Basic ${token}`,
    `Basic ${Buffer.from(token).toString("base64")}`,
    basic(token, "").authorization,
    basic("admin", `${token}x`).authorization,
  ]) {
    assert.equal((await get(`${url}status`, { headers: { authorization } })).status, 401, authorization);
  }
  for (const headers of [bearer, { authorization: `bearer ${token}` }, basic("", token), basic("anybody", token)]) {
    for (const path of ["", "status", "metrics", "assets/main.js", "livez", "readyz"]) {
      const answer = await get(url + path, { headers: { ...headers, host: "metrics.shop.example" } });
      assert.equal(answer.status, 200, path);
    }
  }
  for (const path of ["livez", "readyz"]) {
    const answer = await get(url + path, { headers: { host: "10.1.2.3:9100" } });
    assert.deepEqual([answer.status, answer.body], [200, "ok\n"]);
  }
  assert.match((await get(`${url}readyz`, { headers: bearer })).body, /1 workers are ready/);
});

test("an order needs the token of the port, and that of the page beside it", async (t) => {
  const args = ["--model", "async", "--admin-token-file", tokenFile(t, token)];
  const url = await adminUrl(await startServer(t, { app: "plain/app.mjs", args }));
  const page = await get(url, { headers: bearer });
  const own = { "x-switchyard-token": /name="switchyard-token" content="([\w-]+)"/.exec(page.body)?.[1] ?? "" };
  const order = (headers: Record<string, string>) =>
    get(`${url}actions/restart`, { method: "POST", headers, body: '{"worker":99}' });

  assert.equal((await order(own)).status, 401);
  assert.equal((await order(bearer)).status, 403);
  assert.equal((await order({ ...own, ...bearer, origin: "http://evil.example" })).status, 403);
  const taken = await order({ ...own, ...basic("me", token), origin: url.slice(0, -1) });
  assert.equal(taken.status, 409);
  assert.match(taken.body, /99/);
});

test("a probe without the token is not told which lanes have no worker", async (t) => {
  const running = await startServer(t, {
    app: "plain/app.mjs",
    args: ["--model", "async", "--lane", "/secret/**=sync:1"],
  });
  const before = await running.waitForStatus(({ workers }) => new Set(workers.map(({ lane }) => lane)).size === 2);
  const status = { ...before, workers: before.workers.filter(({ lane }) => lane === null) };
  const admin = await startAdminServer({
    port: 0,
    access: { host: "127.0.0.1", token },
    status: () => status,
    // Nobody gives an order here.
    control: {} as ServerControl,
  });
  t.after(() => admin.close());
  const probe = await get(`${admin.url}readyz`);
  assert.deepEqual([probe.status, probe.body], [503, "not ready\n"]);
  const trusted = await get(`${admin.url}readyz`, { headers: bearer });
  assert.equal(trusted.status, 503);
  assert.match(trusted.body, /secret/);
});

for (const model of ["async", "sync"]) {
  test(`the token may come from the environment, where the application does not find it (${model})`, async (t) => {
    const app = join(folderOf(t), "app.mjs");
    writeFileSync(
      app,
      "export default (request, response) => response.end(JSON.stringify([process.env.SWITCHYARD_ADMIN_TOKEN, process.env.OTHER]));\n",
    );
    const env = { SWITCHYARD_ADMIN_TOKEN: token, OTHER: "kept" };
    const server = await startServer(t, { app, args: ["--model", model, "--workers", "1"], env });
    const url = await adminUrl(server);
    assert.equal((await get(`${url}status`)).status, 401);
    assert.equal((await get(`${url}status`, { headers: bearer })).status, 200);
    assert.equal((await server.get("/")).body, '[null,"kept"]');
    assert.ok(!JSON.stringify(server.lines).includes(token));
  });
}

test("the file comes before the environment", async (t) => {
  const server = await startServer(t, {
    app: "plain/app.mjs",
    args: ["--model", "async", "--admin-token-file", tokenFile(t, token)],
    env: { SWITCHYARD_ADMIN_TOKEN: "that-of-the-environment" },
  });
  const url = await adminUrl(server);
  const status = (text: string) => get(`${url}status`, { headers: { authorization: `Bearer ${text}` } });
  assert.equal((await status("that-of-the-environment")).status, 401);
  assert.equal((await status(token)).status, 200);
});

test("a server that takes this one's place asks for the token too", async (t) => {
  const server = await startServer(t, {
    app: "plain/app.mjs",
    args: ["--model", "async"],
    env: { SWITCHYARD_ADMIN_TOKEN: token },
  });
  server.child.kill("SIGUSR2");
  const pid = Number((await server.waitForLine(({ successor }) => successor !== undefined)).successor);
  try {
    const line = await server.waitForLine(
      ({ msg, pid: of }) => of === pid && (msg?.startsWith("Status page: ") ?? false),
    );
    assert.equal((await get(`${line.url}status`)).status, 401);
    assert.equal((await get(`${line.url}status`, { headers: bearer })).status, 200);
  } finally {
    // It is no child of the test's, and holds the output whose end the test waits for.
    process.kill(pid, "SIGTERM");
    await waitUntilEnded([pid]);
  }
});

test("a file that root alone may read is read before the server becomes another user", {
  skip: process.getuid?.() !== 0 && "only root can become another user",
}, async (t) => {
  const folder = folderOf(t);
  cpSync(appPath("edge/app.mjs"), join(folder, "app.mjs"));
  execFileSync("chmod", ["-R", "a+rX", folder]);
  const user = ["--user", "nobody", "--control-socket", "off"];
  const server = await startServer(t, {
    app: join(folder, "app.mjs"),
    args: ["--model", "async", ...user, "--admin-token-file", tokenFile(t, token)],
  });
  const url = await adminUrl(server);
  assert.equal((await get(`${url}status`)).status, 401);
  assert.equal((await get(`${url}status`, { headers: bearer })).status, 200);
});
