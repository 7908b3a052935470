// What people see: dumps, reports, stacks, channels; and whole programs in a greenlet.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Event, type Greenlet, hub, monkey, Queue, sleep, spawn, spawnLater, spawnNow, wait } from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";

test("hub.dump shows every greenlet, its state, what it waits for and its frames, and wakes none", async () => {
  // Tests before this one may have left fibers that nobody resumes.
  const before = hub.stats().live;
  const event = new Event();
  let wentOn = false;
  function waitsInside() {
    event.wait();
    wentOn = true;
  }
  const parked = spawnNow(waitsInside);
  const consumer = spawnNow(function consume() {
    new Queue().get();
  });
  const promised = spawnNow(async function promises() {
    await event.waitAsync();
  });
  const later = spawnLater(60_000, function later() {});
  const { switches } = hub.stats();
  const dump = hub.dump();
  assert.equal(hub.stats().switches, switches);
  assert.equal(Number.parseInt(dump, 10), before + 4);
  assert.match(
    dump,
    /^\d+ greenlets, \d+ stacks \(\d+ idle\), \d+ switches, (impersonation|impersonation-light|handoff)\n/,
  );
  assert.match(dump, /greenlet \d+ "waitsInside": parked, waits for an event\n +at (Event\.wait|waitsInside)/);
  assert.match(dump, /at waitsInside \(.*tools\.ts:\d+:\d+\)/);
  assert.match(dump, /"consume": parked, waits for an item of a queue/);
  assert.match(dump, /"promises": parked, waits for the promise that its function returned/);
  assert.match(dump, /"later": pending/);
  assert.equal(wentOn, false);
  event.set();
  consumer.kill();
  later.kill();
  await Promise.all([parked, consumer, promised, later]);
  assert.equal(wentOn, true);
});

test("a greenlet can be dumped by another, in the middle of a sort and inside a switch", async () => {
  const seen: string[] = [];
  const sorting = spawnNow(function sorts() {
    return [3, 1, 2].sort((a, b) => (sleep(), a - b));
  });
  await spawn(() => seen.push(hub.dump(), sorting.stack()));
  assert.match(seen[0] ?? "", /at Array\.sort/);
  assert.match(seen[1] ?? "", /at sorts/);
  assert.deepEqual(await sorting, [1, 2, 3]);
});

test("a running greenlet's stack is its own, and one without a stack has none", async () => {
  await spawn(function running() {
    const self = spawnNow(() => {});
    assert.equal(self.stack(), "");
  });
  const greenlet: Greenlet<string> = spawn(function ownStack() {
    return greenlet.stack();
  });
  assert.match(await greenlet, /at .*ownStack/);
});

test("an error that crosses a wait shows the frames that waited, once, and stays the same object", async () => {
  const error = new Error("from elsewhere");
  const original = error.stack;
  async function fails() {
    await null;
    throw error;
  }
  const greenlet = spawn(function outer() {
    function inner() {
      wait(fails());
    }
    try {
      inner();
    } catch (first) {
      assert.equal(first, error);
      wait(Promise.reject(first));
    }
  });
  await assert.rejects(greenlet.promise(), (seen) => seen === error);
  assert.ok(error.stack?.startsWith(original ?? "?"));
  assert.match(error.stack ?? "", /-- waited for in greenlet \d+ "outer" --\n +at inner \(.*tools\.ts/);
  assert.equal(error.stack?.split("waited for in").length, 2);
  assert.deepEqual(Object.keys(error), []);
  error.stack = "replaced";
  assert.equal(error.stack, "replaced");
});

test("what is no error, or frozen, crosses a wait untouched", async () => {
  const frozen = Object.freeze(new Error("frozen"));
  const { stack } = frozen;
  for (const reason of [frozen, "text", null, { code: 1 }]) {
    await assert.rejects(spawn(() => wait(Promise.reject(reason))).promise(), (seen) => seen === reason);
  }
  assert.equal(frozen.stack, stack);
});

test("hub.onBlocked tells which greenlet held the thread, for how long, and where it waited next", async () => {
  const reports: { name: string; isLong: boolean; stack: string }[] = [];
  const stop = hub.onBlocked(20, ({ greenlet, heldMs, stack }) =>
    reports.push({ name: greenlet.name, isLong: heldMs >= 20, stack }),
  );
  const spin = () => {
    for (const endsAt = performance.now() + 25; performance.now() < endsAt; );
  };
  await spawn(function hog() {
    spin();
    sleep(1);
  });
  await nextTurn();
  stop();
  await spawn(function unseen() {
    spin();
  });
  assert.deepEqual(
    reports.filter(({ name }) => name === "unseen"),
    [],
  );
  const [report] = reports.filter(({ name }) => name === "hog");
  assert.equal(report?.isLong, true);
  assert.match(report.stack, /at .*hog/);
  assert.throws(() => hub.onBlocked(0, () => {}), { code: "ERR_INVALID_ARGUMENT" });
});

test("hub.onSwitch tells of each entering and leaving, and an error in it harms no switch", async () => {
  const events: string[] = [];
  const stop = hub.onSwitch((event, greenlet) => events.push(`${event} ${greenlet.name}`));
  await spawn(function switches() {
    sleep();
  });
  stop();
  assert.deepEqual(
    events.filter((event) => event.endsWith(" switches")),
    ["entered switches", "left switches", "entered switches", "left switches"],
  );
});

test("diagnostics channels tell of greenlets that begin and end", async (t) => {
  const seen: string[] = [];
  const tell = (message: unknown, name: string | symbol) =>
    seen.push(`${String(name).split(".").at(-1)} ${(message as { greenlet: Greenlet }).greenlet.name}`);
  subscribe("switchyard.greenlet.spawn", tell);
  subscribe("switchyard.greenlet.end", tell);
  t.after(() => {
    unsubscribe("switchyard.greenlet.spawn", tell);
    unsubscribe("switchyard.greenlet.end", tell);
  });
  await spawn(function told() {});
  assert.deepEqual(seen, ["spawn told", "end told"]);
});

const mainUrl = new URL("../../dist/main.js", import.meta.url).href;
const runProgram = (name: string, args: string[] = []) =>
  runFixture(`main/${name}`, { nodeArgs: ["--import", fileURLToPath(mainUrl)], args });

test("node --import main runs a CommonJS program in a greenlet, as the main module and with its arguments", async () => {
  const ending = await runProgram("program.cjs", ["a", "b"]);
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "true true true a,b\n");
});

test("node --import main runs a program that belongs to no package as the main module", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "greenlet-main-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "program.js");
  writeFileSync(file, "console.log(require.main === module, module.parent === null);");
  const { stdout } = spawnSync(process.execPath, ["--import", fileURLToPath(mainUrl), file], {
    encoding: "utf8",
    timeout: 200_000,
  });
  assert.equal(stdout, "true true\n");
});

test("node --import main runs an ES module in a greenlet, once", async () => {
  const ending = await runProgram("program.mjs");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "true true\n");
});

test("an error at the top level of such a program ends it with its frames", async () => {
  const ending = await runProgram("fails.cjs");
  assertEnded(ending, 1);
  assert.match(ending.stderr, /TypeError: thrown at the top level\n +at failing/);
});

test("a program with a top-level await runs outside a greenlet, and says so", async () => {
  const ending = await runProgram("awaits.mjs");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "false\n");
  assert.match(ending.stderr, /GreenletWarning: .*awaits\.mjs.*top-level await.*spawn\(\)/);
});

test("monkey.report is text and data", () => {
  const report = monkey.report();
  assert.match(String(report), /^Patched:\n/);
  assert.ok(Array.isArray(report.blocking) && report.blocking.length > 5);
});
