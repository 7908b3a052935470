// The PROXY protocol from real connections: what an application sees of the client, and what anything else gets.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { type TestContext, test } from "node:test";
import tls from "node:tls";
import { parseProxyHeader } from "../../src/edge/proxy-protocol.ts";
import { makeCertificate } from "../harness/certificate.ts";
import { mayBeReset } from "../harness/connections.ts";
import { models } from "../harness/models.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const request = "GET /x HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

function block(command: number, family: number, addresses: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(addresses.length);
  return Buffer.concat([signature, Buffer.from([0x20 | command, family]), length, addresses]);
}

const ipv4 = Buffer.from([203, 0, 113, 7, 127, 0, 0, 1, 0x30, 0x39, 0, 80]);
const ipv6 = Buffer.concat([
  Buffer.from("20010db8000000000000000000000001", "hex"),
  Buffer.from("00000000000000000000000000000001", "hex"),
  Buffer.from([0x30, 0x39, 0, 80]),
]);

async function answerTo(t: TestContext, server: TestServer, bytes: string | Buffer): Promise<string> {
  const client = await connectRaw(t, server.url);
  return client.send(typeof bytes === "string" ? bytes : bytes.toString("latin1")).ended();
}

function seenIn(answer: string) {
  assert.match(answer, /^HTTP\/1\.1 200 /);
  return JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1));
}

for (const { name, args } of models) {
  test(`the application and the access line have the client that the header names (${name})`, async (t) => {
    const server = await startServer(t, { app: "edge/app.mjs", args: [...args, "--proxy-protocol"] });
    const headers: [Buffer | string, string, string][] = [
      ["PROXY TCP4 203.0.113.7 127.0.0.1 12345 80\r\n", "203.0.113.7", "IPv4"],
      ["PROXY TCP6 2001:db8::1 ::1 12345 80\r\n", "2001:db8::1", "IPv6"],
      [block(1, 0x11, ipv4), "203.0.113.7", "IPv4"],
      [block(1, 0x21, Buffer.concat([ipv6, Buffer.from([0x04, 0, 1, 0])])), "2001:db8::1", "IPv6"],
    ];
    for (const [header, address, family] of headers) {
      const bytes = Buffer.concat([typeof header === "string" ? Buffer.from(header) : header, Buffer.from(request)]);
      const seen = seenIn(await answerTo(t, server, bytes));
      assert.deepEqual([seen.remoteAddress, seen.remotePort, seen.remoteFamily], [address, 12345, family]);
    }
    for (const header of [
      "PROXY UNKNOWN\r\n",
      "PROXY UNKNOWN whatever it says\r\n",
      block(0, 0, Buffer.alloc(0)).toString("latin1"),
    ]) {
      assert.equal(seenIn(await answerTo(t, server, header + request)).remoteAddress, "127.0.0.1");
    }
    await server.waitForLine(({ component, remote }) => component === "access" && remote === "203.0.113.7");
    await server.waitForLine(({ component, remote }) => component === "access" && remote === "2001:db8::1");
  });
}

test("a header that comes byte by byte, with the request behind it, is read", async (t) => {
  const server = await startServer(t, { app: "edge/app.mjs", args: ["--model", "async", "--proxy-protocol"] });
  const client = await connectRaw(t, server.url);
  client.socket.setNoDelay(true);
  for (const byte of `PROXY TCP4 203.0.113.7 127.0.0.1 1 80\r\n${request}`) {
    client.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(seenIn(await client.ended()).remoteAddress, "203.0.113.7");
});

test("a client that a trusted balancer names is not trusted to name another", async (t) => {
  const server = await startServer(t, { app: "edge/app.mjs", args: ["--model", "async", "--proxy-protocol"] });
  const forged = request.replace("Host: test", "Host: test\r\nX-Forwarded-For: 10.1.1.1");
  const seen = seenIn(await answerTo(t, server, `PROXY TCP4 203.0.113.7 127.0.0.1 1 80\r\n${forged}`));
  assert.equal(seen.headers["x-forwarded-for"], undefined);
});

test("over TLS the header comes before the handshake", async (t) => {
  const { args, ca } = makeCertificate(t);
  const server = await startServer(t, { app: "edge/app.mjs", args: ["--model", "async", "--proxy-protocol", ...args] });
  const raw = mayBeReset(net.connect(Number(new URL(server.url).port), "127.0.0.1"));
  t.after(() => raw.destroy());
  raw.write("PROXY TCP4 203.0.113.7 127.0.0.1 12345 443\r\n");
  const secure = mayBeReset(tls.connect({ socket: raw, ca, servername: "localhost" }));
  await once(secure, "secureConnect");
  secure.setEncoding("utf8").write(request);
  let answer = "";
  secure.on("data", (text: string) => {
    answer += text;
  });
  await once(secure, "end");
  const seen = seenIn(answer);
  assert.deepEqual([seen.remoteAddress, seen.encrypted], ["203.0.113.7", true]);
});

const wrong: [string, Buffer | string][] = [
  ["no header", request],
  ["another word", `PROXI TCP4 1.1.1.1 1.1.1.1 1 1\r\n${request}`],
  ["an address that is none", `PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n${request}`],
  ["the wrong family", `PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n${request}`],
  ["a port that is none", `PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n${request}`],
  ["a word too many", `PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n${request}`],
  ["no end of line", `PROXY TCP4 ${"1".repeat(200)}`],
  ["a version that does not exist", Buffer.concat([signature, Buffer.from([0x31, 0x11, 0, 12]), ipv4])],
  ["a command that does not exist", block(2, 0x11, ipv4)],
  ["addresses that are too short", block(1, 0x21, ipv4)],
  ["a length beyond all use", Buffer.concat([signature, Buffer.from([0x21, 0x11, 0xff, 0xff])])],
  ["noise", Buffer.from([0x16, 0x03, 0x01, 0x00, 0xa5])],
];
test("a connection without a right header is closed and counted, and the server serves on", async (t) => {
  const server = await startServer(t, { app: "edge/app.mjs", args: ["--model", "async", "--proxy-protocol"] });
  for (const [what, bytes] of wrong) assert.equal(await answerTo(t, server, bytes), "", what);
  const { totals } = await server.waitForStatus(({ totals }) => totals.refused === wrong.length);
  assert.equal(totals.begun, 0);
  seenIn(await answerTo(t, server, `PROXY UNKNOWN\r\n${request}`));
});

test("a header that does not come in time, and one from a peer that is not trusted, close the connection", async (t) => {
  const slow = await startServer(t, {
    app: "edge/app.mjs",
    args: ["--model", "sync", "--workers", "1", "--proxy-protocol", "--headers-timeout", "200ms"],
  });
  assert.equal(await answerTo(t, slow, "PROXY TC"), "");
  const wary = await startServer(t, {
    app: "edge/app.mjs",
    args: ["--model", "async", "--proxy-protocol", "--trust-proxy", "10.0.0.0/8"],
  });
  assert.equal(await answerTo(t, wary, `PROXY UNKNOWN\r\n${request}`), "");
  for (const server of [slow, wary]) await server.waitForStatus(({ totals }) => totals.refused === 1);
});

test("every beginning of a right header asks for more, and no byte of noise makes the parser throw", () => {
  for (const header of [
    Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
    block(1, 0x11, ipv4),
    block(1, 0x21, ipv6),
  ]) {
    for (let length = 0; length < header.length; length++) {
      assert.equal(parseProxyHeader(header.subarray(0, length)).is, "partial", `${length} bytes`);
    }
    const whole = parseProxyHeader(Buffer.concat([header, Buffer.from("rest")]));
    assert.ok(whole.is === "whole" && whole.length === header.length);
    for (let at = 0; at < header.length; at++) {
      for (const value of [0, 0x0d, 0x20, 0x7f, 0xff]) {
        const bent = Buffer.from(header);
        bent[at] = value;
        assert.match(parseProxyHeader(bent).is, /^(?:partial|broken|whole)$/);
      }
    }
  }
});
