// The admin server's way with what browsers and strangers send it. No browser is needed for these.

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { maxViewers } from "../../src/control/dashboard/live.ts";
import { mayBeReset } from "../harness/connections.ts";
import { until } from "../harness/patience.ts";
import { RawClient } from "../harness/raw-client.ts";
import { get, startServer } from "../harness/server.ts";

async function startAdmin(t: TestContext): Promise<string> {
  const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", "async"] });
  const line = await server.waitForLine(({ msg }) => msg?.startsWith("Status page: ") ?? false);
  return String(line.url);
}

test("the page brings a policy that allows its own files alone, and each of them is there", async (t) => {
  const url = await startAdmin(t);
  const page = await get(url);
  assert.equal(page.status, 200);
  const policy = String(page.headers["content-security-policy"]);
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  const named = [...page.body.matchAll(/"(\/assets\/[\w.-]+)"/g)].map(([, path]) => path!);
  assert.ok(named.length >= 7);
  const scripts = new Set<string>();
  for (const path of named) await fetchScript(path);
  assert.ok(scripts.size > 10);

  async function fetchScript(path: string): Promise<void> {
    if (scripts.has(path)) return;
    const { status, body, headers } = await get(new URL(path, url).href);
    assert.equal(status, 200, path);
    assert.doesNotMatch(body, /sourceMappingURL/);
    const again = await get(new URL(path, url).href, { headers: { "if-none-match": String(headers.etag) } });
    assert.equal(again.status, 304);
    if (!path.endsWith(".js")) return;
    scripts.add(path);
    for (const [, name] of body.matchAll(/from "\.\/([\w.-]+)"/g)) await fetchScript(`/assets/${name}`);
  }
});

test("a name that somebody else can point to this machine gets neither the page nor its events", async (t) => {
  const url = await startAdmin(t);
  const { port } = new URL(url);
  for (const path of ["", "events", "assets/main.js"]) {
    for (const host of [`evil.example:${port}`, "127.0.0.1.evil.example", "localhost.evil.example", "[::1"]) {
      const answer = await get(url + path, { headers: { host } });
      assert.equal(answer.status, 421, `${path} for ${host}`);
    }
  }
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, "[::1]:80", "10.0.0.7"]) {
    assert.equal((await get(url, { headers: { host } })).status, 200, host);
  }
});

test("no path leads out of the page's own files", async (t) => {
  const url = new URL(await startAdmin(t));
  for (const path of [
    "/assets/../package.json",
    "/assets/%2e%2e/package.json",
    "/assets/constructor",
    "/assets/",
    "//",
    "/%",
  ]) {
    const client = new RawClient(mayBeReset(net.connect(Number(url.port), url.hostname)));
    client.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    const text = await client.ended();
    assert.match(text, /^HTTP\/1\.1 404 /, path);
  }
  assert.equal((await get(`${url}livez`)).status, 200);
});

test("only so many dashboards may be open, each is told how the server is, and one that closes makes room", async (t) => {
  const url = await startAdmin(t);
  const open = await Promise.all(Array.from({ length: maxViewers }, () => openEvents(t, `${url}events`)));
  for (const viewer of open) assert.equal(viewer.status, 200);
  await Promise.all(open.map((viewer) => viewer.event("status")));
  const oneMore = await get(`${url}events`);
  assert.equal(oneMore.status, 503);
  assert.match(oneMore.body, /64 dashboards are open already/);

  open[0]!.close();
  await until(async () => (await openEvents(t, `${url}events`)).status === 200);
});

interface Viewer {
  readonly status: number;
  /** Resolves with the data of the next event of that name. */
  event(name: string): Promise<unknown>;
  close(): void;
}

function openEvents(t: TestContext, url: string): Promise<Viewer> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        text += piece;
      });
      response.on("error", () => {});
      resolve({
        status: response.statusCode ?? 0,
        close: () => request.destroy(),
        event: (name) =>
          new Promise((found) => {
            const look = () => {
              const data = new RegExp(`event: ${name}\\ndata: (.*)\\n\\n`).exec(text)?.[1];
              if (data === undefined) return;
              response.removeListener("data", look);
              found(JSON.parse(data));
            };
            response.on("data", look);
            look();
          }),
      });
    });
    request.on("error", reject);
    t.after(() => request.destroy());
  });
}

test("an order is taken from the page alone: with its token, from its own origin, as a POST", async (t) => {
  const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", "async"] });
  const line = await server.waitForLine(({ msg }) => msg?.startsWith("Status page: ") ?? false);
  const url = String(line.url);
  const origin = url.replace(/\/$/, "");
  const token = /name="switchyard-token" content="([\w-]+)"/.exec((await get(url)).body)?.[1] ?? "";
  assert.ok(token.length >= 32);
  const pid = (await server.waitForStatus(({ workers }) => workers.length === 1)).workers[0]?.pid;
  const order = (headers: Record<string, string>, options: { body?: string; method?: string; action?: string } = {}) =>
    get(`${url}actions/${options.action ?? "restart"}`, {
      method: options.method ?? "POST",
      headers,
      ...(options.method === "GET" ? {} : { body: options.body ?? '{"worker":1}' }),
    });

  assert.equal((await order({})).status, 403);
  assert.equal((await order({ "x-switchyard-token": "" })).status, 403);
  assert.equal((await order({ "x-switchyard-token": `${token.slice(0, -1)}!` })).status, 403);
  assert.equal((await order({ "x-switchyard-token": token, origin: "http://evil.example" })).status, 403);
  assert.equal((await order({ "x-switchyard-token": token, origin: "null" })).status, 403);
  assert.equal((await order({ "x-switchyard-token": token, host: "evil.example" })).status, 421);
  assert.equal((await order({ "x-switchyard-token": token }, { method: "GET" })).status, 405);
  const right = { "x-switchyard-token": token, origin };
  assert.equal((await order(right, { action: "format" })).status, 404);
  for (const body of [
    "",
    "{",
    "[]",
    "null",
    '"1"',
    '{"worker":"1"}',
    '{"worker":1.5}',
    `{"worker":1,"x":"${"x".repeat(2000)}"}`,
  ]) {
    assert.equal((await order(right, { body })).status, 400, body);
  }
  const behindTls = { ...right, origin: origin.replace("http:", "https:") };
  assert.equal((await order(behindTls, { action: "format" })).status, 404);
  const nobody = await order(right, { body: '{"worker":99}' });
  assert.equal(nobody.status, 409);
  assert.match(nobody.body, /99/);
  assert.equal((await server.status()).workers[0]?.pid, pid);

  assert.equal((await order(right)).status, 200);
  assert.notEqual((await server.waitForStatus(({ workers }) => workers[0]?.pid !== pid)).workers[0]?.pid, pid);
});
