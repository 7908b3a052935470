// Fetch handlers over real sockets: signals, streams, forwarding, failures, and generators.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { drive } from "../../src/app/generator.ts";
import { mayBeReset } from "../harness/connections.ts";
import { loadApp, program } from "./loaded-app.ts";

for (const app of ["fetch-function/app.js", "fetch-async/app.ts", "fetch-generator/app.js", "hono/app.js"]) {
  test(`the signal of a request to ${app} aborts when its client leaves`, async (t) => {
    const { origin, outcome, waitForPrinted } = await loadApp(t, { app });
    const client = mayBeReset(connect(outcome.port, "127.0.0.1"));
    client.write("GET /hang HTTP/1.1\r\nhost: x\r\n\r\n");
    await waitForPrinted("hanging");
    client.destroy();
    assert.equal(await (await fetch(`${origin}/aborted`)).text(), "aborted");
  });
}

test("a handler without parameters that returns a Response answers every request", async (t) => {
  const app = program(t, { "app.mjs": `let n = 0; export default () => new Response("answer " + ++n);` });
  const { origin } = await loadApp(t, { app });
  const first = await (await fetch(origin)).text();
  const second = await (await fetch(origin)).text();
  assert.notEqual(first, second);
});

test("the request can be forwarded with fetch() and new Request(), and globals keep their identity", async (t) => {
  const app = program(t, {
    "app.mjs": `
      const NativeRequest = Request;
      export async function fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === "/new") return new Response(await new Request(request).text());
        if (pathname === "/url") return new Response(await new Request("http://elsewhere/", request).text());
        if (pathname === "/same") {
          const fetched = await globalThis.fetch("data:text/plain,x");
          return Response.json([request instanceof Request, request instanceof NativeRequest, fetched instanceof Response]);
        }
        return globalThis.fetch(new Request(\`http://\${request.headers.get("x-upstream")}/\`, request));
      }`,
  });
  const upstream = await loadApp(t, { app: "node-listener/app.js" });
  const { origin } = await loadApp(t, { app });
  assert.equal(await (await fetch(`${origin}/new`, { method: "POST", body: "one" })).text(), "one");
  assert.equal(await (await fetch(`${origin}/url`, { method: "POST", body: "two" })).text(), "two");
  assert.deepEqual(await (await fetch(`${origin}/same`)).json(), [true, true, true]);
  const headers = { "x-upstream": `${new URL(upstream.origin).host}/hello?` };
  assert.equal(await (await fetch(origin, { headers })).text(), "Hello, world!");
});

test("a request without a Host header is served, and one whose URL is none is answered 400", async (t) => {
  const { outcome } = await loadApp(t, { app: "fetch-function/app.js" });
  for (const [head, status] of [
    ["GET /hello HTTP/1.0\r\n\r\n", 200],
    ["GET /hello HTTP/1.1\r\nhost: a b\r\n\r\n", 400],
    ["GET http://[/hello HTTP/1.1\r\nhost: x\r\n\r\n", 400],
  ] as const) {
    const client = mayBeReset(connect(outcome.port, "127.0.0.1"));
    t.after(() => client.destroy());
    client.write(head);
    const [answer] = await once(client, "data");
    assert.match(String(answer), new RegExp(`^HTTP/1\\.1 ${status} `), head);
  }
});

test("a handler that returns no Response is an error that says so", async (t) => {
  const app = program(t, { "app.mjs": `export default async (request) => "just text";` });
  const { origin } = await loadApp(t, { app });
  const response = await fetch(origin);
  assert.equal(response.status, 500);
  assert.equal(await response.text(), "runner: The Fetch handler returned string, and not a Response.");
});

test("what a handler throws, at once or later, reaches the server that runs it", async (t) => {
  const { origin } = await loadApp(t, { app: "fetch-generator/app.js" });
  assert.equal(await (await fetch(`${origin}/throw`)).text(), "runner: thrown by /throw");
  assert.equal(await (await fetch(`${origin}/reject`)).text(), "runner: rejected by /reject");
});

test("a request's body arrives while it is being sent", async (t) => {
  const { outcome } = await loadApp(t, { app: "fetch-function/app.js" });
  const client = mayBeReset(connect(outcome.port, "127.0.0.1"));
  t.after(() => client.destroy());
  client.write("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
  let received = "";
  while (!received.includes("first")) received += (await once(client, "data"))[0];
  client.write("6\r\nsecond\r\n0\r\n\r\n");
  while (!received.includes("second")) received += (await once(client, "data"))[0];
});

test("a response stream is read no faster than the client takes it", async (t) => {
  const app = program(t, {
    "app.mjs": `
      let pulled = 0;
      const chunk = new Uint8Array(64 * 1024);
      export default (request) => {
        if (new URL(request.url).pathname === "/pulled") return new Response(String(pulled));
        return new Response(new ReadableStream({
          pull(controller) {
            pulled += chunk.length;
            controller.enqueue(chunk);
            if (pulled >= 1024 * 1024 * 1024) controller.close();
          },
        }, { highWaterMark: 0 }));
      };`,
  });
  const { origin, outcome } = await loadApp(t, { app });
  const client = mayBeReset(connect(outcome.port, "127.0.0.1"));
  t.after(() => client.destroy());
  client.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(client, "readable");
  const pulled = async () => Number(await (await fetch(`${origin}/pulled`)).text());
  // It stops by itself once the socket's buffers are full: two looks that see the same.
  let before = await pulled();
  for (let after = await pulled(); after !== before; after = await pulled()) before = after;
  assert.ok(before < 256 * 1024 * 1024, `${before} bytes were pulled for a client that takes none`);
});

test("a generator is resumed with the value of each promise it yields, and with its rejection", async () => {
  function* handler(): Generator<unknown, string, unknown> {
    const one = yield Promise.resolve(1);
    const two = yield 2;
    try {
      yield Promise.reject(new Error("three"));
    } catch (error) {
      return `${one} ${two} ${error instanceof Error ? error.message : ""}`;
    }
    return "not reached";
  }
  assert.equal(await drive(handler()), "1 2 three");
});

test("an async generator is driven alike, and its own errors are seen", async () => {
  async function* handler(fails: boolean): AsyncGenerator<unknown, string, unknown> {
    const one = yield Promise.resolve(1);
    if (fails) throw new Error("failed");
    return `${one} ${await Promise.resolve(2)}`;
  }
  assert.equal(await drive(handler(false)), "1 2");
  await assert.rejects(drive(handler(true)), /^Error: failed$/);
});
