// A loop that is held is told of while it is held, down to the line of the TypeScript that holds it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { errorRecords } from "../../src/errors.ts";
import type { BlockedReport } from "../../src/metrics/snapshot.ts";
import { blockedText } from "../../src/supervisor/blocked-loops.ts";
import { HoldDetector } from "../../src/watch/hold-detector.ts";
import { appPath, type LogLine, launch, startServer, type TestServer } from "../harness/server.ts";

const app = "blocked/app.ts";

/** A sync worker is told of when six tenths of it are over: the rest is for a slow machine to tell it in. */
const runTimeout = ["--run-timeout", "8s"];

const shapes = {
  async: ["--model", "async"],
  "hybrid, threads": ["--model", "hybrid", "--workers", "1", "--threads", "2"],
  greenlet: ["--model", "greenlet", "--workers", "1"],
  "sync, processes": ["--model", "sync", "--workers", "1", ...runTimeout],
  "sync, threads": ["--model", "sync", "--workers", "1", "--threads", "1", ...runTimeout],
  "sync, threads in processes": ["--model", "sync", "--workers", "2", "--threads", "1", ...runTimeout],
};

for (const [shape, args] of Object.entries(shapes)) {
  test(`${shape}: an endless loop is told of with its request and its line, while it lasts`, async (t) => {
    const server = await start(t, args);
    const spinning = server.get("/spin?secret=1", { headers: { "X-Request-Id": "req-7" } }).catch(() => null);
    const line = await blockedLine(server, "/spin");
    const report = reportOf(line);

    assert.equal(report.method, "GET");
    assert.equal(report.id, "req-7");
    assert.ok(report.worker >= 1 && report.heldMs > 0 && Number(report.ageMs) > 0);
    const [innermost = "", ...outer] = report.stack;
    // The innermost is the loop, or what it calls at that moment.
    const spin = [innermost, ...outer].find((frame) => frame.startsWith("spin "));
    assert.equal(placeOf(spin ?? ""), `${appPath(app)}:${lineWith("spins here")}`);
    assert.ok(outer.some((frame) => placeOf(frame) === `${appPath(app)}:${lineWith('pathname === "/spin"')}`));
    assert.ok(
      report.stack.every((frame) => frame.includes(appPath(app))),
      report.stack.join("\n"),
    );
    assert.match(
      String(line.msg),
      /^Worker \d's loop has been held for \d+ ms by GET \/spin \(req-7\), \d+ ms old:\n {4}at /,
    );
    // Held for longer, it may have been told of again.
    await server.waitForStatus(({ blocked }) => blocked.some((each) => isDeepStrictEqual(each, report)));

    if (shape !== "sync, processes") return;
    assert.equal((await spinning)?.status, 504, "it was told before it was killed");
    assert.ok(server.lines.indexOf(line) < server.lines.findIndex(({ code }) => code === "SY_RUN_TIMEOUT"));
  });

  // The engine of regular expressions is interrupted in a way of its own, which does not depend on who runs the isolate; what
  // a sync worker is told of late is seen above for each.
  if (shape === "sync, processes" || shape === "sync, threads") continue;
  test(`${shape}: a regular expression that backtracks for ever is told of by its line`, async (t) => {
    const server = await start(t, args);
    server.get("/regex").catch(() => null);
    const report = reportOf(await blockedLine(server, "/regex"));
    assert.equal(placeOf(report.stack[0] ?? ""), `${appPath(app)}:${lineWith("backtracks here")}`);
  });
}

/** Makes the addon nowhere to be found, as on a machine that has no compiler. */
const withoutAddon = { PREBUILDS_ONLY: "1" };

test("where the addon can't be loaded, a thread watches in its place", async (t) => {
  const fifo = makeFifo(t);
  const server = await start(t, shapes.async, { ...withoutAddon, FIFO: fifo });
  const { workers } = await server.waitForStatus(({ workers }) => workers.length === 1);
  assert.deepEqual(watchersOf(workers[0]!.pid), ["watchdog"]);
  const answer = server.get("/fifo");
  const first = await server.waitForLine(({ blocked }) => blocked !== undefined);
  assert.deepEqual([reportOf(first).isNative, reportOf(first).stack], [true, []]);
  writeFileSync(fifo, "read at last");
  await answer;
  server.get("/spin").catch(() => null);
  const report = reportOf(await blockedLine(server, "/spin"));
  assert.ok(report.stack.some((frame) => placeOf(frame) === `${appPath(app)}:${lineWith("spins here")}`));
});

test("what watches a loop has no heap of its own", async (t) => {
  const server = await start(t, shapes.async);
  const { workers } = await server.waitForStatus(({ workers }) => workers.length === 1);
  assert.deepEqual(watchersOf(workers[0]!.pid), ["loop watch"]);
});

for (const [shape, args] of Object.entries(shapes)) {
  // An application is loaded for greenlets as without, and in a thread by whoever holds that.
  if (shape === "greenlet" || shape === "sync, threads in processes") continue;
  test(`${shape}: a loop that never ends while the application is loaded is told of, and the error says where it is`, async (t) => {
    // A load may hold its loop for ten times as long as requests may. Until the worker is given up there is time for a slow
    // machine to start it and to tell of it.
    const limits = ["--blocked-threshold", "100ms", "--start-timeout", "4s"];
    const server = launch(t, { app: "blocked/endless.ts", args: [...args, ...limits] });
    const place = `${appPath("blocked/sums.ts")}:${lineWith("never ends", "blocked/sums.ts")}`;
    // On a slow machine the loading of what comes before it may be told of first.
    const isThere = (line: LogLine) => line.blocked !== undefined && reportOf(line).stack.map(placeOf).includes(place);
    const report = reportOf(await server.waitForLine(isThere));
    assert.deepEqual([report.isLoading, report.isNative, report.path], [true, false, null]);
    assert.equal(await server.exited, errorRecords.SY_APP_SLOW.exitCode);
    const output = server.otherOutput.join("\n");
    assert.match(output, /SY_APP_SLOW: .* not ready after 4000 ms: its own code held the worker/);
    assert.ok(output.includes(place), output);
  });
}

for (const env of [{}, withoutAddon]) {
  const how = env === withoutAddon ? "by a thread" : "by the addon";
  test(`a synchronous call that lasts while the application is loaded is told of ${how}, and what it returned to`, async (t) => {
    const fifo = makeFifo(t);
    const args = [...shapes.async, "--start-timeout", "10m", "--blocked-threshold", "50ms"];
    const server = launch(t, { app: "blocked/reads-first.ts", args, env: { FIFO: fifo, ...env } });
    const first = reportOf(await server.waitForLine(({ blocked }) => blocked !== undefined));
    assert.deepEqual([first.isLoading, first.isNative, first.stack], [true, true, []]);
    writeFileSync(fifo, "read at last");
    const then = await server.waitForLine((line) => line.blocked !== undefined && reportOf(line).stack.length > 0);
    const line = lineWith("waits at the top level", "blocked/reads-first.ts");
    assert.ok(reportOf(then).stack.some((frame) => placeOf(frame) === `${appPath("blocked/reads-first.ts")}:${line}`));
    assert.match(String(then.msg), /while it loads the application, in native code, which returned to:/);
    await server.waitForLine(({ msg }) => msg?.startsWith("Serving at ") ?? false);
  });
}

for (const [shape, args] of Object.entries(shapes).filter(([shape]) => !shape.startsWith("sync"))) {
  test(`${shape}: what a request has set off later is told as that request's`, async (t) => {
    const server = await start(t, args);
    server.get("/later").catch(() => null);
    const report = reportOf(await blockedLine(server, "/later"));
    assert.equal(
      placeOf(report.stack.find((frame) => frame.startsWith("spin ")) ?? ""),
      `${appPath(app)}:${lineWith("spins here")}`,
    );
  });

  // Greenlets wait for a file without holding the loop.
  if (shape === "greenlet") continue;
  test(`${shape}: a wait in native code is told while it lasts, and its caller when it is over`, async (t) => {
    const fifo = makeFifo(t);
    const server = await start(t, args, { FIFO: fifo });
    const answer = server.get("/fifo");
    // Whose it is can't be told while it lasts.
    await server.waitForLine((line) => line.blocked !== undefined && isUnknown(reportOf(line)));
    writeFileSync(fifo, "read at last");
    assert.equal((await answer).body, "read at last");
    const report = reportOf(await blockedLine(server, "/fifo"));
    assert.equal(report.isNative, true);
    assert.ok(
      report.stack.some((frame) => placeOf(frame) === `${appPath(app)}:${lineWith('pathname === "/fifo"')}`),
      report.stack.join("\n"),
    );
    // It goes on to serve.
    assert.equal((await server.get("/hello")).body, "hello");
  });
}

test("nothing is watched with --blocked-threshold 0", async (t) => {
  const fifo = makeFifo(t);
  const server = await startServer(t, {
    app,
    args: ["--model", "async", "--no-access-log", "--blocked-threshold", "0"],
    env: { FIFO: fifo },
  });
  const answer = server.get("/fifo");
  const { workers } = await server.waitForStatus(
    ({ workers, atMs }) => atMs - Number(workers[0]?.vitals?.readAtMs ?? atMs) > 1_000,
  );
  assert.deepEqual(watchersOf(workers[0]!.pid), []);
  writeFileSync(fifo, "over");
  await answer;
  assert.deepEqual((await server.status()).blocked, []);
});

test("of native code, which can't be asked, the request that its worker was given is told, or those that it had", () => {
  const base = { atMs: 0, worker: 1, pid: 1, heldMs: 700, method: null, path: null, ageMs: null, id: null };
  const native = { ...base, stack: [], isNative: true, isLoading: false };
  const request = { method: "GET", path: "/report", ageMs: 650 };
  assert.match(
    blockedText({ ...native, ...request }, []),
    /^Worker 1's .* by GET \/report, 650 ms old, in native code/,
  );
  assert.match(blockedText(native, [request]), / just before: GET \/report \(650 ms old\)\.$/);
  assert.match(blockedText({ ...native, isLoading: true }, []), / while it loads the application, by native code/);
});

test("a loop is held once it has not beaten for nine looks, and told again after ten times as many", () => {
  const detector = new HoldDetector();
  const told: number[] = [];
  for (let atMs = 0; atMs <= 1_000; atMs++) {
    const heldMs = detector.look(5, 9, atMs);
    if (heldMs !== null) told.push(heldMs);
  }
  assert.deepEqual(told, [9, 90, 900]);
  assert.equal(detector.look(6, 9, 1_001), null);
  assert.equal(detector.isFree(7), true);
});

test("a loop that has not begun to beat is not held", () => {
  const detector = new HoldDetector();
  for (let atMs = 0; atMs < 100; atMs++) assert.equal(detector.look(0, 0, atMs), null);
});

function start(
  t: TestContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  return startServer(t, { app, args: [...args, "--no-access-log", "--blocked-threshold", "200ms"], env });
}

function isUnknown({ isNative, stack }: BlockedReport): boolean {
  return isNative && stack.length === 0;
}

function blockedLine(server: TestServer, path: string): Promise<LogLine> {
  return server.waitForLine((line) => line.blocked !== undefined && reportOf(line).path === path);
}

function reportOf(line: LogLine): BlockedReport {
  // The line of the server's own log.
  return line.blocked as BlockedReport;
}

/** "/srv/app.ts:12" of "render (/srv/app.ts:12:5)". */
function placeOf(frame: string): string {
  return /\(?([^()\s]+:\d+):\d+\)?$/.exec(frame)?.[1] ?? "";
}

function lineWith(text: string, file = app): number {
  const source = readFileSync(appPath(file), "utf8").split("\n");
  const index = source.findIndex((line) => line.includes(text));
  assert.notEqual(index, -1);
  return index + 1;
}

function makeFifo(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-blocked-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  return fifo;
}

/** The threads of a process that are there to watch its loop. */
function watchersOf(pid: number): string[] {
  const names = execFileSync("ps", ["-T", "-o", "comm=", "-p", String(pid)], { encoding: "utf8" }).split("\n");
  return names.map((name) => name.trim()).filter((name) => name === "watchdog" || name === "loop watch");
}
