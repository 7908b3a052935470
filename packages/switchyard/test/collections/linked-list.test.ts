import assert from "node:assert/strict";
import { test } from "node:test";
import { LinkedList, type Listed } from "../../src/collections/linked-list.ts";

interface Named extends Listed {
  readonly name: string;
}

const named = (...names: string[]): Named[] => names.map((name) => ({ name }));
const namesOf = (list: LinkedList<Named>) => [...list].map(({ name }) => name).join("");

test("things are in the order in which they were added, and any can be taken out", () => {
  const list = new LinkedList<Named>();
  const [a, b, c, d] = named("a", "b", "c", "d");
  for (const thing of [a!, b!, c!]) list.add(thing);
  list.insert(d!, b!);
  assert.equal(namesOf(list), "adbc");
  assert.deepEqual([list.first, list.last, list.length], [a, c, 4]);
  assert.deepEqual([list.before(a!), list.after(a!), list.before(b!), list.after(c!)], [null, d, d, null]);

  assert.ok(list.remove(b!));
  assert.ok(!list.remove(b!));
  assert.ok(list.remove(c!));
  assert.ok(list.remove(a!));
  assert.equal(namesOf(list), "d");
  assert.deepEqual([list.first, list.last, list.length], [d, d, 1]);

  assert.ok(list.remove(d!));
  assert.deepEqual([list.first, list.last, list.length], [null, null, 0]);
  list.add(b!);
  assert.equal(namesOf(list), "b");
});

test("what is at hand may be taken out while the list is gone through", () => {
  const list = new LinkedList<Named>();
  for (const thing of named("a", "b", "c")) list.add(thing);
  const seen: string[] = [];
  for (const thing of list) {
    seen.push(thing.name);
    list.remove(thing);
  }
  assert.deepEqual(seen, ["a", "b", "c"]);
  assert.equal(list.length, 0);
});
