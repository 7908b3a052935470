import assert from "node:assert/strict";
import { test } from "node:test";
import { byteLength, Outstanding, Taken, windowBytes } from "../../src/ipc/credit.ts";

test("a sender has room until a window of bytes is on its way, and again when some were taken", () => {
  const outstanding = new Outstanding();
  assert.ok(outstanding.sent(windowBytes - 1));
  assert.ok(!outstanding.sent(1));
  assert.ok(!outstanding.sent(1_000));
  assert.ok(!outstanding.credited(1_000));
  assert.ok(outstanding.credited(1));
});

test("a receiver gives credit for many pieces at once, and for every byte in the end", () => {
  const taken = new Taken();
  const piece = 1_000;
  let credited = 0;
  let messages = 0;
  for (let sent = 0; sent < 1_000; sent++) {
    const credit = taken.add(piece);
    if (credit > 0) messages++;
    credited += credit;
  }
  assert.ok(messages > 0 && messages <= (1_000 * piece) / (windowBytes / 4));
  assert.ok(1_000 * piece - credited < windowBytes / 4);
});

test("what a receiver keeps back never leaves a sender that waits without credit", () => {
  const taken = new Taken();
  const outstanding = new Outstanding();
  for (let round = 0; round < 100; round++) {
    while (outstanding.sent(700));
    let hasRoom = false;
    for (let left = windowBytes; left > 0 && !hasRoom; left -= 700) {
      const credit = taken.add(700);
      if (credit > 0) hasRoom = outstanding.credited(credit);
    }
    assert.ok(hasRoom, `round ${round}`);
  }
});

test("the length of a piece is its length in bytes", () => {
  assert.equal(byteLength("é"), 2);
  assert.equal(byteLength(Buffer.from("é")), 2);
  assert.equal(byteLength(""), 0);
});
