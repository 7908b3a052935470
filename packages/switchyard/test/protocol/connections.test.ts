// What happens on one connection over time: reuse, pipelining, 100 Continue, bodies that nobody reads, offers to upgrade.

import assert from "node:assert/strict";
import http from "node:http";
import { type TestContext, test } from "node:test";
import { models, syncModels } from "../harness/models.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { get, startServer } from "../harness/server.ts";

const host = "Host: x\r\n";
const last = `${host}Connection: close\r\n`;

for (const { name, args } of models) {
  test(`${name}: one connection carries many requests`, async (t) => {
    // A connection is kept however long the machine stands still between two requests.
    const server = await startServer(t, { app: "protocol/app.js", args: [...args, "--keep-alive-timeout", "1h"] });

    await t.test("one after the other, with and without bodies, on the same socket", async (t) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      t.after(() => agent.destroy());
      const ports = new Set<unknown>();
      for (let i = 0; i < 20; i++) {
        const body = i % 2 === 0 ? { method: "POST", body: `body ${i}` } : {};
        const answer = await getOn(agent, `${server.url}${i % 2 === 0 ? "/echo" : "/hello"}`, body, ports);
        assert.equal(answer, i % 2 === 0 ? `body ${i}` : "Hello, world!");
      }
      assert.equal(ports.size, 1);
    });

    await t.test("pipelined requests with bodies are answered in order", async (t) => {
      const client = await connectRaw(t, server.url);
      client.send(
        `POST /echo HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nfirst` +
          `POST /echo HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n` +
          `GET /large HTTP/1.1\r\n${host}\r\n` +
          `POST /count HTTP/1.1\r\n${last}Content-Length: 6\r\n\r\nfourth`,
      );
      const text = await client.ended();
      const order = ["first", "second", "0123456789abcdef"].map((part) => text.indexOf(part));
      assert.ok(text.endsWith("\r\n\r\n6"));
      assert.ok(
        order.every((at, i) => at > (order[i - 1] ?? -1)),
        String(order),
      );
      assert.equal(text.split("HTTP/1.1 200 OK").length - 1, 4);
    });

    await t.test("a body that the handler does not read is skipped, and the next request is answered", async (t) => {
      const client = await connectRaw(t, server.url);
      client.send(`POST /unread HTTP/1.1\r\n${host}Content-Length: 2000000\r\n\r\n${"u".repeat(2_000_000)}`);
      await client.until((text) => text.endsWith("not read"));
      client.send(`GET /hello HTTP/1.1\r\n${last}\r\n`);
      assert.match(await client.ended(), /Hello, world!$/);
    });

    await t.test("100 Continue comes when it is asked for, and before the body is sent", async (t) => {
      const client = await connectRaw(t, server.url);
      client.send(`POST /echo HTTP/1.1\r\n${last}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n`);
      await client.until((text) => text === "HTTP/1.1 100 Continue\r\n\r\n");
      assert.match(await client.send("body").ended(), /HTTP\/1\.1 200 OK\r\n[\s\S]*body/);
    });

    await t.test("an offer of h2c is not taken up: the request is served as it is", async (t) => {
      await assertServesH2cOffer(t, server.url);
    });
  });

  test(`${name}: a program with a checkContinue listener decides`, async (t) => {
    const server = await startServer(t, { app: "protocol/check-continue.js", args });
    const ask = (fields: string) =>
      `POST /echo HTTP/1.1\r\n${last}Content-Length: 4\r\nExpect: 100-continue\r\n${fields}\r\n`;

    const taken = (await connectRaw(t, server.url)).send(ask(""));
    await taken.until((text) => text === "HTTP/1.1 100 Continue\r\n\r\n");
    assert.match(await taken.send("body").ended(), /HTTP\/1\.1 200 OK\r\n[\s\S]*body/);

    const refused = (await connectRaw(t, server.url)).send(ask("X-Refuse: yes\r\n"));
    assert.match(await refused.ended(), /^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*refused before it was sent/);

    const thrown = (await connectRaw(t, server.url)).send(ask("X-Refuse: throw\r\n"));
    await thrown.until((text) => text.startsWith("HTTP/1.1 500 "));

    assert.equal((await server.get("/hello")).status, 200);
    await server.waitForLine((line) => line.component === "access" && line.status === 403);
    await server.waitForLine((line) => line.component === "access" && line.status === 500);
    const status = await server.waitForStatus((each) => sum(each.workers.map((worker) => worker.requests.begun)) === 4);
    assert.equal(status.restarts, 0);
  });
}

for (const { name, args } of syncModels) {
  test(`${name}: a handler that stops reading a body keeps no worker`, async (t) => {
    const server = await startServer(t, { app: "protocol/app.js", args });
    const head = `POST /half-read HTTP/1.1\r\n${host}Content-Length: 5000000\r\n\r\n`;
    for (let i = 0; i < 4; i++) {
      const client = await connectRaw(t, server.url);
      client.send(head + "h".repeat(1_000_000));
      await client.until((text) => text.endsWith("read enough"));
    }
    assert.equal((await server.get("/hello")).body, "Hello, world!");
  });
}

test("an offer of h2c is not taken up where the program takes WebSockets", async (t) => {
  const server = await startServer(t, { app: "express-ws-program/server.js", args: ["--model", "async"] });
  await assertServesH2cOffer(t, server.url);
});

async function assertServesH2cOffer(t: TestContext, url: string): Promise<void> {
  const client = await connectRaw(t, url);
  client.send(
    `GET /hello HTTP/1.1\r\n${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
  );
  await client.until((text) => text.startsWith("HTTP/1.1 200 OK") && text.includes("Hello, world!"));
  assert.equal((await get(`${url}/hello`)).status, 200);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** A request on an agent's connection; adds the local port that it was sent from. */
function getOn(
  agent: http.Agent,
  url: string,
  { method = "GET", body }: { method?: string; body?: string },
  ports: Set<unknown>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent, method }, (response) => {
      ports.add(response.socket.localPort);
      response.setEncoding("utf8").on("error", reject);
      let text = "";
      response.on("data", (piece) => {
        text += piece;
      });
      response.on("end", () => resolve(text));
    });
    request.on("error", reject);
    request.end(body);
  });
}
