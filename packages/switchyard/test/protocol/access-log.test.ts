// The access log of the whole server: one line for each request, with the same fields under each model, beside what the
// program itself prints.

import assert from "node:assert/strict";
import { test } from "node:test";
import { models } from "../harness/models.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { get, type LogLine, startServer, type TestServer } from "../harness/server.ts";

const host = "Host: x\r\n";

for (const { name, model, args } of models) {
  test(`${name}: each request has one access line, with what is known of it`, async (t) => {
    const server = await startServer(t, { app: "protocol/app.js", args });

    await get(`${server.url}/hello?a=1`, { headers: { "user-agent": "agent", referer: "http://from.test/" } });
    const hello = await lineOf(server, "/hello?a=1");
    const { waitMs, runMs, worker, lane, time: _time, pid: _pid, ...rest } = hello;
    assert.deepEqual(rest, {
      level: "info",
      component: "access",
      method: "GET",
      path: "/hello?a=1",
      status: 200,
      bytes: 13,
      model: model === "hybrid" ? "async" : model,
      remote: "127.0.0.1",
      httpVersion: "1.1",
      referer: "http://from.test/",
      userAgent: "agent",
    });
    assert.ok(typeof waitMs === "number" && waitMs >= 0 && (model === "sync" || waitMs === 0), String(waitMs));
    assert.ok(typeof runMs === "number" && runMs > 0, String(runMs));
    const isLane = name.includes("lane");
    assert.equal(lane, isLane ? "all" : undefined);
    const first = isLane ? 101 : 1;
    assert.ok(worker === first || worker === first + 1, String(worker));

    await get(`${server.url}/missing`, { method: "DELETE" });
    const missing = await lineOf(server, "/missing");
    assert.deepEqual([missing.method, missing.status, missing.bytes], ["DELETE", 404, 9]);

    await get(`${server.url}/large`, { method: "HEAD" });
    assert.equal((await lineOf(server, "/large")).bytes, 0);

    const leaving = (await connectRaw(t, server.url)).send(`GET /watch-wait HTTP/1.1\r\n${host}\r\n`);
    await server.waitForLine((line) => line.event === "begun");
    leaving.socket.destroy();
    const left = await lineOf(server, "/watch-wait");
    assert.deepEqual([left.status, left.bytes, left.remote], [499, 0, "127.0.0.1"]);

    const pipelined = await connectRaw(t, server.url);
    const paths = ["/text", "/content-length", "/nothing", "/latin1-body"];
    pipelined.send(paths.map((path) => `GET ${path} HTTP/1.1\r\n${host}\r\n`).join(""));
    const bytes = [];
    for (const path of paths) bytes.push((await lineOf(server, path)).bytes);
    assert.deepEqual(bytes, [23, 13, 0, 4]);

    assert.equal(await server.stop(), 0);
    const counts = Map.groupBy(accessLines(server), (line) => String(line.path));
    for (const [path, lines] of counts) assert.equal(lines.length, 1, path);
    assert.equal(counts.size, 4 + paths.length);
  });

  test(`${name}: the path is the client's, whatever the program makes of it`, async (t) => {
    const server = await startServer(t, { app: "express-mounted/app.js", args });
    assert.equal((await get(`${server.url}/api/things/7?full=1`)).body, "/things/7");
    assert.equal((await lineOf(server, "/api/things/7?full=1")).status, 200);
  });

  test(`${name}: what the program prints passes through as it is`, async (t) => {
    const server = await startServer(t, { app: "protocol/app.js", args });
    await server.get("/say");
    await server.waitForLine((line) => line.like === "json");
    assert.equal(await server.stop(), 0);
    assert.deepEqual(server.otherOutput.sort(), ["  a line of the program's own, ünïcödé", "and one on stderr"]);
    assert.deepEqual(
      server.lines.filter((line) => line.like !== undefined),
      [{ like: "json" }],
    );
  });

  test(`${name}: --no-access-log writes no access line`, async (t) => {
    const server = await startServer(t, { app: "protocol/app.js", args: [...args, "--no-access-log"] });
    assert.equal((await server.get("/hello")).status, 200);
    assert.equal(await server.stop(), 0);
    assert.deepEqual(accessLines(server), []);
    assert.deepEqual(server.otherOutput, []);
  });
}

for (const format of ["common", "combined"]) {
  test(`--access-log ${format} writes that format`, async (t) => {
    const args = ["--model", "async", "--access-log", format];
    const server = await startServer(t, { app: "protocol/app.js", args });
    await get(`${server.url}/hello`, { headers: { "user-agent": 'a "quoted" agent', referer: "r" } });
    assert.equal(await server.stop(), 0);
    const common = String.raw`^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /hello HTTP/1\.1" 200 13`;
    const more = format === "common" ? "" : String.raw` "r" "a \\"quoted\\" agent"`;
    assert.equal(server.otherOutput.length, 1);
    assert.match(server.otherOutput[0]!, new RegExp(`${common}${more}$`));
  });
}

function accessLines(server: TestServer): LogLine[] {
  return server.lines.filter((line) => line.component === "access");
}

function lineOf(server: TestServer, path: string): Promise<LogLine> {
  return server.waitForLine((line) => line.component === "access" && line.path === path);
}
