// The calculations of plan, against values that are known: Erlang's tables, and each other.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chanceToWait, latencyQuantileMs, meanWaitMs, waitQuantileMs } from "../../src/plan/erlang.ts";
import { type Policy, policies, simulateFleet } from "../../src/plan/machines.ts";
import { type Answer, type PlanRequest, plan, planAt } from "../../src/plan/plan.ts";
import { measuredServices, serviceQuantileMs, servicesOf } from "../../src/plan/service.ts";
import { type SimulatedServer, simulate } from "../../src/plan/simulate.ts";

function assertNear(actual: number, expected: number, ratio: number): void {
  assert.ok(Math.abs(actual - expected) <= ratio * Math.abs(expected), `${actual} is not near ${expected}`);
}

function serverWith(parts: Partial<SimulatedServer>): SimulatedServer {
  return {
    workers: { kind: "sync", count: 4 },
    cpus: 64,
    connections: null,
    service: servicesOf({ meanMs: 100, cpuMs: null, spread: 1 }),
    ...parts,
  };
}

function run(parts: Partial<SimulatedServer>, perSecond: number) {
  return simulate({ server: serverWith(parts), perSecond, requests: 400_000, quantile: 0.99, seed: 7 });
}

test("Erlang's formula gives the values of his tables", () => {
  // One worker, half busy: half of the requests wait, and as long as one takes (M/M/1).
  const one = { workers: 1, perSecond: 5, meanMs: 100 };
  assertNear(chanceToWait(one), 0.5, 1e-12);
  assertNear(meanWaitMs(one), 100, 1e-12);
  // Its latency is exponential, with a mean of 200 ms.
  assertNear(latencyQuantileMs(one, 0.99), -Math.log(0.01) * 200, 1e-6);
  // 4 erlangs at 6 workers, and 8 at 10, from published tables of Erlang C.
  assertNear(chanceToWait({ workers: 6, perSecond: 40, meanMs: 100 }), 0.2848, 1e-3);
  assertNear(chanceToWait({ workers: 10, perSecond: 80, meanMs: 100 }), 0.4092, 1e-3);
  assertNear(chanceToWait({ workers: 2, perSecond: 10, meanMs: 100 }), 1 / 3, 1e-12);
  assertNear(chanceToWait({ workers: 3, perSecond: 20, meanMs: 100 }), 4 / 9, 1e-12);
  assertNear(chanceToWait({ workers: 5, perSecond: 40, meanMs: 100 }), 128 / 231, 1e-12);
  assert.equal(waitQuantileMs(one, 0.4), 0);
});

test("Erlang's formula is exact for a thousand workers too, where its powers and factorials are too large for a number", () => {
  for (const [workers, load] of [
    [50, 45],
    [200, 190],
    [1_000, 980],
  ] as const) {
    assertNear(chanceToWait({ workers, perSecond: load, meanMs: 1_000 }), exactChance(workers, load), 1e-9);
  }
});

/** The textbook's sum, a^n/n! · n/(n-a) over that and all a^k/k! with k < n, in whole numbers: each term times n!. */
function exactChance(workers: number, load: number): number {
  const [n, a] = [BigInt(workers), BigInt(load)];
  // n!/k! · a^k, from k = 0 on.
  let term = 1n;
  for (let k = 1n; k <= n; k++) term *= k;
  let sum = 0n;
  for (let k = 0n; k < n; k++) {
    sum += term;
    term = (term * a) / (k + 1n);
  }
  const last = (term * n) / (n - a);
  return Number((last * 10n ** 18n) / (sum + last)) / 1e18;
}

test("a load over capacity waits for ever, and the formula says so", () => {
  const over = { workers: 2, perSecond: 20, meanMs: 100 };
  assert.equal(chanceToWait(over), 1);
  assert.equal(meanWaitMs(over), Number.POSITIVE_INFINITY);
  assert.equal(latencyQuantileMs(over, 0.5), Number.POSITIVE_INFINITY);
});

test("the simulation agrees with Erlang's formula where that is exact", () => {
  for (const [workers, perSecond] of [
    [1, 7],
    [4, 32],
    [16, 130],
  ] as const) {
    const seen = run({ workers: { kind: "sync", count: workers } }, perSecond);
    const exact = { workers, perSecond, meanMs: 100 };
    assertNear(seen.chanceToWait, chanceToWait(exact), 0.03);
    assertNear(seen.meanWaitMs, meanWaitMs(exact), 0.06);
    assertNear(seen.latencyMs, latencyQuantileMs(exact, 0.99), 0.06);
  }
});

test("the simulation agrees with the formula of Pollaczek and Khinchine for one worker and any spread", () => {
  for (const spread of [0, 0.5, 2]) {
    const seen = run(
      { workers: { kind: "sync", count: 1 }, service: servicesOf({ meanMs: 100, cpuMs: null, spread }) },
      7,
    );
    assertNear(seen.meanWaitMs, ((0.7 / 0.3) * 100 * (1 + spread * spread)) / 2, spread > 1 ? 0.2 : 0.05);
  }
});

test("a simulation with the same seed gives the same result, and with another one a different one", () => {
  const options = { server: serverWith({}), perSecond: 30, requests: 20_000, quantile: 0.9 };
  assert.deepEqual(simulate({ ...options, seed: 3 }), simulate({ ...options, seed: 3 }));
  assert.notDeepEqual(simulate({ ...options, seed: 3 }), simulate({ ...options, seed: 4 }));
});

test("a loop is held for the CPU time alone: waiting requests do not hold each other up", () => {
  const service = servicesOf({ meanMs: 100, cpuMs: 2, spread: 0 });
  const loop = run({ workers: { kind: "loop", count: 1 }, service }, 100);
  // One worker that is held for 2 ms, a fifth busy, all alike (M/D/1): 0.25 ms.
  assertNear(loop.meanWaitMs, 0.25, 0.05);
  assertNear(loop.meanLatencyMs, 100.25, 0.01);
});

test("CPUs are a limit of their own: more workers than CPUs wait for one", () => {
  const service = servicesOf({ meanMs: 10, cpuMs: 10, spread: 1 });
  const seen = run({ workers: { kind: "sync", count: 50 }, cpus: 2, service }, 160);
  assertNear(seen.meanWaitMs, meanWaitMs({ workers: 2, perSecond: 160, meanMs: 10 }), 0.06);
});

test("a cap on connections is felt under every model", () => {
  const service = servicesOf({ meanMs: 50, cpuMs: 0.01, spread: 1 });
  const connections = { limit: 10, holdMs: 49.99 };
  const expected = meanWaitMs({ workers: 10, perSecond: 160, meanMs: 50 });
  for (const kind of ["sync", "loop"] as const) {
    const workers = { kind, count: kind === "sync" ? 200 : 4 };
    assertNear(run({ workers, connections, service }, 160).meanWaitMs, expected, 0.08);
  }
});

test("quantiles of the service times are those of their distribution", () => {
  assertNear(serviceQuantileMs(servicesOf({ meanMs: 10, cpuMs: null, spread: 1 }), 0.99), 46.05, 1e-3);
  // Log-normal with mean 10 and spread 1.31: its median is 10 / sqrt(1 + 1.31²).
  const wide = servicesOf({ meanMs: 10, cpuMs: null, spread: 1.31 });
  assertNear(serviceQuantileMs(wide, 0.5), 10 / Math.sqrt(1 + 1.31 ** 2), 1e-5);
  assert.equal(serviceQuantileMs(measuredServices([5, 1, 3, 2, 4], null), 0.5), 3);
});

const request: PlanRequest = {
  perSecond: 200,
  objective: { quantile: 0.99, latencyMs: 300 },
  service: servicesOf({ meanMs: 40, cpuMs: 2, spread: 1 }),
  cpus: 4,
  connections: null,
  models: ["sync", "async", "hybrid", "greenlet"],
  seed: 1,
};

function answersOf(given: PlanRequest): Record<string, Answer> {
  return Object.fromEntries(plan(given).answers.map(({ model, answer }) => [model, answer]));
}

test("a plan gives the fewest workers that keep the objective: one fewer does not", () => {
  const known = { ...request, service: servicesOf({ meanMs: 40, cpuMs: null, spread: 1 }) };
  const { sync } = answersOf(known);
  assert.ok(sync?.is === "kept");
  const { workers, method } = sync.forecast;
  assert.equal(method, "Erlang C");
  const p99 = (count: number) => latencyQuantileMs({ workers: count, perSecond: 200, meanMs: 40 }, 0.99);
  assert.ok(p99(workers) <= 300 && p99(workers - 1) > 300);
});

test("at ten times the load the plan says what can't be done any more, and why", () => {
  const answers = plan({ ...request, connections: { limit: 40, holdMs: 30 } });
  assert.ok(answers.answers.every(({ answer }) => answer.is === "kept"));
  const { answers: later } = planAt({ ...request, connections: { limit: 40, holdMs: 30 } }, 10);
  for (const { model, answer } of later) {
    assert.ok(answer.is === "impossible", model);
    assert.match(answer.why, model === "async" ? /one event loop can do 500/ : /40 database connections.*1,333/);
  }
});

test("an objective below the requests' own time is missed by every model, and the plan says that workers can't help", () => {
  const { sync, hybrid } = answersOf({ ...request, objective: { quantile: 0.99, latencyMs: 100 } });
  for (const answer of [sync, hybrid]) {
    assert.ok(answer?.is === "missed");
    assert.match(answer.why, /own time has a p99 of 184 ms/);
    // Not as many as there may be: the fewest that are as good as those.
    assert.ok(answer.forecast.workers < 20 && answer.forecast.outcome.latencyMs < 190);
  }
});

test("without the CPU time, loops are not planned by a guess", () => {
  const { sync, async: loop } = answersOf({ ...request, service: servicesOf({ meanMs: 40, cpuMs: null, spread: 1 }) });
  assert.equal(sync?.is, "kept");
  assert.equal(loop?.is, "unknown");
});

test("two choices are nearly as good as looking at every machine, and a random one is far worse", () => {
  const fleet = {
    machines: 100,
    workersEach: 4,
    heldShare: 1,
    service: servicesOf({ meanMs: 40, cpuMs: null, spread: 1 }),
  };
  const waitOf = (policy: Policy) =>
    simulateFleet({ fleet, policy, perSecond: 9_000, requests: 400_000, quantile: 0.99, seed: 1 }).meanWaitMs;
  const [random, roundRobin, leastBusy, twoChoices] = policies.map(waitOf) as [number, number, number, number];
  assertNear(random, meanWaitMs({ workers: 4, perSecond: 90, meanMs: 40 }), 0.1);
  assert.ok(roundRobin < random && twoChoices < roundRobin / 2 && leastBusy < twoChoices);
  // Never better than one queue for all.
  assert.ok(leastBusy >= meanWaitMs({ workers: 400, perSecond: 9_000, meanMs: 40 }) / 1.1);
});

test("a million requests a second at ten thousand machines are simulated in little memory", () => {
  const fleet = {
    machines: 10_000,
    workersEach: 5,
    heldShare: 1,
    service: servicesOf({ meanMs: 40, cpuMs: null, spread: 1 }),
  };
  const before = process.memoryUsage().rss;
  const seen = simulateFleet({ fleet, policy: "two-choices", perSecond: 1e6, requests: 1e6, quantile: 0.99, seed: 1 });
  assert.equal(seen.requests, 1e6);
  assert.ok(seen.meanWaitMs > 0 && seen.meanWaitMs < 40);
  // A number for each worker and each request in flight: a few megabytes, and not one for each request.
  assert.ok(process.memoryUsage().rss - before < 150e6);
});
