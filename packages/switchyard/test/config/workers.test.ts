import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cpus } from "../../src/config/cpus.ts";
import { describeCpus, workerPlan } from "../../src/config/workers.ts";

const two: Cpus = { count: 2, available: 2, quota: null, quotaFile: null };
const limited: Cpus = { count: 2, available: 8, quota: 1.5, quotaFile: "/sys/fs/cgroup/cpu.max" };

test("auto is an event loop for each CPU, one for async, and twice as many and one more for sync", () => {
  const totals = (["auto", "hybrid", "greenlet", "async", "sync"] as const).map(
    (model) => workerPlan({ model, workers: "auto", threads: 0 }, two).total,
  );
  assert.deepEqual(totals, [2, 2, 2, 1, 5]);
});

test("threads multiply processes", () => {
  const plan = workerPlan({ model: "sync", workers: 2, threads: 3 }, two);
  assert.deepEqual(plan, { processes: 2, threads: 3, total: 6, why: "3 threads in each of 2 processes, as asked for" });
  assert.equal(workerPlan({ model: "sync", workers: 1, threads: 4 }, two).total, 4);
  assert.equal(workerPlan({ model: "sync", workers: 4, threads: 0 }, two).total, 4);
});

test("why says which CPUs were counted", () => {
  assert.equal(
    workerPlan({ model: "hybrid", workers: "auto", threads: 0 }, two).why,
    "an event loop for each CPU; 2 CPUs",
  );
  assert.equal(
    workerPlan({ model: "sync", workers: "auto", threads: 0 }, limited).why,
    "twice the CPUs and one more; 8 CPUs, of which the cgroup's cpu.max allows 1.5",
  );
});

test("a quota that limits nothing is not mentioned", () => {
  assert.equal(describeCpus({ ...limited, quota: 16 }), "8 CPUs");
  assert.equal(describeCpus({ ...two, available: 1, count: 1 }), "1 CPU");
});
