import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { IdTable, idAfter } from "../../src/collections/id-table.ts";

/** Numbers below `limit` that look random and are the same in each run (a linear congruence, modulo 2^32). */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

test("a table has what a Map would have, whatever is set and deleted in whichever order", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const draw = numbers(seed);
    const table = new IdTable<number>();
    const map = new Map<number, number>();
    // Near numbers and far ones, so that some share a place.
    const ids = Array.from({ length: 300 }, (_, index) => (index % 2 === 0 ? index + 1 : draw(2 ** 32 - 1) + 1));
    for (let step = 0; step < 5_000; step++) {
      const id = ids[draw(ids.length)]!;
      if (draw(2) === 0) {
        table.set(id, step);
        map.set(id, step);
      } else {
        assert.equal(table.delete(id), map.delete(id));
      }
      const other = ids[draw(ids.length)]!;
      assert.equal(table.get(other), map.get(other));
      assert.equal(table.has(other), map.has(other));
      assert.equal(table.size, map.size);
    }
    assert.deepEqual(table.values().sort(compare), [...map.values()].sort(compare));
    table.clear();
    assert.equal(table.size, 0);
    assert.deepEqual(table.values(), []);
    for (const id of ids) assert.ok(!table.has(id));
  }
});

test("numbers begin again after the largest that fits a signed word", () => {
  assert.equal(idAfter(0), 1);
  assert.equal(idAfter(7), 8);
  assert.equal(idAfter(2 ** 31 - 2), 2 ** 31 - 1);
  assert.equal(idAfter(2 ** 31 - 1), 1);
});

test("what has left a table is not held by it, nor what was in it when it grew", () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const table = new IdTable<object>();
  const refs: WeakRef<object>[] = [];
  const fill = () => {
    for (let id = 1; id <= 1_000; id++) {
      const value = { id };
      refs.push(new WeakRef(value));
      table.set(id, value);
    }
    for (let id = 1; id <= 1_000; id++) table.delete(id);
  };
  fill();
  // A WeakRef holds what it was made of until the job that made it is over.
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    collect();
    assert.equal(refs.filter((ref) => ref.deref() !== undefined).length, 0);
  });
});

function compare(one: number, other: number): number {
  return one - other;
}
