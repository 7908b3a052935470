// What is concluded from the figures of a run: kinds, ties, advice.

import assert from "node:assert/strict";
import { test } from "node:test";
import { advise } from "../../src/compare/advice.ts";
import { compareText } from "../../src/compare/print.ts";
import { servicesIn, verdicts } from "../../src/compare/verdict.ts";
import { type MadePath, madeRun } from "./made-run.ts";

const waiting: MadePath = {
  path: "/cities/123?full=1",
  wallMs: 100,
  cpuMs: 1,
  most: {
    "sync-threads": [49, 50, 50],
    async: [600, 610, 620],
    hybrid: [1_150, 1_200, 1_210],
    greenlet: [1_100, 1_150, 1_160],
  },
};
const computing: MadePath = {
  path: "/report/FR",
  wallMs: 20,
  cpuMs: 19,
  most: { "sync-threads": [98, 100, 101], async: [50, 50, 51], hybrid: [99, 100, 102], greenlet: [97, 99, 100] },
};

test("a path is bound by what it spends its time on, and one that is over at once by neither", () => {
  const light: MadePath = { path: "/hello", wallMs: 0.4, cpuMs: 0.3, most: { async: [9_000, 9_100, 9_200] } };
  const both: MadePath = { path: "/both", wallMs: 40, cpuMs: 18, most: { async: [50, 50, 50] } };
  const kinds = verdicts(madeRun([waiting, computing, light, both])).map(({ kind }) => kind);
  assert.deepEqual(kinds, ["waiting", "cpu", "light", "mixed"]);
});

test("a request that many of are in work on one loop waits, though other work kept it from the CPU while it was alone", () => {
  const run = madeRun([{ path: "/wait", wallMs: 47, cpuMs: 1, most: { async: [1_200, 1_250, 1_300] } }]);
  const measurements = run.measurements.map((each) => ({ ...each, cpuQueuedMs: 40 }));
  assert.equal(verdicts({ ...run, measurements })[0]?.kind, "waiting");
});

test("variants whose rounds overlap can't be told apart, and the table says so", () => {
  const [verdict] = verdicts(madeRun([waiting]));
  assert.deepEqual(verdict?.best, ["hybrid", "greenlet"]);
  const run = madeRun([waiting]);
  assert.match(compareText(run, advise(run)), /No difference that this run can tell between hybrid, greenlet on/);
});

test("rounds that are far apart are shown as they are, and not as a share of their median", () => {
  const text = compareText(madeRun([{ ...waiting, most: { async: [0, 46, 502], hybrid: [98, 100, 102] } }]), null);
  assert.match(text, /^ {2}async .* 46\/s \(0 to 502\) /m);
  assert.match(text, /^ {2}hybrid .* 100\/s ±2% /m);
});

test("a table that is wider than the terminal is printed in two parts that fit", () => {
  const run = madeRun([waiting]);
  const lines = (columns: number) => compareText(run, null, columns).split("\n");
  assert.equal(lines(200).filter((line) => line.startsWith("  hybrid ")).length, 1);
  const parts = lines(60).filter((line) => line.startsWith("  hybrid "));
  assert.equal(parts.length, 2);
  assert.ok(parts.every(({ length }) => length <= 60) && parts[1]!.endsWith("best *"));
});

test("what was measured alone is the best of nothing, and the advice says so", () => {
  const run = madeRun([{ ...waiting, most: { async: [600, 610, 620] } }]);
  const text = compareText(run, advise(run));
  assert.match(text, /async alone was measured: there is nothing to hold it against\./);
  assert.doesNotMatch(text, /best/);
});

test("a path that computes gets a sync lane when something else is on the loops, in the pattern of its route", () => {
  const advice = advise(madeRun([waiting, { ...computing, path: "/report/42?deep=1" }]));
  assert.equal(advice?.model, "hybrid");
  assert.deepEqual(advice?.lanes, [{ match: "/report/:id", model: "sync", workers: 2 }]);
  assert.deepEqual(advice?.config, { model: "hybrid", lanes: advice?.lanes });
});

test("when everything computes there is no lane, and the default stays unless something beats it", () => {
  const advice = advise(madeRun([{ ...computing, most: { ...computing.most, auto: [98, 100, 101] } }]));
  assert.equal(advice?.model, "auto");
  assert.deepEqual(advice?.config, {});
  assert.ok(advice?.reasons.some((reason) => reason.includes("no model answers more of it than the cores can do")));
});

test("a path that waits and blocks the loop is kept off it, though it computes nothing", () => {
  const blocking: MadePath = {
    path: "/exec",
    wallMs: 50,
    cpuMs: 0.5,
    most: { "sync-threads": [99, 100, 100], async: [20, 20, 20], hybrid: [40, 40, 40] },
  };
  const advice = advise(madeRun([waiting, blocking]));
  assert.deepEqual(advice?.lanes, [{ match: "/exec", model: "sync", workers: 5 }]);
});

test("a path that the best model can't answer gets a lane of a model that can", () => {
  const nearby: MadePath = {
    path: "/nearby",
    wallMs: 100,
    cpuMs: 1,
    most: { "sync-threads": [50, 50, 50], greenlet: [900, 900, 900] },
    statuses: { async: 501, hybrid: 501 },
  };
  const plain = { ...waiting, most: { ...waiting.most, greenlet: [300, 300, 300] } };
  const advice = advise(madeRun([plain, { ...plain, path: "/other" }, { ...plain, path: "/third" }, nearby]));
  assert.equal(advice?.model, "greenlet", "a model that answers every path comes before one that does not");
  const [, , , verdict] = verdicts(
    madeRun([plain, { ...plain, path: "/other" }, { ...plain, path: "/third" }, nearby]),
  );
  assert.deepEqual(verdict?.excluded, ["async answers 501.", "hybrid answers 501."]);
});

test("the times for plan are even quantiles of the requests that were alone, with their CPU time", () => {
  const [service] = servicesIn(madeRun([waiting]));
  assert.equal(service?.quantilesMs.length, 100);
  assert.equal(service?.cpuMs, 1);
  const mean = service!.quantilesMs.reduce((sum, each) => sum + each, 0) / 100;
  assert.ok(Math.abs(mean - 100) < 1, `${mean}`);
});

test("what a server does by itself is not taken for the CPU time of the few requests of one client", () => {
  const run = madeRun([waiting]);
  const measurements = run.measurements.map((each) => {
    const { arrivals } = each.stream;
    return { ...each, cpuMs: arrivals.kind === "closed" && arrivals.clients === 1 ? 4.2 : 0.9 };
  });
  assert.equal(verdicts({ ...run, measurements })[0]?.cpuMs, 0.9);
  assert.equal(servicesIn({ ...run, measurements })[0]?.cpuMs, 0.9);
});

test("the best of the few models that had their turn before the time was over is no advice", () => {
  const run = madeRun([waiting]);
  const unseen = run.variants.map((report, index) => (index < 3 ? { ...report, probes: [] } : report));
  const measurements = run.measurements.filter(({ variant }) => variant === "greenlet");
  assert.equal(advise({ ...run, variants: unseen, measurements }), null);
});

test("nothing measured means no advice", () => {
  assert.equal(advise(madeRun([{ path: "/", wallMs: 1, cpuMs: 1, most: {}, statuses: { async: 500 } }])), null);
});
