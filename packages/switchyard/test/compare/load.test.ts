// The load generator against real servers: it finds where answers end, counts every one, and its open loop does not wait for
// a server that is slow.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { startGenerator } from "../../src/compare/load/generator.ts";
import { type LoadResult, latencyQuantiles, type Stream, type Target } from "../../src/compare/load/orders.ts";

async function serve(t: TestContext, listener: RequestListener): Promise<Target> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

async function load(t: TestContext, target: Target, streams: readonly Stream[], lengthMs = 200): Promise<LoadResult> {
  const generator = startGenerator();
  t.after(() => generator.close());
  return generator.run({ target, streams, lengthMs, patienceMs: 20_000 });
}

/** Runs closed loops until the server has seen enough, however long that takes on this machine. */
async function loadUntil(
  t: TestContext,
  { target, streams, enough }: { target: Target; streams: readonly Stream[]; enough: Promise<void> },
): Promise<LoadResult> {
  const generator = startGenerator();
  t.after(() => generator.close());
  const running = generator.run({ target, streams, lengthMs: 1e9, patienceMs: 1e9 });
  await enough;
  generator.cut();
  return running;
}

const closed = (path: string, clients = 4): Stream => ({ path, arrivals: { kind: "closed", clients } });

test("answers with a length, in chunks, without a body, and up to the end of the connection are each counted once", async (t) => {
  const body = "x".repeat(100_000);
  const target = await serve(t, (request, response) => {
    switch (request.url) {
      case "/length":
        response.setHeader("content-length", body.length).end(body);
        return;
      case "/chunks":
        for (let at = 0; at < body.length; at += 777) response.write(body.slice(at, at + 777));
        response.end();
        return;
      case "/nothing":
        response.writeHead(204).end();
        return;
      default:
        response.shouldKeepAlive = false;
        response.useChunkedEncodingByDefault = false;
        response.end(body);
    }
  });
  const { streams } = await load(t, target, [
    closed("/length"),
    closed("/chunks"),
    closed("/nothing"),
    closed("/close"),
  ]);
  for (const { path, statuses, bytes, broken, unanswered, answered } of streams) {
    const count = statuses[path === "/nothing" ? "204" : "200"] ?? 0;
    assert.ok(count > 0, path);
    assert.equal(bytes, path === "/nothing" ? 0 : count * body.length, path);
    assert.deepEqual([Object.keys(statuses).length, broken, unanswered], [1, 0, 0], path);
    assert.ok(answered <= count, path);
  }
});

test("an answer that arrives byte by byte is read like any other", async (t) => {
  const text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  const server = createTcpServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", async () => {
      for (const byte of text) {
        socket.write(byte);
        await new Promise(setImmediate);
      }
    });
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const target = { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  const [seen] = (await load(t, target, [closed("/", 1)])).streams;
  assert.ok(seen !== undefined && seen.statuses["200"]! > 0);
  assert.equal(seen.bytes, 5 * seen.statuses["200"]!);
});

test("connections that break, and statuses, are counted and not averaged away", async (t) => {
  let asked = 0;
  const enough = Promise.withResolvers<void>();
  const target = await serve(t, (request, response) => {
    const turn = ++asked % 3;
    if (asked > 30) enough.resolve();
    if (turn === 0) request.socket.destroy();
    else response.writeHead(turn === 1 ? 200 : 503).end("x");
  });
  const [seen] = (await loadUntil(t, { target, streams: [closed("/", 1)], enough: enough.promise })).streams;
  assert.ok(seen !== undefined);
  assert.ok(seen.broken > 0 && seen.statuses["200"]! > 0 && seen.statuses["503"]! > 0);
});

test("the open loop goes on while the server is stuck, and the time that requests were due for counts", async (t) => {
  const held: (() => void)[] = [];
  let isHolding = true;
  const target = await serve(t, (_request, response) => {
    if (isHolding) held.push(() => response.end("late"));
    else response.end("ok");
    // The fiftieth request comes although none of the 49 before it has been answered.
    if (held.length < 50) return;
    isHolding = false;
    for (const release of held.splice(0)) release();
  });
  const [seen] = (await load(t, target, [{ path: "/", arrivals: { kind: "open", perSecond: 200 } }], 500)).streams;
  assert.ok(seen !== undefined);
  assert.equal(seen.unanswered, 0);
  assert.ok(seen.statuses["200"]! >= 90, `${seen.statuses["200"]} answers`);
  // The first of them waited for the 49 that followed at 200 a second: a quarter of a second less a little.
  assert.ok(seen.quantilesMs[latencyQuantiles.indexOf(1)]! > 200);
});

test("several streams are sent at once, and each has its own figures", async (t) => {
  const held: { answer: () => void; whenFast: number }[] = [];
  let slow = 0;
  let fast = 0;
  const enough = Promise.withResolvers<void>();
  const target = await serve(t, (request, response) => {
    if (request.url === "/slow") {
      slow++;
      // It takes as long as twenty of the others, which come from two clients one after the other.
      held.push({ answer: () => response.end("slow"), whenFast: fast + 20 });
    } else {
      fast++;
      response.end("fast");
    }
    while (held[0] !== undefined && held[0].whenFast <= fast) held.shift()!.answer();
    if (slow > 6) enough.resolve();
  });
  const { streams } = await loadUntil(t, {
    target,
    streams: [closed("/slow", 2), closed("/fast", 2)],
    enough: enough.promise,
  });
  const [seldom, often] = streams;
  assert.ok(seldom !== undefined && often !== undefined);
  assert.ok(often.quantilesMs[0]! < seldom.quantilesMs[0]!);
  assert.ok(seldom.answered > 0 && often.answered > 5 * seldom.answered);
});

test("the clients of several streams connect in turn, so that each loop of a server has its share of every stream", async (t) => {
  const sockets: Socket[] = [];
  const paths = new Map<Socket, string>();
  const enough = Promise.withResolvers<void>();
  const server = createServer((request) => {
    paths.set(request.socket, request.url!);
    if (paths.size === 12) enough.resolve();
  }).on("connection", (socket: Socket) => sockets.push(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const target = { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  await loadUntil(t, { target, streams: [closed("/light", 8), closed("/heavy", 4)], enough: enough.promise });
  const [light, heavy] = ["/light", "/heavy"];
  assert.deepEqual(
    sockets.map((socket) => paths.get(socket)),
    [light, heavy, light, light, heavy, light, light, heavy, light, light, heavy, light],
  );
});

test("every request has the method, the headers and the body that were asked for, and its length", async (t) => {
  const seen = new Set<string>();
  let asked = 0;
  const enough = Promise.withResolvers<void>();
  const target = await serve(t, async (request, response) => {
    let body = "";
    for await (const piece of request) body += String(piece);
    const { "content-length": length, "x-key": key, accept } = request.headers;
    seen.add(JSON.stringify({ method: request.method, length, key, accept, body }));
    response.end("ok");
    if (++asked > 10) enough.resolve();
  });
  const headers = [
    { name: "X-Key", value: "of ours" },
    { name: "Accept", value: "text/plain" },
  ];
  const request = { method: "POST", headers, body: '{"city":"Köln"}' };
  const order = { target: { ...target, request }, streams: [closed("/", 3)], enough: enough.promise };
  const [result] = (await loadUntil(t, order)).streams;
  assert.ok(result!.answered > 3);
  assert.deepEqual(
    [...seen].map((each) => JSON.parse(each)),
    [{ method: "POST", length: "16", key: "of ours", accept: "text/plain", body: request.body }],
  );
});

test("a load that is cut answers with what it has seen by then", async (t) => {
  const began = Promise.withResolvers<void>();
  const target = await serve(t, () => began.resolve());
  const generator = startGenerator();
  t.after(() => generator.close());
  // Neither the load nor its patience would end within the test's time.
  const running = generator.run({ target, streams: [closed("/", 2)], lengthMs: 1e9, patienceMs: 1e9 });
  await began.promise;
  generator.cut();
  const [seen] = (await running).streams;
  assert.deepEqual([seen?.answered, seen?.unanswered], [0, 2]);
});

/** A timer counts from when its turn of the loop began, which on a slow machine is long before it is set. */
function noSoonerThan(ms: number, act: () => void): void {
  const atMs = performance.now() + ms;
  const look = () => {
    if (performance.now() < atMs) setTimeout(look, 1);
    else act();
  };
  look();
}

test("latencies are of answers with the expected status: what was refused at once makes nothing look quick", async (t) => {
  let asked = 0;
  const enough = Promise.withResolvers<void>();
  const target = await serve(t, (_request, response) => {
    if (++asked % 2 === 0) response.writeHead(503).end();
    // The seventh is on its way when the load is cut: how long it has waited by then counts.
    else noSoonerThan(30, () => (asked > 6 ? enough.resolve() : void response.end("ok")));
  });
  const order = { target, streams: [{ ...closed("/", 1), expected: 200 }], enough: enough.promise };
  const [seen] = (await loadUntil(t, order)).streams;
  assert.ok(seen !== undefined && seen.statuses["503"]! > 0);
  assert.ok(seen.quantilesMs[0]! >= 29, `${seen.quantilesMs[0]} ms`);
});
