// Greenlets that nothing can resume any more, and those that are parked when there is nothing left to do.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { hub, spawn } from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";

test("greenlets whose wakers nobody has are found, reported once, and ended with their finally blocks; others are not", async () => {
  const ending = await runFixture("unreachable.ts");
  assertEnded(ending, 0);
  const lost = "promise event queue channel lock returned joins joined fiber";
  assert.deepEqual(ending.stdout.trimEnd().split("\n"), [
    `found ${lost}`,
    ...lost.split(" ").map((name) => `told of ${name}`),
    "9 greenlets can be resumed by nothing any more.",
    `again ${lost}`,
    "UnreachableExit: The greenlet waited for a promise, and nothing could resume it. ERR_UNREACHABLE",
    "finally",
    "finally of a fiber",
    "then  9 6",
  ]);
  assert.match(ending.stderr, /\[ERR_UNREACHABLE\] GreenletWarning: 9 greenlets can be resumed by nothing any more\./);
  assert.match(ending.stderr, /greenlet \d+ "queue": parked, waits for an item of a queue\n(.*\n)?.* at queue/);
  assert.equal(ending.stderr.split("GreenletWarning").length, 2);
});

test("a watch ends what nothing can resume, and tells its listener instead of warning", async () => {
  const ending = await runFixture("watches-unreachable.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "lost an event true true ended\n");
  assert.equal(ending.stderr, "");
});

test("a look from within another function of the program finds nothing, rather than too much", async () => {
  const ending = await runFixture("loop-in-loop.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "0 1\n");
});

test("a watch takes a number of milliseconds, and null", () => {
  for (const everyMs of [0, Number.NaN, 2 ** 31, "1" as unknown as number]) {
    assert.throws(() => hub.watchUnreachable({ everyMs }), { code: "ERR_INVALID_ARGUMENT" });
  }
  hub.watchUnreachable({ everyMs: 1000 });
  hub.watchUnreachable(null);
});

const warning =
  /^\(node:\d+\) GreenletWarning: The event loop is empty and 1 greenlet is still parked: nothing is left that could resume it\.\ngreenlet \d+ "forgotten": parked, waits for an event\n +at forgotten/m;

test("a greenlet that is parked when there is nothing left to do is told of, and the exit code kept", {
  concurrency: 3,
}, async (t) => {
  const cases = [
    ["empty", 0, "", true],
    ["awaited", 13, "", true],
    ["worker", 0, "", true],
    ["unref", 0, "", false],
    ["fiber", 0, "", false],
    ["exit", 3, "", false],
    ["exitBeforeExit", 4, "", false],
    ["throwBeforeExit", 1, "", false],
    ["resumedBeforeExit", 0, "resumed\n", false],
  ] as const;
  const run = async ([how, code, stdout, isWarned]: (typeof cases)[number]) => {
    const ending = await runFixture("parked-at-end.ts", { args: [how] });
    assertEnded(ending, code);
    assert.equal(ending.stdout, stdout);
    if (isWarned) assert.match(ending.stderr, warning);
    else assert.doesNotMatch(ending.stderr, /GreenletWarning/);
  };
  await Promise.all(cases.map((each) => t.test(`by ${each[0]}: ${each[3] ? "told" : "not told"}`, () => run(each))));
});

test("a program that node --import main runs ends with 13 when it waits for ever, as with a top-level await", async () => {
  const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
  const ending = await runFixture("main/parks.cjs", { nodeArgs: ["--import", main] });
  assertEnded(ending, 13);
  assert.equal(ending.stdout, "begun\n");
  assert.match(
    ending.stderr,
    /1 greenlet is still parked.*\ngreenlet 1 "parks\.cjs": parked, waits for a promise\n.*parks\.cjs:4/,
  );
});

test("ref and unref say whether a greenlet is expected to end", () => {
  const greenlet = spawn(() => {});
  assert.equal(greenlet.hasRef(), true);
  assert.equal(greenlet.unref().hasRef(), false);
  assert.equal(greenlet.ref().hasRef(), true);
});
