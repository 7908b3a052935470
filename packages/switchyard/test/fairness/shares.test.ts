import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionShares, type ShareOrder } from "../../src/pool/connection-shares.ts";

interface Told {
  readonly loop: number;
  readonly order: ShareOrder;
}

/** Shares over loops 1 to `count`, and what they were told. The first questions are over. */
function sharesOver(count: number): { shares: ConnectionShares; told: Told[] } {
  const told: Told[] = [];
  const shares = new ConnectionShares((loop, order) => told.push({ loop, order }));
  for (let id = 1; id <= count; id++) shares.add(id);
  told.length = 0;
  return { shares, told };
}

const none = { open: 0, waiting: 0, kept: 0, adopted: 0, answers: 1 };
const given = (told: Told[]) => told.filter(({ order }) => order.type === "giveConnections");
const kept = (told: Told[]) => told.filter(({ order }) => order.type === "keepConnections");

test("what one loop has too many is given to those that answer, and it keeps an even share", (t) => {
  const { shares, told } = sharesOver(4);
  t.after(() => shares.close());
  shares.told(1, { ...none, open: 64, waiting: 61, answers: 0 });
  assert.deepEqual(
    told.map(({ loop, order }) => [loop, order.type]),
    [2, 3, 4].map((loop) => [loop, "tellConnections"]),
  );
  for (const id of [2, 3, 4]) shares.told(id, none);
  assert.deepEqual(
    given(told).map(({ order }) => order),
    [2, 3, 4].map((to) => ({ type: "giveConnections", to, count: 16 })),
  );
  assert.deepEqual(kept(told), [{ loop: 1, order: { type: "keepConnections", count: 13, fewest: 16 } }]);
});

test("an answer from before the question is none: that loop may be blocked since", (t) => {
  const { shares, told } = sharesOver(2);
  t.after(() => shares.close());
  shares.told(1, { ...none, open: 10, waiting: 7, answers: 0 });
  shares.told(2, { ...none, answers: 0 });
  assert.deepEqual(given(told), []);
  shares.told(2, none);
  assert.equal(given(told).length, 1);
});

test("a connection on its way to a loop is counted as that loop's", (t) => {
  const { shares, told } = sharesOver(2);
  t.after(() => shares.close());
  shares.told(1, { ...none, open: 20, waiting: 17, answers: 0 });
  shares.told(2, none);
  assert.deepEqual(given(told)[0]?.order, { type: "giveConnections", to: 2, count: 10 });
  told.length = 0;
  for (let i = 0; i < 10; i++) assert.equal(shares.handedOver(1, 2, true), 2);
  // It has adopted none of them yet.
  shares.told(1, { ...none, open: 12, waiting: 2, kept: 7, answers: 0 });
  shares.told(2, { ...none, answers: 2 });
  assert.deepEqual(given(told)[0]?.order, { type: "giveConnections", to: 2, count: 1 });
});

test("a loop that has ended gets nothing: what was meant for it goes to the one with the fewest, or to nobody", (t) => {
  const { shares } = sharesOver(3);
  t.after(() => shares.close());
  shares.told(1, { ...none, open: 30, waiting: 27, answers: 0 });
  shares.told(2, none);
  shares.remove(2);
  assert.equal(shares.handedOver(1, 2, true), 3);
  assert.equal(shares.handedOver(1, 2, false), null);
  shares.remove(1);
  shares.remove(3);
  assert.equal(shares.handedOver(1, 2, true), null);
});

test("a loop that is the only one is asked nothing, and keeps all when it says that it has too many", (t) => {
  const { shares, told } = sharesOver(1);
  t.after(() => shares.close());
  assert.deepEqual(told, []);
  shares.told(1, { ...none, open: 9, waiting: 6, answers: 0 });
  assert.deepEqual(kept(told), [{ loop: 1, order: { type: "keepConnections", count: 6, fewest: 9 } }]);
});
