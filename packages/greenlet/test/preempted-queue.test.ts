// Who goes on when, of the greenlets whose slice was over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { PreemptedQueue } from "../src/preempted-queue.ts";

test("one goes on in each turn of the event loop, in order", async () => {
  const log: string[] = [];
  const queue = new PreemptedQueue<string>((name) => {
    log.push(name);
    if (name === "hog" && log.length < 3) queue.add(name);
  });
  queue.add("hog");
  queue.add("other");
  await nextTurn();
  assert.deepEqual(log, [], "both had their slice in this turn");
  for (const expected of [["hog"], ["hog", "other"], ["hog", "other", "hog"]]) {
    await nextTurn();
    assert.deepEqual(log, expected);
  }
  assert.equal(queue.size, 0);
});

test("nobody goes on in a turn in which another has started to hog, but those who wait do so at last", async () => {
  const log: string[] = [];
  const queue = new PreemptedQueue<string>((name) => log.push(name));
  queue.add("first");
  let turns = 0;
  for (; log.length === 0; turns++) {
    await nextTurn();
    queue.add(`newcomer ${turns}`);
  }
  assert.deepEqual(log, ["first"]);
  assert.equal(turns, 5);
});
