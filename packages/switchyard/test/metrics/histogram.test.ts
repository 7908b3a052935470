import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boundsMs,
  countOf,
  emptyHistogram,
  Histogram,
  quantileMs,
  since,
  sumOfHistograms,
} from "../../src/metrics/histogram.ts";

test("bounds grow, and each is less than double the one before", () => {
  for (const [index, bound] of boundsMs.entries()) {
    const before = boundsMs[index - 1];
    if (before !== undefined) assert.ok(bound > before && bound < 2 * before, `${before} ${bound}`);
  }
});

test("a length is in the bucket whose bound is the first that it does not exceed", () => {
  for (const [index, bound] of boundsMs.entries()) {
    const histogram = new Histogram();
    histogram.record(bound);
    histogram.record(bound + 1e-9);
    const { counts } = histogram.data();
    assert.equal(counts[index], 1, `${bound}`);
    assert.equal(counts[index + 1], 1, `${bound}`);
  }
});

test("a quantile is off by less than half, wherever the lengths lie", () => {
  for (const scale of [0.2, 3, 44, 610, 9_000]) {
    const histogram = new Histogram();
    const lengths = Array.from({ length: 1_000 }, (_, index) => scale * (1 + index / 1_000));
    for (const length of lengths) histogram.record(length);
    for (const share of [0.5, 0.9, 0.99]) {
      const truth = lengths[share * 1_000 - 1]!;
      const read = quantileMs(histogram.data(), share)!;
      assert.ok(read > truth / 1.5 && read < truth * 1.5, `p${share * 100} of ${scale}: ${read}, not ${truth}`);
    }
  }
});

test("nothing recorded has no quantile, and what is beyond the last bound is said to be as long as that", () => {
  assert.equal(quantileMs(emptyHistogram, 0.5), null);
  const histogram = new Histogram();
  histogram.record(1e9);
  assert.equal(quantileMs(histogram.data(), 0.99), boundsMs.at(-1));
});

test("histograms add up, and what was recorded since a moment can be told", () => {
  const [one, other] = [new Histogram(), new Histogram()];
  one.record(1);
  other.record(10);
  other.record(100);
  const both = sumOfHistograms([one.data(), other.data()]);
  assert.equal(countOf(both), 3);
  assert.equal(both.sumMs, 111);

  const before = one.data();
  one.record(50);
  assert.equal(countOf(since(one.data(), before)), 1);
  assert.equal(since(one.data(), before).sumMs, 50);
});
