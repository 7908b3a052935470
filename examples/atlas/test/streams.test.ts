// Streams: complete for a client that takes them, held back for one that does not, ended for one that leaves.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startServer } from "./server.ts";

async function open(url: string): Promise<IncomingMessage> {
  const [response] = await once(
    get(url).on("error", () => {}),
    "response",
  );
  return response;
}

test("the export has a line for every city, each with all its fields", async (t) => {
  const server = await startServer(t);
  const response = await open(server.url("/export.csv"));
  assert.equal(response.headers["transfer-encoding"], "chunked");
  assert.match(response.headers["content-disposition"] ?? "", /cities\.csv/);
  const ids = new Set<string>();
  let lines = 0;
  // However long the two halves of a CRLF are apart, it ends one line.
  for await (const line of createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })) {
    lines += 1;
    if (lines > 1) ids.add(line.slice(0, line.indexOf(",")));
  }
  assert.equal(lines, 135_234);
  assert.equal(ids.size, 135_233);
});

test("the export of a country has that country's cities alone, with quotes where a field needs them", async (t) => {
  const server = await startServer(t);
  const text = await (await fetch(server.url("/export.csv?country=us"))).text();
  const lines = text.trimEnd().split("\r\n").slice(1);
  assert.ok(lines.length > 10_000);
  assert.ok(lines.every((line) => /,US,United States,\d+,-?[\d.]+,-?[\d.]+$/.test(line)));
});

test("two exports at the same time are both complete", async (t) => {
  const server = await startServer(t);
  const texts = await Promise.all([1, 2].map(async () => (await fetch(server.url("/export.csv?country=DE"))).text()));
  assert.equal(texts[0], texts[1]);
  assert.ok(texts[0]!.length > 100_000);
});

test("the export waits for a client that does not read, and stops when that client leaves", async (t) => {
  const server = await startServer(t);
  const given = server.nextResponse();
  const response = await open(server.url("/export.csv"));
  response.pause();
  const served = await given;
  while (!served.writableNeedDrain) await delay(5);
  assert.ok(served.writableLength < 500_000, `${served.writableLength} bytes are held for the client`);

  const closed = once(served, "close");
  response.destroy();
  await closed;
  assert.equal(served.writableFinished, false);
});

test("live events are cities, and end after as many as were asked for", async (t) => {
  const server = await startServer(t);
  const response = await fetch(server.url("/live/events?everyMs=10&count=3"));
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const events = (await response.text()).trimEnd().split("\n\n");
  assert.deepEqual(
    events.map((event) => event.split("\n")[0]),
    ["id: 1", "id: 2", "id: 3"],
  );
  for (const event of events) assert.ok(JSON.parse(event.split("data: ")[1]!).name);
});

// A timer that went on for a client that has left would keep this process from ending.
test("a live stream leaves nothing behind when its client leaves", async () => {
  const program = join(import.meta.dirname, "fixtures", "leave-live-stream.ts");
  const child = spawn(process.execPath, [program], { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
});
