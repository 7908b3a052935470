// Which trace a request belongs to, and which requests are sampled.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSampled, parentOf } from "../../src/tracing/context.ts";
import { readTracing } from "../../src/tracing/settings.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";

test("a traceparent names the parent, in later versions too", () => {
  assert.deepEqual(parentOf(`00-${traceId}-${spanId}-01`), { traceId, spanId, isSampled: true });
  assert.deepEqual(parentOf(`00-${traceId}-${spanId}-02`), { traceId, spanId, isSampled: false });
  assert.deepEqual(parentOf(`cc-${traceId}-${spanId}-03-more`), { traceId, spanId, isSampled: true });
});

test("what is no traceparent names nobody", () => {
  for (const text of [
    undefined,
    "",
    "nonsense",
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    // Sent twice.
    `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`,
  ]) {
    assert.equal(parentOf(text), null, String(text));
  }
});

test("samplers by ratio go by the trace's number, those by parent by the parent's flag", () => {
  const low = `${"f".repeat(16)}${"0".repeat(15)}1`;
  const high = "f".repeat(32);
  const half = { name: "traceidratio", ratio: 0.5 } as const;
  assert.equal(isSampled(half, low, null), true);
  assert.equal(isSampled(half, high, null), false);
  assert.equal(isSampled({ ...half, ratio: 1 }, high, null), true);
  assert.equal(isSampled({ ...half, ratio: 0 }, low, null), false);
  for (const flag of [true, false]) {
    const parent = { traceId: high, spanId, isSampled: flag };
    assert.equal(isSampled({ ...half, name: "parentbased_traceidratio" }, high, parent), flag);
    assert.equal(isSampled({ ...half, name: "always_on" }, high, parent), true);
    assert.equal(isSampled({ ...half, name: "always_off" }, high, parent), false);
  }
});

test("the address for traces is used as it is, before the one for all signals, and so are its headers", () => {
  const all = {
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://a.invalid/otlp/",
    OTEL_EXPORTER_OTLP_HEADERS: "a=1, b = x%2Cy ,c",
  };
  const { settings } = readTracing(all);
  assert.equal(settings?.url.href, "http://a.invalid/otlp/v1/traces");
  assert.deepEqual(settings?.headers, { a: "1", b: "x,y" });
  const own = readTracing({
    ...all,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://b.invalid/here",
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: "d=2",
  });
  assert.equal(own.settings?.url.href, "https://b.invalid/here");
  assert.deepEqual(own.settings?.headers, { d: "2" });
});

test("a number that makes no sense is warned of, and its default taken", () => {
  const { settings, warnings } = readTracing({
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://a.invalid",
    OTEL_BSP_MAX_QUEUE_SIZE: "-1",
    OTEL_BSP_SCHEDULE_DELAY: "soon",
    OTEL_TRACES_SAMPLER: "sometimes",
  });
  assert.equal(warnings.length, 3);
  assert.equal(settings?.queueLimit, 2048);
  assert.equal(settings?.delayMs, 5_000);
  assert.equal(settings?.sampler.name, "parentbased_always_on");
});
