// What a request leaves behind for the garbage collector: with a closure or a table in the old generation that leads on to it,
// it would be copied there itself, and under load that took more CPU than to serve it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Exchange, type Outlet } from "../../src/exchange/exchange.ts";

const endpoint = {
  remoteAddress: "127.0.0.1",
  remotePort: 1,
  remoteFamily: "IPv4",
  localAddress: "127.0.0.1",
  localPort: 2,
  encrypted: false,
};

const outlet: Outlet = {
  interim: () => {},
  head: () => {},
  body: () => true,
  end: () => {},
  answer: () => {},
  broken: () => {},
  want: () => {},
  closed: () => {},
};

async function serveOne(): Promise<void> {
  const head = {
    method: "POST",
    url: "/",
    httpVersion: "1.1",
    rawHeaders: ["Host", "a", "Content-Length", "1"],
    endpoint,
  };
  const exchange = new Exchange(head, true, outlet);
  exchange.request.on("data", () => {});
  exchange.request.on("end", () => exchange.response.end("x"));
  exchange.pushBody("x");
  exchange.endBody([]);
  await once(exchange.response, "finish");
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "old_space")?.space_used_size ?? 0;
}

test("a request that is over does not outlive the next collections of young objects", async () => {
  setFlagsFromString("--expose-gc");
  const collect: (options?: { type: "minor" }) => void = runInNewContext("gc");
  const serve = async (count: number) => {
    for (let i = 0; i < count; i++) await serveOne();
    // What is young and alive after two of these is moved to the old generation.
    for (let i = 0; i < 2; i++) collect({ type: "minor" });
  };
  await serve(1_000);
  collect();
  const before = oldBytes();
  await serve(1_000);
  // 700 bytes each are Node's own: a Duplex, which a closure in the old generation leads to. All that one leads to is six times that.
  const keptBytes = (oldBytes() - before) / 1_000;
  assert.ok(keptBytes < 2_000, `${keptBytes} bytes of each request`);
});
