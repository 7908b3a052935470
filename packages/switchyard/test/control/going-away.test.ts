// What becomes of single connections at a reload and at the end of the server: none that may still bring a request is
// closed by a reload, and none that can bring nothing keeps anybody alive.

import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { duplexPair } from "node:stream";
import { type TestContext, test } from "node:test";
import tls from "node:tls";
import { WebSocket } from "ws";
import { makeCertificate } from "../harness/certificate.ts";
import { mayBeReset } from "../harness/connections.ts";
import { startGate } from "../harness/gate.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startServer, type TestServer } from "../harness/server.ts";

/** Longer than any test: what waits for it fails. */
const patient = ["--drain-timeout", "10m", "--tls-handshake-timeout", "10m"];

async function reload(server: TestServer): Promise<void> {
  server.child.kill("SIGHUP");
  await server.waitForLine(({ msg }) => msg?.startsWith("Reloaded in") ?? false);
}

async function startHeld(t: TestContext, args: readonly string[]) {
  const gate = await startGate(t);
  const server = await startServer(t, { app: "faults/app.mjs", args: [...args, ...patient], env: gate.env });
  return { gate, server };
}

for (const args of [
  ["--model", "async", "--workers", "1"],
  ["--model", "sync", "--workers", "2"],
]) {
  test(`${args[1]}: all requests that were pipelined before a reload are answered, and the last answer says close`, async (t) => {
    const { gate, server } = await startHeld(t, args);
    const client = await connectRaw(t, server.url);
    const pipelined = [1, 2, 3].map((number) => `GET /gate HTTP/1.1\r\nHost: x\r\nX-Number: ${number}\r\n\r\n`);
    client.send(pipelined.join(""));
    await gate.waitFor(args[1] === "sync" ? 2 : 3);
    await reload(server);
    // Word of the drain reaches a worker some time after the reload: its state says that it did.
    await server.waitForStatus(({ retiring }) => retiring > 0);
    // What comes now belongs to the same connection, and is answered too.
    client.send("GET /gate HTTP/1.1\r\nHost: x\r\nX-Number: 4\r\n\r\n");
    gate.open();
    const text = await client.ended();
    const answers = text.split("HTTP/1.1 ").slice(1);
    assert.ok(answers.length >= 3, text);
    for (const [index, answer] of answers.entries()) {
      assert.match(answer, /^200 /);
      assert.equal(/^connection: close\r$/im.test(answer), index === answers.length - 1, text);
    }
    await server.waitForStatus(({ retiring }) => retiring === 0);
  });
}

for (const [model, args] of Object.entries({ async: ["--workers", "1"], sync: ["--workers", "2"] })) {
  test(`${model}: answers that wait for a slower one of the same connection are not cut off by a reload`, async (t) => {
    const { gate, server } = await startHeld(t, ["--model", model, ...args]);
    const client = await connectRaw(t, server.url);
    const fast = [1, 2, 3].map((number) => `GET /run HTTP/1.1\r\nHost: x\r\nX-Number: ${number}\r\n\r\n`);
    client.send(`GET /gate HTTP/1.1\r\nHost: x\r\nX-Number: 0\r\n\r\n${fast.join("")}`);
    await gate.waitFor(1);
    for (const number of [1, 2, 3]) await server.waitForLine(({ ran }) => ran === number);
    await reload(server);
    await server.waitForStatus(({ workers }) => workers.some(({ state }) => state === "draining"));
    gate.open();
    const text = await client.until((all) => all.split("HTTP/1.1 200 ").length === 5);
    // The next request is the last.
    client.send("GET /run HTTP/1.1\r\nHost: x\r\nX-Number: 4\r\n\r\n");
    assert.match((await client.ended()).slice(text.length), /^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n/i);
    await server.waitForStatus(({ retiring }) => retiring === 0);
  });
}

test("a connection whose PROXY header comes after a reload has begun is served by the old worker", async (t) => {
  const server = await startServer(t, {
    app: "edge/app.mjs",
    args: ["--model", "async", "--workers", "1", "--proxy-protocol", ...patient],
  });
  const client = await connectRaw(t, server.url);
  // Another connection's answer tells that this one, which is older, has been accepted.
  const other = await connectRaw(t, server.url);
  await other.send("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ended();
  await reload(server);
  client.send("PROXY TCP4 203.0.113.7 127.0.0.1 1 80\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.match(await client.ended(), /^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n/i);
  await server.waitForStatus(({ retiring }) => retiring === 0);
});

test("a WebSocket whose client never answers the close frame does not keep an old worker", async (t) => {
  const server = await startServer(t, { app: "protocol/websockets.js", args: ["--model", "async", ...patient] });
  const client = mayBeReset(
    new WebSocket(`${server.url.replace("http", "ws")}/echo`, { allowSynchronousEvents: false }),
  );
  t.after(() => client.terminate());
  await once(client, "open");
  client.pause();
  await reload(server);
  await server.waitForStatus(({ retiring }) => retiring === 0);
});

/** The bytes with which a client asks for a WebSocket. */
function askingForWebSocket(path: string): string {
  const key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  return `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n\r\n`;
}

function assertOpenedAndClosed(text: string): void {
  assert.match(text, /^HTTP\/1\.1 101 /);
  // The close frame, "going away", and nothing else.
  assert.equal(text.slice(text.indexOf("\r\n\r\n")), "\r\n\r\n\x88\x02\x03\xe9");
}

test("a WebSocket that is asked for on a kept connection after a reload is told to go away at once", async (t) => {
  const server = await startServer(t, { app: "protocol/websockets.js", args: ["--model", "async", ...patient] });
  const client = await connectRaw(t, server.url);
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  const text = await client.until((all) => all.endsWith("Hello, world!"));
  await reload(server);
  await server.waitForStatus(({ workers }) => workers.some(({ state }) => state === "draining"));
  client.send(askingForWebSocket("/echo"));
  assertOpenedAndClosed((await client.ended()).slice(text.length));
  await server.waitForStatus(({ retiring }) => retiring === 0);
});

test("a WebSocket that the application answers during a reload is told to go away after the answer", async (t) => {
  const server = await startServer(t, { app: "protocol/websockets.js", args: ["--model", "async", ...patient] });
  const client = await connectRaw(t, server.url);
  const later = await connectRaw(t, server.url);
  later.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  await later.until((all) => all.endsWith("Hello, world!"));
  client.send(askingForWebSocket("/later"));
  await server.waitForLine(({ asked }) => asked === "/later");
  await reload(server);
  await server.waitForStatus(({ workers }) => workers.some(({ state }) => state === "draining"));
  // The old worker's application lets it in when it gets this.
  later.send("GET /let-in HTTP/1.1\r\nHost: x\r\n\r\n");
  assertOpenedAndClosed(await client.ended());
  await server.waitForStatus(({ retiring }) => retiring === 0);
});

/** A connection with TLS. While it is held, it reads nothing of what the server sends. */
async function startHandshake(t: TestContext, server: TestServer, ca: Buffer, { isHeld = false } = {}) {
  const { hostname, port } = new URL(server.url);
  const raw = mayBeReset(net.connect(Number(port), hostname));
  t.after(() => raw.destroy());
  raw.on("error", () => {});
  await once(raw, "connect");
  const [near, far] = duplexPair();
  far.pipe(raw);
  raw.once("close", () => far.destroy());
  if (!isHeld) raw.pipe(far);
  const client = mayBeReset(tls.connect({ socket: near, ca, servername: "localhost" }));
  let text = "";
  client.setEncoding("latin1").on("data", (part) => {
    text += part;
  });
  client.on("error", () => {});
  const ended = new Promise<string>((resolve) => {
    for (const event of ["end", "close"]) client.once(event, () => resolve(text));
  });
  return { raw, client, ended, release: () => raw.pipe(far) };
}

test("a TLS handshake that never goes on does not keep a server that ends", async (t) => {
  const { args, ca } = makeCertificate(t);
  const server = await startServer(t, { app: "edge/app.mjs", args: ["--model", "async", ...patient, ...args] });
  const silent = await connectRaw(t, server.url);
  // The answer to another, younger one tells that this one has been accepted.
  const other = await startHandshake(t, server, ca);
  other.client.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.match(await other.ended, /^HTTP\/1\.1 200 /);
  assert.equal(await server.stop(), 0);
  assert.equal(await silent.ended(), "");
});

test("a TLS handshake that a server which ends has begun goes on, and its request is answered", async (t) => {
  const { args, ca } = makeCertificate(t);
  const server = await startServer(t, {
    app: "edge/app.mjs",
    args: ["--model", "async", "--workers", "1", ...patient, ...args],
  });
  const { raw, client, ended, release } = await startHandshake(t, server, ca, { isHeld: true });
  // The server has answered its first message.
  await once(raw, "readable");
  const worker = (await server.status()).workers[0]!.pid;
  // The word to drain comes to the worker together with the rest of the handshake, in whichever order it reads them.
  process.kill(worker, "SIGSTOP");
  const stopped = server.stop();
  await server.waitForLine(({ msg }) => msg?.includes("no new requests") ?? false);
  release();
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await Promise.race([once(client, "secureConnect"), ended]);
  process.kill(worker, "SIGCONT");
  assert.match(await ended, /^HTTP\/1\.1 200 /);
  assert.equal(await stopped, 0);
});

test("an HTTP/2 session whose handshake ends after a reload is served by the old worker, and told to go away then", async (t) => {
  const { args, ca } = makeCertificate(t);
  const server = await startServer(t, { app: "edge/app.mjs", args: ["--model", "async", ...patient, ...args] });
  const raw = await connectRaw(t, server.url);
  // The answer to another, younger one tells that this one has been accepted.
  const other = await startHandshake(t, server, ca);
  other.client.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.match(await other.ended, /^HTTP\/1\.1 200 /);
  await reload(server);
  await server.waitForStatus(({ workers }) => workers.some(({ state }) => state === "draining"));
  raw.socket.removeAllListeners("data");
  const createConnection = () =>
    mayBeReset(tls.connect({ socket: raw.socket, ca, servername: "localhost", ALPNProtocols: ["h2"] }));
  const session = mayBeReset(http2.connect(server.url, { createConnection }));
  t.after(() => session.destroy());
  const told = once(session, "goaway");
  const asked = [1, 2, 3].map(async () => {
    const stream = mayBeReset(session.request({ ":path": "/" }));
    const [headers] = await once(stream, "response");
    stream.resume();
    await once(stream, "end");
    return headers[":status"];
  });
  assert.deepEqual(await Promise.all(asked), [200, 200, 200]);
  await told;
  await server.waitForStatus(({ retiring }) => retiring === 0);
});

test("an HTTP/2 client that never answers the PING does not keep an old worker", async (t) => {
  const { args, ca } = makeCertificate(t);
  const server = await startServer(t, {
    app: "edge/app.mjs",
    args: ["--model", "async", "--keep-alive-timeout", "10m", ...patient, ...args],
  });
  const raw = await connectRaw(t, server.url);
  raw.socket.removeAllListeners("data");
  const createConnection = () =>
    mayBeReset(tls.connect({ socket: raw.socket, ca, servername: "localhost", ALPNProtocols: ["h2"] }));
  const session = mayBeReset(http2.connect(server.url, { createConnection }));
  t.after(() => session.destroy());
  const stream = mayBeReset(session.request({ ":path": "/" }));
  stream.resume();
  await once(stream, "end");
  raw.socket.pause();
  await reload(server);
  await server.waitForStatus(({ retiring }) => retiring === 0);
});
