import assert from "node:assert/strict";
import { test } from "node:test";
import { Queue } from "../../src/pool/queue.ts";

test("a queue gives requests back in the order in which they came", () => {
  const queue = new Queue<string>(3);
  for (const request of ["a", "b", "c"]) assert.ok(queue.offer(request));
  assert.equal(queue.peek(), "a");
  assert.deepEqual([queue.take(), queue.take(), queue.take(), queue.take()], ["a", "b", "c", undefined]);
});

test("a queue at its limit refuses, and keeps what it has", () => {
  const queue = new Queue<string>(2);
  assert.deepEqual([queue.offer("a"), queue.offer("b"), queue.offer("c")], [true, true, false]);
  assert.equal(queue.length, 2);
  queue.take();
  assert.ok(queue.offer("c"));
  assert.deepEqual([queue.take(), queue.take()], ["b", "c"]);
});

test("a queue with no room refuses everything", () => {
  const queue = new Queue<string>(0);
  assert.ok(!queue.offer("a"));
  assert.equal(queue.take(), undefined);
  assert.equal(queue.peek(), undefined);
});

test("one that is removed out of turn is never taken, makes room, and is removed once", () => {
  const queue = new Queue<string>(3);
  for (const request of ["a", "b", "c"]) queue.offer(request);
  assert.ok(queue.remove("b"));
  assert.ok(!queue.remove("b"));
  assert.ok(queue.offer("d"));
  assert.deepEqual([queue.take(), queue.take(), queue.take()], ["a", "c", "d"]);
  assert.ok(!queue.remove("a"));
});
