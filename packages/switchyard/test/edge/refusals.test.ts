// Requests that Switchyard refuses by itself are in the access log like any other.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { makeCertificate } from "../harness/certificate.ts";
import { closeOf, mayBeReset } from "../harness/connections.ts";
import { models } from "../harness/models.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startServer } from "../harness/server.ts";

const refused: [status: number, method: string, path: string, bytes: string][] = [
  [400, "-", "-", "nonsense\r\n\r\n"],
  [400, "GET", "/no-host", "GET /no-host HTTP/1.1\r\n\r\n"],
  [413, "POST", "/long", "POST /long HTTP/1.1\r\nHost: test\r\nContent-Length: 99999\r\n\r\n"],
  [501, "CONNECT", "inner.test:80", "CONNECT inner.test:80 HTTP/1.1\r\nHost: inner.test:80\r\n\r\n"],
  [431, "-", "-", `GET / HTTP/1.1\r\nHost: test\r\nX: ${"x".repeat(20_000)}\r\n\r\n`],
];

for (const { name, args } of models) {
  test(`each refusal has its line, with its status, its client and its bytes (${name})`, async (t) => {
    const server = await startServer(t, { app: "edge/app.mjs", args: [...args, "--body-limit", "1kb"] });
    for (const [status, method, path, bytes] of refused) {
      const client = await connectRaw(t, server.url);
      const answer = await client.send(bytes).ended();
      assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), answer);
      const line = await server.waitForLine(
        (each) => each.component === "access" && each.status === status && each.method === method && each.path === path,
      );
      assert.equal(line.remote, "127.0.0.1");
      assert.equal(line.bytes, answer.slice(answer.indexOf("\r\n\r\n") + 4).length);
    }
    const { totals } = await server.waitForStatus(({ totals }) => totals.refused === refused.length);
    assert.equal(totals.begun, 0);
  });
}

test("an upgrade that nobody takes has its line too", async (t) => {
  const server = await startServer(t, { app: "edge/app.mjs", args: ["--model", "sync", "--workers", "1"] });
  const client = await connectRaw(t, server.url);
  client.send("GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  assert.match(await client.ended(), /^HTTP\/1\.1 501 /);
  const line = await server.waitForLine(({ component, path }) => component === "access" && path === "/ws");
  assert.equal(line.status, 501);
});

test("a program that listens for CONNECT gets it with its connection, and is asked to end it by a drain", async (t) => {
  const server = await startServer(t, { app: "edge/tunnel.mjs", args: ["--model", "async"] });
  const client = await connectRaw(t, server.url);
  client.send("CONNECT inner.test:80 HTTP/1.1\r\nHost: inner.test:80\r\n\r\n");
  await client.until((text) => text.endsWith("200 Connection Established\r\n\r\n"));
  client.send("through the tunnel");
  await client.until((text) => text.endsWith("through the tunnel"));
  assert.equal(await server.stop(), 0);
  await client.ended();
});

test("a client that does not go on with the TLS handshake is cut off", async (t) => {
  const { args } = makeCertificate(t);
  const server = await startServer(t, {
    app: "edge/app.mjs",
    args: ["--model", "async", "--tls-handshake-timeout", "200ms", ...args],
  });
  const socket = mayBeReset(net.connect(Number(new URL(server.url).port), "127.0.0.1"));
  t.after(() => socket.destroy());
  await once(socket, "connect");
  // The beginning of a ClientHello.
  socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
  await closeOf(socket.resume());
  await server.waitForStatus(({ totals }) => totals.refused === 1);
});

/** Refused for its first bytes, for the time that they take, and for what comes instead of a WebSocket. */
const halves: [status: number, args: readonly string[], bytes: string][] = [
  [
    400,
    ["--model", "sync", "--workers", "1", "--headers-timeout", "1h", "--request-timeout", "1h"],
    "nonsense\r\n\r\n",
  ],
  [408, ["--model", "async", "--headers-timeout", "100ms"], "GET / HTTP/1.1\r\n"],
  [
    501,
    ["--model", "sync", "--workers", "1"],
    "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes",
  ],
];

for (const [status, args, bytes] of halves) {
  test(`a client that was refused with ${status} and never closes its side holds up no drain`, async (t) => {
    const server = await startServer(t, { app: "edge/app.mjs", args: [...args, "--drain-timeout", "1h"] });
    const socket = mayBeReset(
      net.connect({ port: Number(new URL(server.url).port), host: "127.0.0.1", allowHalfOpen: true }),
    );
    t.after(() => socket.destroy());
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.write(bytes);
    const [answer] = await once(socket, "data");
    assert.match(String(answer), new RegExp(`^HTTP/1\\.1 ${status} `));
    // Nothing but the deadline, in an hour, would end a worker that waits for the client.
    assert.equal(await server.stop(), 0);
  });
}
