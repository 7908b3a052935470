// What every application of test/fixtures/apps/README.md answers, whatever its framework, and wherever a request of it runs.

import assert from "node:assert/strict";
import { get, type TestServer } from "./server.ts";

export async function assertContract({ url }: TestServer): Promise<void> {
  const hello = await get(`${url}/hello`);
  assert.deepEqual([hello.status, hello.body], [200, "Hello, world!"]);

  const json = await get(`${url}/json?x=1`);
  assert.match(json.headers["content-type"] ?? "", /^application\/json/);
  assert.deepEqual(JSON.parse(json.body), { method: "GET", path: "/json", x: "1" });

  const body = "é0123456789".repeat(10_000);
  const type = "application/x-grid";
  const echo = await get(`${url}/echo`, { method: "POST", body, headers: { "content-type": type } });
  assert.deepEqual([echo.status, echo.headers["content-type"], echo.body.length], [200, type, body.length]);
  assert.ok(echo.body === body);

  const status = await get(`${url}/status/418`);
  assert.deepEqual([status.status, status.body], [418, "status 418"]);
  assert.equal((await get(`${url}/nothing-here`)).status, 404);

  const headers = await get(`${url}/headers`, { headers: { "x-grid": "one", "user-agent": "grid" } });
  const seen = JSON.parse(headers.body);
  assert.deepEqual([seen["x-grid"], seen["user-agent"], seen.host], ["one", "grid", new URL(url).host]);

  const stream = await get(`${url}/stream`);
  assert.equal(stream.body, "chunk 0\nchunk 1\nchunk 2\nchunk 3\nchunk 4\n");
  const waited = await get(`${url}/wait?ms=20`);
  assert.deepEqual([waited.status, waited.body], [200, "waited"]);

  const head = await get(`${url}/hello`, { method: "HEAD" });
  assert.deepEqual([head.status, head.body], [200, ""]);
}
