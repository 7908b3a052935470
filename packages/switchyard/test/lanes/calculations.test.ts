import assert from "node:assert/strict";
import { test } from "node:test";
import type { Listed } from "../../src/collections/linked-list.ts";
import {
  packRequestHead,
  packResponseHead,
  statusOf,
  unpackRequestHead,
  unpackResponseHead,
} from "../../src/ipc/heads.ts";
import { Queue } from "../../src/pool/queue.ts";
import { shouldGrow, shouldShrink } from "../../src/pool/sizing.ts";

test("a head is the same after it was packed and unpacked, with and without headers and addresses", () => {
  const endpoint = {
    remoteAddress: "::1",
    remotePort: 1,
    remoteFamily: "IPv6",
    localAddress: "::1",
    localPort: 2,
    encrypted: true,
  };
  const none = {
    remoteAddress: undefined,
    remotePort: undefined,
    remoteFamily: undefined,
    localAddress: undefined,
    localPort: undefined,
    encrypted: false,
  };
  for (const rawHeaders of [[], ["Host", "x", "X-Empty", "", "x-empty", ""]]) {
    for (const each of [endpoint, none]) {
      const request = { method: "GET", url: "/?q", httpVersion: "1.1", rawHeaders, endpoint: each };
      assert.deepEqual(unpackRequestHead(packRequestHead(request)), request);
    }
    for (const transferEncoding of [null, "chunked"]) {
      const response = { status: 503, statusMessage: "", rawHeaders, transferEncoding, close: true };
      assert.deepEqual(unpackResponseHead(packResponseHead(response)), response);
      assert.equal(statusOf(packResponseHead(response)), 503);
    }
  }
});

test("a queue gives up its oldest, its newest, or any between, and keeps the order of the rest", () => {
  const queue = new Queue<Listed & { n: number }>(5);
  const requests = [1, 2, 3, 4, 5].map((n) => ({ n }));
  for (const request of requests) assert.ok(queue.offer(request));
  assert.ok(!queue.offer({ n: 6 }));
  assert.ok(queue.remove(requests[2]!));
  assert.ok(!queue.remove(requests[2]!));
  assert.equal(queue.takeNewest()?.n, 5);
  assert.equal(queue.take()?.n, 1);
  assert.equal(queue.peek()?.n, 2);
  const rest = [queue.take(), queue.takeNewest(), queue.take()].map((request) => request?.n);
  assert.deepEqual([...rest, queue.length], [2, 4, undefined, 0]);
});

test("a pool grows by the time that requests wait, one at a time, and never over its bounds", () => {
  const sizes = { min: 1, max: 3, workers: 2, starting: 0 };
  const late = { oldestWaitMs: 100, growAfterMs: 100 };
  assert.ok(shouldGrow(sizes, late));
  assert.ok(!shouldGrow(sizes, { ...late, oldestWaitMs: 99 }));
  assert.ok(!shouldGrow({ ...sizes, starting: 1 }, late));
  assert.ok(!shouldGrow({ ...sizes, workers: 3 }, late));

  const idle = { longestIdleMs: 50, idleMs: 50 };
  assert.ok(shouldShrink(sizes, idle));
  assert.ok(!shouldShrink(sizes, { ...idle, longestIdleMs: 49 }));
  assert.ok(!shouldShrink(sizes, { ...idle, longestIdleMs: null }));
  assert.ok(!shouldShrink({ ...sizes, workers: 1 }, idle));
  assert.ok(!shouldShrink({ ...sizes, starting: 1 }, idle));
});
