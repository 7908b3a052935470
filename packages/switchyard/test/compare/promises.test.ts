// What the advice promises, from what was measured with all paths at once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { latencyQuantiles } from "../../src/compare/load/orders.ts";
import { gainsIn, promisesIn } from "../../src/compare/mixed.ts";
import type { MixedLoad, MixedName, MixedStretch } from "../../src/compare/run.ts";

/** One path under one config: answers in a second, a figure for each round. */
function load(name: MixedName, atStart: readonly number[], later: readonly number[]): MixedLoad {
  const arrivals = { kind: "closed", clients: 8 } as const;
  const stretch = (perSecond: number): MixedStretch => ({
    lengthMs: 1_000,
    othersCpus: 0,
    streams: [
      {
        ...{ path: "/wait", arrivals, answered: perSecond, statuses: { 200: perSecond }, broken: 0, unanswered: 0 },
        ...{ bytes: 0, meanMs: 10, quantilesMs: latencyQuantiles.map(() => 10) },
      },
    ],
  });
  return {
    ...{ name, config: {}, failure: null, streams: [{ path: "/wait", arrivals }], expected: [200] },
    atStart: atStart.map(stretch),
    later: later.map(stretch),
  };
}

function promised(...mixed: readonly MixedLoad[]): string[] {
  return promisesIn(gainsIn({ mixed }), { model: "hybrid" });
}

test("rounds that agree promise their median, and that the default makes up for it later is said", () => {
  assert.deepEqual(promised(load("default", [40, 41, 42], [80, 80, 80]), load("advised", [80, 80, 80], [80, 81, 82])), [
    "/wait answers 2.0 times (1.9 to 2.0 in 3 rounds) as many requests as under the default in the first 1 s after a start.",
    "After that, no difference from the default that this run can tell.",
  ]);
});

test("rounds that are far apart promise what lies between them, and not the one in the middle", () => {
  const [first] = promised(load("default", [12, 14, 60], [80, 80, 80]), load("advised", [80, 80, 80], [80, 80, 80]));
  assert.equal(
    first,
    "/wait answers between 1.3 and 6.7 times (3 rounds) as many requests as under the default in the first 1 s after a start.",
  );
});

test("where there was no time for what comes after the start, it is said that a lasting difference was not measured", () => {
  assert.deepEqual(promised(load("default", [20], []), load("advised", [80], [])), [
    "/wait answers 4.0 times (one round) as many requests as under the default in the first 1 s after a start.",
    "Whether that lasts was not measured: the default finds lanes by itself once it has seen enough.",
  ]);
});

test("without lanes nothing learns, so that it is held against what comes later alone", () => {
  const sentences = promised(
    load("default", [80, 80, 80], [80, 80, 80]),
    load("without lanes", [10, 10, 10], [20, 20, 20]),
    load("advised", [80, 80, 80], [80, 80, 80]),
  );
  assert.deepEqual(sentences, [
    "/wait answers 4.0 times (4.0 to 4.0 in 3 rounds) as many requests as under hybrid without a lane.",
    "No difference that this run can tell between the default and what is advised.",
  ]);
});
