// Whose Forwarded, X-Forwarded-* and X-Real-IP headers are believed, under each way that a request can reach an application.

import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import http2 from "node:http2";
import { test } from "node:test";
import { remoteOf, settleForwarding, TrustedProxies } from "../../src/edge/forwarding.ts";
import { makeCertificate } from "../harness/certificate.ts";
import { mayBeReset } from "../harness/connections.ts";
import { models } from "../harness/models.ts";
import { launch, startServer } from "../harness/server.ts";

const forged = {
  forwarded: "for=198.51.100.1;proto=https",
  "x-forwarded-for": "198.51.100.1",
  "X-Forwarded-Proto": "https",
  "x-forwarded-host": "evil.example",
  "x-real-ip": "198.51.100.1",
  "x-other": "stays",
};

for (const { name, args } of models) {
  test(`what a peer that is not trusted says of a client is taken out, and said once (${name})`, async (t) => {
    const server = await startServer(t, { app: "edge/app.mjs", args: [...args, "--trust-proxy", "10.0.0.0/8"] });
    for (let sent = 0; sent < 2; sent++) {
      const seen = JSON.parse((await server.get("/x", { headers: forged })).body);
      const names = Object.keys(seen.headers).filter((header) => /forward|real/.test(header));
      assert.deepEqual(names, []);
      assert.ok(!seen.rawHeaders.some((word: string) => /198\.51|forward/i.test(word)));
      assert.equal(seen.headers["x-other"], "stays");
    }
    const line = await server.waitForLine(({ component, path }) => component === "access" && path === "/x");
    assert.equal(line.remote, "127.0.0.1");
    await server.waitForLine(({ msg }) => msg?.includes("--trust-proxy") ?? false);
  });

  test(`what a trusted proxy says is seen unchanged, and the access line has the client (${name})`, async (t) => {
    const server = await startServer(t, { app: "edge/app.mjs", args });
    const headers = { ...forged, "x-forwarded-for": "203.0.113.9, 198.51.100.1, 127.0.0.9" };
    const seen = JSON.parse((await server.get("/x", { headers })).body);
    assert.equal(seen.headers["x-forwarded-for"], headers["x-forwarded-for"]);
    assert.equal(seen.headers["x-forwarded-proto"], "https");
    assert.equal(seen.headers.forwarded, forged.forwarded);
    assert.equal(seen.remoteAddress, "127.0.0.1");
    const line = await server.waitForLine(({ component, path }) => component === "access" && path === "/x");
    // The last that no trusted proxy has: what stands before it, the client may have written itself.
    assert.equal(line.remote, "198.51.100.1");
  });
}

test("HTTP/2 requests are treated the same", async (t) => {
  const { args, ca } = makeCertificate(t);
  const trusting = await startServer(t, { app: "edge/app.mjs", args: ["--model", "async", ...args] });
  const wary = await startServer(t, {
    app: "edge/app.mjs",
    args: ["--model", "async", ...args, "--trust-proxy", "none"],
  });
  assert.equal((await over2(trusting.url, ca))["x-forwarded-for"], "198.51.100.1");
  assert.equal((await over2(wary.url, ca))["x-forwarded-for"], undefined);
  const line = await trusting.waitForLine(({ component }) => component === "access");
  assert.equal(line.remote, "198.51.100.1");
});

test("a value that is no address is refused", async (t) => {
  for (const value of ["10.0.0.0/33", "::1/129", "example.org", "10.0.0", "10.0.0.1/", "10.0.0.1,,"]) {
    const server = launch(t, { app: "edge/app.mjs", args: ["--trust-proxy", value] });
    assert.equal(await server.exited, 65, value);
    assert.match(server.otherOutput.join("\n"), /SY_OPTION_VALUE: --trust-proxy was given/);
  }
});

const clients: [string, Record<string, string>, string | undefined][] = [
  ["nothing is named", {}, "10.0.0.1"],
  ["one address", { "x-forwarded-for": "192.0.2.1" }, "192.0.2.1"],
  ["with a port", { "x-forwarded-for": "192.0.2.1:80" }, "192.0.2.1"],
  ["IPv6 with a port", { "x-forwarded-for": "[2001:db8::1]:443" }, "2001:db8::1"],
  ["IPv4 written as IPv6", { "x-forwarded-for": "::ffff:192.0.2.1" }, "192.0.2.1"],
  ["through trusted proxies", { "x-forwarded-for": "192.0.2.1, 10.0.0.2,10.0.0.3" }, "192.0.2.1"],
  ["all are trusted", { "x-forwarded-for": "10.0.0.7, 10.0.0.2" }, "10.0.0.7"],
  ["a forged one before it", { "x-forwarded-for": "1.1.1.1, 192.0.2.1, 10.0.0.2" }, "192.0.2.1"],
  ["nonsense behind a trusted one", { "x-forwarded-for": "<script>, 10.0.0.2" }, "10.0.0.2"],
  ["nonsense alone", { "x-forwarded-for": "unknown" }, "10.0.0.1"],
  ["empty", { "x-forwarded-for": "" }, "10.0.0.1"],
  ["Forwarded", { forwarded: 'for=192.0.2.1;proto=http;by=10.0.0.1, for="10.0.0.2:80"' }, "192.0.2.1"],
  ["Forwarded with IPv6", { forwarded: 'Proto=https;For="[2001:db8::1]:4711"' }, "2001:db8::1"],
  ["Forwarded that hides", { forwarded: "for=_hidden" }, "10.0.0.1"],
];
for (const [name, headers, client] of clients) {
  test(`the client of a request through a trusted proxy: ${name}`, () => {
    const proxies = new TrustedProxies(["10.0.0.0/8"]);
    const rawHeaders = Object.entries(headers).flat();
    // A request as far as this calculation looks at one.
    const request = {
      headers: { ...headers },
      rawHeaders,
      socket: { remoteAddress: "10.0.0.1" },
    } as unknown as IncomingMessage;
    assert.equal(settleForwarding(request, proxies), null);
    assert.equal(remoteOf(request), client);
    assert.deepEqual(request.headers, headers);
  });
}

test("addresses, ranges and words are trusted as they are listed", () => {
  const some = new TrustedProxies(["192.0.2.1", "2001:db8::/32"]);
  assert.ok(some.trusts("192.0.2.1") && some.trusts("::ffff:192.0.2.1") && some.trusts("2001:db8:1::1"));
  assert.ok(
    !some.trusts("192.0.2.2") && !some.trusts("2001:db9::1") && !some.trusts(undefined) && !some.trusts("nonsense"),
  );
  assert.ok(new TrustedProxies(["unix"]).trusts(undefined) && !new TrustedProxies([]).trusts("127.0.0.1"));
  assert.ok(new TrustedProxies(["all"]).trusts("8.8.8.8") && new TrustedProxies(["all"]).trusts(undefined));
});

function over2(url: string, ca: string | Buffer): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const session = mayBeReset(http2.connect(url, { ca, servername: "localhost" }));
    session.on("error", reject);
    const stream = session.request({ ":path": "/", "x-forwarded-for": "198.51.100.1" });
    let text = "";
    stream.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
    stream.on("end", () => {
      session.close();
      resolve(JSON.parse(text).headers);
    });
    stream.end();
  });
}
