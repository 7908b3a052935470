// The limits and the end of connections with TLS are those of connections without.

import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { type TestContext, test } from "node:test";
import tls from "node:tls";
import { type Certificate, makeCertificate } from "../harness/certificate.ts";
import { mayBeReset } from "../harness/connections.ts";
import { models } from "../harness/models.ts";
import { RawClient } from "../harness/raw-client.ts";
import { startServer, type TestServer } from "../harness/server.ts";

for (const { name, args } of models) {
  test(`${name}: at the drain's deadline what is unanswered over TLS is ended, HTTP/1.1 and HTTP/2`, async (t) => {
    const certificate = makeCertificate(t);
    const deadline = ["--drain-timeout", "300"];
    const server = await startServer(t, {
      app: "protocol/secure.js",
      args: [...args, ...deadline, ...certificate.args],
    });
    const client = (await connectTls(t, server, certificate)).send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    const session = mayBeReset(http2.connect(server.url, { ca: certificate.ca }));
    t.after(() => session.destroy());
    session.on("error", () => {});
    const stream = session.request({ ":path": "/wait" }).resume();
    stream.on("error", () => {});
    await server.waitForStatus((status) => status.totals.inFlight === 2);
    const closed = once(stream, "close");
    assert.equal(await server.stop(), 0);
    await client.ended();
    await closed;
  });

  test(`${name}: what is no TLS is refused, and the server goes on`, async (t) => {
    const certificate = makeCertificate(t);
    const server = await startServer(t, { app: "protocol/secure.js", args: [...args, ...certificate.args] });
    const socket = mayBeReset(net.connect(Number(new URL(server.url).port), "127.0.0.1"));
    t.after(() => socket.destroy());
    await new RawClient(socket).send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").ended();
    const client = await connectTls(t, server, certificate);
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert.match(await client.ended(), /Hello, world!$/);
    assert.equal((await server.status()).restarts, 0);
    assert.equal(await server.stop(), 0);
  });

  // Who listens is a loop, or the balancer.
  if (name !== "async" && name !== "sync --workers 2") continue;
  test(`${name}: a session of HTTP/2 is closed when it was idle for the keep-alive time, and no sooner`, async (t) => {
    const certificate = makeCertificate(t);
    // It begins before the first request comes, which may take its time on a machine that stalls.
    const idle = ["--keep-alive-timeout", "2s"];
    const server = await startServer(t, { app: "protocol/secure.js", args: [...args, ...idle, ...certificate.args] });
    const session = mayBeReset(http2.connect(server.url, { ca: certificate.ca }));
    t.after(() => session.destroy());
    const ended = Promise.all([once(session, "goaway"), once(session, "close")]);
    const stream = session.request({ ":path": "/wait?ms=2600" });
    const [headers] = await once(stream, "response");
    assert.equal(headers[":status"], 200);
    stream.resume();
    await ended;
  });
}

async function connectTls(t: TestContext, server: TestServer, { ca }: Certificate): Promise<RawClient> {
  const socket = mayBeReset(tls.connect({ port: Number(new URL(server.url).port), host: "127.0.0.1", ca }));
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return new RawClient(socket);
}
