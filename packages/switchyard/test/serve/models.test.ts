// The whole server, through its command, under each model.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { mayBeReset } from "../harness/connections.ts";
import { get, startServer } from "../harness/server.ts";

const models = [
  ["async", []],
  ["hybrid", ["--workers", "2"]],
  ["hybrid", ["--workers", "2", "--threads", "2"]],
  ["greenlet", ["--workers", "1"]],
  ["sync", ["--workers", "2"]],
  ["sync", ["--threads", "2"]],
  ["sync", ["--workers", "2", "--threads", "2"]],
] as const;

for (const [model, args] of models) {
  const name = `${model} ${args.join(" ")}`.trim();

  test(`${name}: answers, and ends with 0 on SIGTERM when what was in flight is answered`, async (t) => {
    const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", model, ...args] });
    assert.equal((await server.get("/hello")).body, "Hello, world!");

    const waiting = server.get("/held?ms=300");
    await server.waitForLine((line) => line.held === true);
    const exited = server.stop();
    assert.equal((await waiting).status, 200);
    assert.equal(await exited, 0);
  });

  test(`${name}: a handler that throws gets 500, and the worker lives`, async (t) => {
    const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", model, ...args] });
    assert.equal((await server.get("/throw")).status, 500);
    assert.equal((await server.get("/throw-later")).status, 500);
    assert.equal((await server.get("/reject")).status, 500);
    assert.equal((await server.get("/twice")).status, 200);
    await server.waitForLine((line) => String(line.msg).includes("/twice"));
    assert.equal((await server.get("/hello")).status, 200);
    assert.equal((await server.status()).restarts, 0);
  });

  test(`${name}: an error that strays out of one of several requests fails that one alone`, async (t) => {
    const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", model, ...args] });
    const held = [server.get("/held?ms=400"), server.get("/held?ms=400")];
    await server.waitForLine((line) => line.held === true);
    const strays = await Promise.all([server.get("/reject"), server.get("/throw-later")]);
    assert.deepEqual(
      strays.map(({ status }) => status),
      [500, 500],
    );
    for (const { status, body } of await Promise.all(held)) assert.deepEqual([status, body], [200, "held"]);
    assert.equal((await server.status()).restarts, 0);
  });

  test(`${name}: HEAD, keep-alive and pipelined requests are answered in order`, async (t) => {
    const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", model, ...args] });
    const { hostname, port } = new URL(server.url);
    const socket = mayBeReset(net.connect(Number(port), hostname));
    t.after(() => socket.destroy());
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      text += chunk;
    });
    const head = "HTTP/1.1\r\nHost: x\r\n";
    socket.write(
      `GET /wait?ms=50 ${head}\r\nHEAD /hello ${head}\r\nGET /hello ${head}\r\nGET /hello ${head}Connection: close\r\n\r\n`,
    );
    await once(socket, "end");
    const bodies = text.split(/HTTP\/1\.1 200 OK\r\n[\s\S]*?\r\n\r\n/).slice(1);
    assert.deepEqual(
      bodies.map((body) => body.replace(/^\w+\r\n|\r\n0\r\n\r\n$/g, "")),
      ["waited", "", "Hello, world!", "Hello, world!"],
    );
  });

  test(`${name}: a body of many pieces comes back whole, with 100-continue`, async (t) => {
    const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", model, ...args] });
    const body = Buffer.alloc(3_000_000, "0123456789");
    const answer = await get(`${server.url}/echo`, { method: "POST", body, headers: { expect: "100-continue" } });
    assert.equal(answer.body, body.toString());
  });
}
