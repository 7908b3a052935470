// TLS: HTTP/1.1 and HTTP/2 by ALPN, with an Express application that knows nothing of HTTP/2.

import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import type { RequestOptions } from "node:https";
import { type TestContext, test } from "node:test";
import tls from "node:tls";
import { type Certificate, makeCertificate } from "../harness/certificate.ts";
import { mayBeReset } from "../harness/connections.ts";
import { startGate } from "../harness/gate.ts";
import { models } from "../harness/models.ts";
import { type Answer, get, startServer, type TestServer } from "../harness/server.ts";

for (const { name, args, model } of models) {
  test(`${name}: HTTP/1.1 and HTTP/2 are served with TLS`, async (t) => {
    const certificate = makeCertificate(t);
    const gate = await startGate(t);
    const server = await startServer(t, {
      app: "protocol/secure.js",
      // Longer than any test: what waits for an idle connection fails.
      args: [...args, "--keep-alive-timeout", "1h", "--drain-timeout", "1h", ...certificate.args],
      env: gate.env,
    });
    assert.match(server.url, /^https:/);
    const session = connect(t, server, certificate);

    await t.test("a client without ALPN gets HTTP/1.1", async () => {
      assert.equal((await getSecure(`${server.url}/hello`, certificate)).body, "Hello, world!");
      const seen = JSON.parse((await getSecure(`${server.url}/seen`, certificate)).body);
      assert.deepEqual([seen.httpVersion, seen.protocol, seen.encrypted], ["1.1", "https", true]);
    });

    await t.test("the program sees an HTTP/1.1 request with a Host", async () => {
      const { status, text } = await ask(session, { ":path": "/seen?a=1", cookie: ["a=1", "b=2"], "x-one": "1" });
      assert.equal(status, 200);
      assert.deepEqual(JSON.parse(text), {
        httpVersion: "1.1",
        protocol: "https",
        secure: true,
        hostname: "127.0.0.1",
        host: new URL(server.url).host,
        names: ["cookie", "host", "x-one"],
        cookie: "a=1; b=2",
        url: "/seen?a=1",
        ip: "127.0.0.1",
        encrypted: true,
      });
    });

    await t.test("bodies pass both ways, small and large", async () => {
      const json = await ask(session, post("/json", { "content-type": "application/json" }), '{"a":"ü"}');
      assert.deepEqual([json.status, json.text], [201, '{"got":{"a":"ü"}}']);
      for (const bytes of [0, 1, 5_000_000]) {
        const body = "0123456789".repeat(bytes / 10 + 1).slice(0, bytes);
        const echo = await ask(session, post("/echo"), body);
        assert.equal(echo.text.length, bytes);
        assert.ok(echo.text === body);
        assert.equal(echo.headers["x-method"], "POST");
      }
    });

    await t.test("HEAD, a status, fields that come twice, and none of a connection's", async () => {
      const { status, text, headers } = await ask(session, { ":path": "/headers" });
      assert.deepEqual([status, text, headers["set-cookie"]], [203, "fields", ["a=1", "b=2"]]);
      assert.deepEqual(
        [headers.connection, headers["keep-alive"], headers["transfer-encoding"]],
        Array(3).fill(undefined),
      );
      const head = await ask(session, { ":path": "/hello", ":method": "HEAD" });
      assert.deepEqual([head.status, head.text, head.headers["content-length"]], [200, "", "13"]);
      assert.equal((await ask(session, { ":path": "/missing" })).status, 404);
    });

    await t.test("trailers pass both ways", async () => {
      const request = session.request(post("/trailers"), { waitForTrailers: true });
      request.on("wantTrailers", () => request.sendTrailers({ "x-sent": "5" }));
      const trailers = once(request, "trailers");
      request.end("body");
      assert.equal((await answerOf(request)).text, '{"x-sent":"5"}');
      assert.equal((await trailers)[0]["x-sum"], "7");
    });

    await t.test("early hints come before the answer", async () => {
      const request = session.request({ ":path": "/hints" });
      const hints = once(request, "headers");
      assert.equal((await answerOf(request)).text, "hinted");
      const [{ ":status": status, link }] = await hints;
      assert.deepEqual([status, link], [103, "</a.css>; rel=preload, </b.js>; rel=preload"]);
    });

    await t.test("100 Continue comes when it is asked for", async () => {
      const request = session.request(post("/echo", { expect: "100-continue" }), { endStream: false });
      await once(request, "continue");
      request.end("continued");
      assert.equal((await answerOf(request)).text, "continued");
    });

    await t.test(
      "an answer that HTTP/2 has no form for, a throw and a destroyed response end that stream alone",
      async () => {
        assert.equal((await ask(session, { ":path": "/twice" })).status, 500);
        assert.equal((await ask(session, { ":path": "/throw" })).status, 500);
        await assert.rejects(ask(session, { ":path": "/destroy" }));
        assert.equal((await ask(session, { ":path": "/hello" })).text, "Hello, world!");
      },
    );

    await t.test("many streams of one connection are served at once", async () => {
      const count = model === "sync" ? 40 : 100;
      const answers = await Promise.all(
        Array.from({ length: count }, (_, i) => ask(session, post("/echo"), `body ${i} ${"x".repeat(i * 500)}`)),
      );
      answers.forEach(({ text }, i) => {
        assert.ok(text === `body ${i} ${"x".repeat(i * 500)}`);
      });
    });

    await t.test("a stream that its client cancels is closed for the program, and the session goes on", async () => {
      const waiting = session.request({ ":path": "/wait" });
      waiting.on("error", () => {});
      await server.waitForLine((line) => line.event === "begun");
      waiting.close(http2.constants.NGHTTP2_CANCEL);
      await server.waitForLine((line) => line.event === "request close");
      await server.waitForLine((line) => line.event === "response close" && line.finished === false);
      await server.waitForLine((line) => line.component === "access" && line.path === "/wait" && line.status === 499);

      const reading = session.request({ ":path": "/endless" });
      reading.on("error", () => {});
      await once(reading, "data");
      reading.pause();
      reading.close(http2.constants.NGHTTP2_CANCEL);
      await server.waitForLine((line) => line.event === "endless close");
      assert.equal((await ask(session, { ":path": "/hello" })).text, "Hello, world!");
    });

    await t.test("access lines say HTTP/2, and where the client is", async () => {
      await ask(session, { ":path": "/hello?access", "user-agent": "agent" });
      const line = await server.waitForLine((each) => each.path === "/hello?access");
      assert.deepEqual(
        [line.method, line.status, line.bytes, line.httpVersion, line.remote, line.userAgent],
        ["GET", 200, 13, "2.0", "127.0.0.1", "agent"],
      );
    });

    await t.test("a drain lets streams in flight finish, tells the session to go away, and ends", async () => {
      const waiting = ask(session, { ":path": "/gate" });
      await gate.waitFor(1);
      const idle = connect(t, server, certificate);
      await once(idle, "connect");
      const keptAlive = mayBeReset(
        tls.connect({ port: Number(new URL(server.url).port), host: "127.0.0.1", ca: certificate.ca }),
      );
      t.after(() => keptAlive.destroy());
      await once(keptAlive, "secureConnect");
      const exited = server.stop();
      await server.waitForLine(({ signal }) => signal === "SIGTERM");
      gate.open();
      assert.equal((await waiting).text, "passed");
      assert.equal(await exited, 0);
    });
  });

  test(`${name}: a body over the limit gets 413 on its stream, also without a declared length`, async (t) => {
    const certificate = makeCertificate(t);
    const limit = ["--body-limit", "1000"];
    const server = await startServer(t, { app: "protocol/secure.js", args: [...args, ...limit, ...certificate.args] });
    const session = connect(t, server, certificate);
    assert.equal((await ask(session, post("/echo"), "b".repeat(1000))).text.length, 1000);
    assert.equal((await ask(session, post("/echo", { "content-length": "100000" }), "b".repeat(100_000))).status, 413);
    assert.equal((await ask(session, post("/echo"), "b".repeat(100_000))).status, 413);
    assert.equal((await ask(session, { ":path": "/hello" })).text, "Hello, world!");
    assert.equal((await server.status()).restarts, 0);
  });
}

interface Http2Answer {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly text: string;
}

function connect(t: TestContext, server: TestServer, { ca }: Certificate): http2.ClientHttp2Session {
  const session = mayBeReset(http2.connect(server.url, { ca }));
  session.on("error", () => {});
  t.after(() => session.destroy());
  return session;
}

function post(path: string, headers: http2.OutgoingHttpHeaders = {}): http2.OutgoingHttpHeaders {
  return { ":path": path, ":method": "POST", ...headers };
}

function ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: string,
): Promise<Http2Answer> {
  const request = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) request.end(body);
  return answerOf(request);
}

function answerOf(request: http2.ClientHttp2Stream): Promise<Http2Answer> {
  return new Promise((resolve, reject) => {
    let headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
    let text = "";
    request.setEncoding("utf8");
    request.on("response", (received) => {
      headers = received;
    });
    request.on("data", (piece) => {
      text += piece;
    });
    request.on("end", () => {
      const status = headers[":status"];
      if (status === undefined) reject(new Error("The stream ended without an answer."));
      else resolve({ status, headers, text });
    });
    request.on("error", reject);
  });
}

function getSecure(url: string, { ca }: Certificate): Promise<Answer> {
  return get(url, { ca } as RequestOptions);
}
