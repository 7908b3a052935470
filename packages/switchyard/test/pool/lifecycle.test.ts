import assert from "node:assert/strict";
import { test } from "node:test";
import { deathOf } from "../../src/pool/death.ts";
import { failuresAfterDeath, pauseBeforeRestartMs, provenAfterMs, type WorkerState } from "../../src/pool/lifecycle.ts";

const ready: WorkerState = { is: "ready", sinceMs: 1_000 };
const soon = { nowMs: 1_500, wasOurKill: false };

test("the first death is made good at once; then pauses double from 100 ms to 30 s", () => {
  const pauses = Array.from({ length: 14 }, (_, failures) => pauseBeforeRestartMs(failures));
  assert.deepEqual(pauses.slice(0, 8), [0, 0, 100, 200, 400, 800, 1_600, 3_200]);
  assert.deepEqual(pauses.slice(10), [25_600, 30_000, 30_000, 30_000]);
  assert.equal(pauseBeforeRestartMs(10_000), 30_000);
});

test("deaths soon after the start, or during it, are counted in a row", () => {
  assert.equal(failuresAfterDeath(0, { state: ready, ...soon }), 1);
  assert.equal(failuresAfterDeath(3, { state: ready, ...soon }), 4);
  assert.equal(failuresAfterDeath(3, { state: { is: "starting", readyByMs: 9_000 }, ...soon }), 4);
});

test("a worker that was ready for long enough begins a new row", () => {
  const atMs = 1_000 + provenAfterMs;
  assert.equal(failuresAfterDeath(7, { state: ready, nowMs: atMs - 1, wasOurKill: false }), 8);
  assert.equal(failuresAfterDeath(7, { state: ready, nowMs: atMs, wasOurKill: false }), 1);
});

test("our own kill of a ready worker is no failure of its; of one that never was ready, it is", () => {
  assert.equal(failuresAfterDeath(2, { state: ready, nowMs: 1_500, wasOurKill: true }), 2);
  assert.equal(failuresAfterDeath(2, { state: { is: "starting", readyByMs: 1 }, nowMs: 1_500, wasOurKill: true }), 3);
});

test("the cause of a death is said in words", () => {
  const exit = { code: null, signal: null };
  const error = Object.assign(new Error("full"), { code: "ERR_WORKER_OUT_OF_MEMORY" });
  assert.equal(deathOf({ ...exit, code: 3 }, null).cause, "exit code 3");
  assert.match(deathOf({ ...exit, code: 0 }, null).cause, /ended its own process/);
  assert.match(deathOf({ ...exit, signal: "SIGKILL" }, null).cause, /^killed by SIGKILL/);
  assert.match(deathOf({ ...exit, signal: "SIGABRT" }, null).cause, /out of heap memory/);
  assert.match(deathOf({ ...exit, code: 134 }, null).cause, /out of heap memory/);
  const full = deathOf({ ...exit, signal: "SIGABRT", fullHeapBytes: 48 * 1024 ** 2 }, null);
  assert.deepEqual([full.kind, full.cause], ["heap_memory", "out of heap memory, with 48 MiB in use"]);
  assert.equal(deathOf({ ...exit, signal: "SIGKILL", cgroupWasFull: true }, null).kind, "cgroup_memory");
  assert.match(deathOf({ ...exit, signal: "SIGSEGV" }, null).cause, /native code/);
  assert.equal(deathOf({ ...exit, code: 1, error }, null).cause, "out of heap memory");
  assert.equal(deathOf({ ...exit, code: 1, error: new TypeError("no") }, null).cause, "uncaught TypeError: no");
  assert.equal(deathOf({ ...exit, signal: "SIGKILL" }, "too slow").cause, "killed by Switchyard: too slow");
  assert.equal(deathOf({ ...exit, code: 1 }, "too slow").kind, "switchyard");
});

test("of a worker that was killed while it ended by itself, its own cause is told", () => {
  const exit = { code: null, signal: null };
  const error = Object.assign(new Error("full"), { code: "ERR_WORKER_OUT_OF_MEMORY" });
  assert.equal(deathOf({ ...exit, code: 1, error }, "too slow").kind, "heap_memory");
  assert.equal(deathOf({ ...exit, signal: "SIGKILL", fullHeapBytes: 48 * 1024 ** 2 }, "too slow").kind, "heap_memory");
  assert.equal(deathOf({ ...exit, code: 3 }, "too slow").cause, "exit code 3");
});
