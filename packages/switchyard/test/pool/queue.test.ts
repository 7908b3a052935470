import assert from "node:assert/strict";
import { test } from "node:test";
import type { Listed } from "../../src/collections/linked-list.ts";
import { Queue } from "../../src/pool/queue.ts";

interface Named extends Listed {
  readonly name: string;
}

const named = (...names: string[]): Named[] => names.map((name) => ({ name }));

/** The names of all that are taken until none is left. */
function takeAll(queue: Queue<Named>): string[] {
  const names: string[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) names.push(next.name);
  return names;
}

test("a queue gives requests back in the order in which they came", () => {
  const queue = new Queue<Named>(3);
  for (const request of named("a", "b", "c")) assert.ok(queue.offer(request));
  assert.equal(queue.peek()?.name, "a");
  assert.deepEqual(takeAll(queue), ["a", "b", "c"]);
  assert.equal(queue.take(), undefined);
});

test("a queue at its limit refuses, and keeps what it has", () => {
  const queue = new Queue<Named>(2);
  const [a, b, c] = named("a", "b", "c");
  assert.deepEqual([queue.offer(a!), queue.offer(b!), queue.offer(c!)], [true, true, false]);
  assert.equal(queue.length, 2);
  queue.take();
  assert.ok(queue.offer(c!));
  assert.deepEqual(takeAll(queue), ["b", "c"]);
});

test("a queue with no room refuses everything", () => {
  const queue = new Queue<Named>(0);
  assert.ok(!queue.offer({ name: "a" }));
  assert.equal(queue.take(), undefined);
  assert.equal(queue.peek(), undefined);
});

test("one that is removed out of turn is never taken, makes room, and is removed once", () => {
  const queue = new Queue<Named>(3);
  const [a, b, c, d] = named("a", "b", "c", "d");
  for (const request of [a!, b!, c!]) queue.offer(request);
  assert.ok(queue.remove(b!));
  assert.ok(!queue.remove(b!));
  assert.ok(queue.offer(d!));
  assert.deepEqual(takeAll(queue), ["a", "c", "d"]);
  assert.ok(!queue.remove(a!));
});

test("one that is put back has its place by when it came, though the queue is full", () => {
  const queue = new Queue<Named>(2);
  const [a, b, c, d] = named("a", "b", "c", "d");
  const isBefore = (one: Named, other: Named) => one.name < other.name;
  for (const request of [b!, d!]) queue.offer(request);
  queue.putBack(c!, isBefore);
  queue.putBack(a!, isBefore);
  assert.equal(queue.length, 4);
  assert.equal(queue.takeNewest()?.name, "d");
  assert.deepEqual(takeAll(queue), ["a", "b", "c"]);
});
