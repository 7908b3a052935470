// A body over --body-limit is answered 413, whether its length is declared or not; what is over the limit reaches no worker.

import assert from "node:assert/strict";
import { test } from "node:test";
import { models } from "../harness/models.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { get, startServer } from "../harness/server.ts";

const host = "Host: x\r\n";

for (const { name, args } of models) {
  test(`${name}: a body over the limit gets 413, and one at the limit is served`, async (t) => {
    const server = await startServer(t, { app: "protocol/app.js", args: [...args, "--body-limit", "1000"] });

    await t.test("at the limit, with a length and in chunks", async (t) => {
      assert.equal((await get(`${server.url}/echo`, { method: "POST", body: "b".repeat(1000) })).body.length, 1000);
      const client = await connectRaw(t, server.url);
      client.send(`POST /count HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n`);
      client.send(`3e8\r\n${"c".repeat(1000)}\r\n0\r\n\r\n`);
      assert.match(await client.ended(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*1000/);
    });

    await t.test("over it with a length: before the body is sent, and no program sees the request", async (t) => {
      const client = await connectRaw(t, server.url);
      client.send(`POST /watch-upload HTTP/1.1\r\n${host}Content-Length: 1001\r\n\r\n`);
      assert.match(await client.ended(), /^HTTP\/1\.1 413 Payload Too Large\r\n[\s\S]*\r\nConnection: close\r\n/);
    });

    await t.test("over it with a length, while the client sends it all the same", async (t) => {
      const client = await connectRaw(t, server.url);
      client.send(`POST /watch-upload HTTP/1.1\r\n${host}Content-Length: 3000000\r\n\r\n${"b".repeat(3_000_000)}`);
      // What follows on that connection is not served.
      client.send(`GET /watch-wait HTTP/1.1\r\n${host}\r\n`);
      assert.match(await client.ended(), /^HTTP\/1\.1 413 [\s\S]*longer than 1000 bytes/);
    });

    await t.test(
      "over it with a length, when the client asked for 100 Continue: it is not told to go on",
      async (t) => {
        const client = await connectRaw(t, server.url);
        client.send(`POST /echo HTTP/1.1\r\n${host}Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n`);
        assert.match(await client.ended(), /^HTTP\/1\.1 413 /);
      },
    );

    await t.test("over it in chunks: the program hears that the client has left", async (t) => {
      const client = await connectRaw(t, server.url);
      client.send(`POST /watch-upload?chunked HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`);
      client.send(`5\r\nfirst\r\n`);
      await server.waitForLine((line) => line.phase === "upload" && line.event === "data");
      client.send(`2000\r\n${"c".repeat(0x2000)}\r\n`.repeat(100));
      assert.match(await client.ended(), /^HTTP\/1\.1 413 Payload Too Large\r\nConnection: close\r\n/);
      await server.waitForLine((line) => line.phase === "upload" && line.event === "request aborted");
      await server.waitForLine((line) => line.phase === "upload" && line.event === "response close");
      // Of the refusals before it, other workers may write their lines at any moment.
      await server.waitForLine(({ status, path }) => status === 413 && String(path).startsWith("/watch-upload?"));
    });

    const begun = server.lines.filter((line) => line.event === "begun");
    assert.deepEqual(
      begun.map((line) => line.phase),
      ["upload"],
    );
    assert.equal((await server.get("/hello")).status, 200);
    // Each loop tells its own part.
    const { restarts } = await server.waitForStatus(({ totals }) => totals.begun === 4 && totals.refused === 3);
    assert.equal(restarts, 0);
    assert.equal(await server.stop(), 0);
  });
}
