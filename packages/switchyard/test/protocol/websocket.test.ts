// WebSocket with `ws` on Express: under async, hybrid and greenlet it works as on bare node:http; under sync it is refused.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { type ClientOptions, WebSocket } from "ws";
import { mayBeReset } from "../harness/connections.ts";
import { loopModels, syncModels } from "../harness/models.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startServer, type TestServer } from "../harness/server.ts";

for (const { name, args } of loopModels) {
  test(`${name}: WebSockets echo, are pushed to and closed, beside requests`, async (t) => {
    const server = await startServer(t, { app: "protocol/websockets.js", args });

    await t.test("messages come back, text and binary, short and long", async (t) => {
      const socket = await open(t, server, "/echo");
      for (const message of ["hello", "ü".repeat(200_000), Buffer.alloc(1_000_000, 7)]) {
        socket.send(message);
        const [echo, isBinary] = await once(socket, "message");
        assert.equal(isBinary, typeof message !== "string");
        assert.ok(Buffer.from(message).equals(echo));
      }
      socket.close(4321, "done");
      assert.equal((await once(socket, "close"))[0], 4321);
      await server.waitForLine((line) => line.closed === "/echo" && line.code === 4321);
    });

    await t.test("the server pushes by itself, while other requests are served", async (t) => {
      const socket = await open(t, server, "/push");
      await new Promise<void>((resolve) => socket.on("message", (data) => String(data) === "push 20" && resolve()));
      assert.equal((await server.get("/hello")).body, "Hello, world!");
      socket.terminate();
      await server.waitForLine((line) => line.closed === "/push" && line.code === 1006);
    });

    await t.test("what comes right behind the handshake is not lost, and a subprotocol is agreed on", async (t) => {
      const socket = connect(t, server, "/echo", { protocol: "chat" });
      socket.once("upgrade", () => setImmediate(() => socket.send("at once")));
      assert.equal(String((await once(socket, "message"))[0]), "at once");
      assert.equal(socket.protocol, "chat");
      socket.terminate();
    });

    await t.test("the program refuses one by itself", async (t) => {
      const socket = connect(t, server, "/refused");
      const [, response] = await once(socket, "unexpected-response");
      assert.equal(response.statusCode, 401);
    });

    await t.test("a drain closes them with 1001, and the server ends", async (t) => {
      const sockets = await Promise.all(Array.from({ length: 10 }, () => open(t, server, "/echo")));
      const closed = Promise.all(sockets.map((socket) => once(socket, "close")));
      const exited = server.stop();
      assert.deepEqual(
        (await closed).map(([code]) => code),
        Array(10).fill(1001),
      );
      assert.equal(await exited, 0);
    });
  });
}

for (const { name, args } of syncModels) {
  test(`${name}: a WebSocket is refused with 501 and a reason, and the server goes on`, async (t) => {
    const server = await startServer(t, { app: "protocol/websockets.js", args });
    const socket = connect(t, server, "/echo");
    const [, response] = await once(socket, "unexpected-response");
    assert.equal(response.statusCode, 501);
    let text = "";
    for await (const piece of response) text += piece;
    assert.match(text, /serves one request at a time and no WebSocket/);
    assert.equal((await server.get("/hello")).body, "Hello, world!");
    assert.equal(await server.stop(), 0);
  });
}

test("async: a WebSocket is refused where the program takes none", async (t) => {
  const server = await startServer(t, { app: "protocol/app.js", args: ["--model", "async"] });
  const socket = connect(t, server, "/hello");
  // As bare node:http: the request is served as the plain request that it also is.
  const [, response] = await once(socket, "unexpected-response");
  assert.equal(response.statusCode, 200);
});

test("async: a connection upgraded to another protocol is ended by a drain, with no bytes of ours in it", async (t) => {
  const server = await startServer(t, { app: "protocol/upgrade.js", args: ["--model", "async"] });
  const offer = "HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shouting\r\n\r\n";
  // What a listener throws ends that connection alone.
  assert.equal(await (await connectRaw(t, server.url)).send(`GET /throw ${offer}`).ended(), "");
  await server.waitForLine((line) => line.level === "error" && String(line.msg).startsWith("The application threw"));

  const client = await connectRaw(t, server.url);
  client.send(`GET / ${offer}`);
  await client.until((text) => text.endsWith("\r\n\r\n"));
  client.send("quiet");
  await client.until((text) => text.endsWith("QUIET"));
  const exited = server.stop();
  assert.match(await client.ended(), /QUIET$/);
  client.socket.end();
  assert.equal(await exited, 0);
});

function connect(
  t: TestContext,
  { url }: TestServer,
  path: string,
  options: ClientOptions & { protocol?: string } = {},
) {
  const { protocol, ...rest } = options;
  const socket = mayBeReset(
    new WebSocket(url.replace("http", "ws") + path, protocol === undefined ? [] : [protocol], rest),
  );
  // A refusal is an "unexpected-response" to those who listen, and an error besides.
  socket.on("error", () => {});
  t.after(() => socket.terminate());
  return socket;
}

async function open(t: TestContext, server: TestServer, path: string): Promise<WebSocket> {
  const socket = connect(t, server, path);
  await once(socket, "open");
  return socket;
}
