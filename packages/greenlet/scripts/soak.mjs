// Two minutes of everything at once: whether memory stays flat. Prints JSON.
//
//   node --expose-gc scripts/soak.mjs [--seconds 120] [--greenlets 2000]
//
// 2,000 greenlets live all the time. Each does one thing after the other (a fetch over loopback, a timer, a query of SQLite, a
// hash, zlib, a few run a child process), ends, and is replaced. Garbage is collected by force every half second. The
// resident size is read after each collection. The first twenty seconds are for warming up, or more, until each stack has
// been used for everything once: a stack's memory is what was touched of it, and what the libraries keep for each thread.

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { hub, monkey, Semaphore, sleep, spawn, wait } from "../dist/index.js";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "120" }, greenlets: { type: "string", default: "2000" } },
});
const greenlets = Number(values.greenlets);
const lastMs = Number(values.seconds) * 1000;
let warmUpMs = Math.min(20_000, lastMs / 3);

monkey.patchAll();
const { execFileSync } = await import("node:child_process");
const { gzipSync } = await import("node:zlib");
const server = createServer((_, response) => response.end("x".repeat(1000)));
// A connection that the server closes for being idle may have a request under way on a busy machine.
server.keepAliveTimeout = 10 * lastMs;
server.listen(0, "127.0.0.1");
await new Promise((ready) => server.once("listening", ready));
const url = `http://127.0.0.1:${server.address().port}/`;
const database = new DatabaseSync(":memory:");
database.exec("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)");
const insert = database.prepare("INSERT OR REPLACE INTO item VALUES (?, ?)");
const select = database.prepare("SELECT name FROM item WHERE id = ?");
const sockets = new Semaphore(50);
const children = new Semaphore(4);
const big = Buffer.alloc(100_000, "abc");
const done = { fetches: 0, queries: 0, children: 0, compressions: 0, greenlets: 0, collections: 0 };
const startMs = performance.now();
const elapsedMs = () => performance.now() - startMs;

function life(n) {
  sleep(n % 500);
  const text = sockets.use(() => wait(wait(fetch(url)).text()));
  if (text.length !== 1000) throw new Error("a fetch gave something else");
  done.fetches++;
  insert.run(n % 1000, createHash("sha256").update(`${n}`).digest("hex"));
  if (select.get(n % 1000) === undefined) throw new Error("a row is gone");
  done.queries += 2;
  const isFirst = n < greenlets;
  if (isFirst || n % 20 === 0) {
    gzipSync(big);
    done.compressions++;
  }
  if (isFirst || n % 200 === 0) {
    children.use(() => execFileSync("true"));
    done.children++;
  }
  sleep(n % 300);
  done.greenlets++;
  if (isFirst) warmUpMs = Math.max(warmUpMs, elapsedMs());
}

let count = 0;
async function lives() {
  while (elapsedMs() < lastMs) await spawn(life, count++);
}

const samples = [];
const collector = setInterval(() => {
  globalThis.gc?.();
  done.collections++;
  samples.push({ atMs: elapsedMs(), bytes: process.memoryUsage.rss(), heapBytes: process.memoryUsage().heapUsed });
}, 500);
await Promise.all(Array.from({ length: greenlets }, lives));
clearInterval(collector);
server.close();
server.closeAllConnections();

const median = (all) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN;
const between = (from, to, key) =>
  median(samples.filter(({ atMs }) => atMs >= from && atMs < to).map((each) => each[key]));
const window = (lastMs - warmUpMs) / 4;
const mb = (bytes) => Math.round(bytes / 1024 / 102.4) / 10;
const first = {
  rss: between(warmUpMs, warmUpMs + window, "bytes"),
  heap: between(warmUpMs, warmUpMs + window, "heapBytes"),
};
const last = { rss: between(lastMs - window, lastMs, "bytes"), heap: between(lastMs - window, lastMs, "heapBytes") };
const { live, stacks, idleStacks } = hub.stats();
console.log(
  JSON.stringify({
    backend: hub.backend,
    seconds: lastMs / 1000,
    warmUpSeconds: Math.round(warmUpMs / 1000),
    growth: last.rss / first.rss,
    firstMb: mb(first.rss),
    lastMb: mb(last.rss),
    firstHeapMb: mb(first.heap),
    lastHeapMb: mb(last.heap),
    liveAtEnd: live,
    stacksInUseAtEnd: stacks - idleStacks,
    ...done,
  }),
);
