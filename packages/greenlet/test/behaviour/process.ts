// What ends a process or a worker, with greenlets alive; and what once broke V8 or Node. Each is a child process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hub } from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";

test("the process ends with its own exit code while greenlets are parked", async () => {
  const ending = await runFixture("exit-while-parked.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "exit event\n");
});

test("process.exitCode is kept while greenlets are parked", async () => {
  assertEnded(await runFixture("exit-while-parked.ts", { args: ["5"] }), 5);
});

test("process.exit in a greenlet ends the process with that code and emits exit", async () => {
  const ending = await runFixture("exit-in-greenlet.ts");
  assertEnded(ending, 7);
  assert.equal(ending.stdout, "exit event 7\n");
});

test("what listens to exit runs to its end on the stack of the greenlet that called process.exit", async () => {
  const ending = await runFixture("exit-waits.ts");
  assertEnded(ending, 3);
  assert.equal(ending.stdout, "child 0 ERR_SWITCH_FORBIDDEN\n");
});

test("an error that nobody asked for ends the process as an unhandled rejection does, with the greenlet's frame", async () => {
  const ending = await runFixture("unseen-error.ts");
  assertEnded(ending, 1);
  assert.match(ending.stderr, /nobody looked/);
  assert.match(ending.stderr, /at failingBody/);
});

test("workers and the main thread run greenlets at the same time and end cleanly", async () => {
  const ending = await runFixture("workers.ts", { args: ["finish"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, `4 threads, ${hub.backend === "handoff" ? 250 : 1000} greenlets each\n`);
});

test("a worker is terminated with greenlets parked, and its threads are given back", async () => {
  const ending = await runFixture("workers.ts", { args: ["terminate-parked"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "terminated, threads given back\n");
});

test("a worker is terminated while a greenlet spins", async () => {
  const ending = await runFixture("workers.ts", { args: ["terminate-spinning"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "terminated, threads given back\n");
});

test("a worker ends by process.exit in a greenlet, with others parked", async () => {
  const ending = await runFixture("workers.ts", { args: ["exit-in-greenlet"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "worker ended with 9, threads given back\n");
});

test("a stack overflow and a collection deep on the isolate's own stack do no harm once greenlets were made", async () => {
  const ending = await runFixture("deep-on-main.ts", { nodeArgs: ["--expose-gc"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "main RangeError\nworker RangeError\n");
});

test("17,000 greenlets are parked at once without threads and memory maps of their own, at most 24 kB each, and resumed", async (t) => {
  if (hub.backend !== "impersonation-light") return t.skip("each is a thread on this backend");
  const ending = await runFixture("many-parked.ts", { args: ["17000"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "17000 parked and resumed\n");
});

test("fetches, forced garbage collection and parked greenlets live together", async () => {
  const ending = await runFixture("fetch-and-collect.ts", { nodeArgs: ["--expose-gc"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "80 fetches\n");
});

test("an HTTP handler that the parser calls on a greenlet's stack may wait, and microtasks go on", async () => {
  const ending = await runFixture("parser-on-greenlet.ts");
  assertEnded(ending, 0);
  assert.equal(
    ending.stdout,
    "waited under the parser, 50 times, ticks go on\n100 waits carried a callback scope along\n",
  );
});

test("60,000 greenlets leave the heap and the number of threads as they were", async () => {
  const ending = await runFixture("no-leak.ts", { nodeArgs: ["--expose-gc"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "flat\n");
});

test("no value that JavaScript gives to the addon crashes it", async () => {
  const ending = await runFixture("addon-misuse.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "every misuse was refused\n");
});

test("a program that can't load the addon can import the package, and the first use says what to do", async () => {
  const ending = await runFixture("no-addon.ts");
  assertEnded(ending, 0);
  assert.match(ending.stdout, /^imported\nERR_ADDON_UNAVAILABLE .*build-addon\.mjs/);
});

test("two copies of the package in one thread share one hub, and a version that does not fit says so", async () => {
  const ending = await runFixture("two-copies.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "shared\nERR_VERSION_CONFLICT\n");
});

test("hooks and listeners that read files block in place, and in what the inspector evaluates a wait is refused", async () => {
  const ending = await runFixture("told-in-place.ts");
  assertEnded(ending, 0);
  assert.equal(
    ending.stdout,
    "onSwitch 0 1 2 3 4\nimport 0\nevaluate true\nthen goes on\nasync hooks 01234567 01234567\n",
  );
});

test("what is told of a held loop, in the middle of a greenlet, does not let the loop go round", async () => {
  const ending = await runFixture("watched.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "watched, 0 turns of the loop meanwhile\ntrue\n");
});
