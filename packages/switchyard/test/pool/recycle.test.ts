import assert from "node:assert/strict";
import { test } from "node:test";
import { shareOf, whyDue } from "../../src/pool/recycle.ts";

const unused = { requests: 0, ageMs: 0, rssBytes: 0, heapBytes: 0 };
const unlimited = { maxRequests: 0, maxLifetimeMs: 0, memoryLimitBytes: 0, heapLimitBytes: 0 };

test("without a limit nothing is ever due", () => {
  const much = { requests: 1e9, ageMs: 1e12, rssBytes: 1e12, heapBytes: 1e12 };
  assert.equal(whyDue(much, unlimited, 0.8), null);
});

test("a worker is due at its own share of the limit, and the reason names what it had and what it may have", () => {
  const limits = { ...unlimited, maxRequests: 1000, maxLifetimeMs: 60_000 };
  assert.equal(whyDue({ ...unused, requests: 899 }, limits, 0.9), null);
  assert.match(whyDue({ ...unused, requests: 900 }, limits, 0.9)!, /900 requests, and maxRequests is 1000/);
  assert.equal(whyDue({ ...unused, ageMs: 53_999 }, limits, 0.9), null);
  assert.match(whyDue({ ...unused, ageMs: 54_000 }, limits, 0.9)!, /54 s, and maxLifetimeMs is 60000/);
});

test("memory is due above the limit itself", () => {
  const mib = 1024 ** 2;
  const limits = { ...unlimited, memoryLimitBytes: 100 * mib, heapLimitBytes: 50 * mib };
  assert.equal(whyDue({ ...unused, rssBytes: 100 * mib, heapBytes: 50 * mib }, limits, 0.8), null);
  assert.match(whyDue({ ...unused, rssBytes: 101 * mib }, limits, 1)!, /101 MiB of memory/);
  assert.match(whyDue({ ...unused, heapBytes: 51 * mib }, limits, 1)!, /heap holds 51 MiB/);
});

test("shares spread over a fifth below the limit", () => {
  assert.deepEqual([0, 0.5, 1].map(shareOf), [1, 0.9, 0.8]);
});
