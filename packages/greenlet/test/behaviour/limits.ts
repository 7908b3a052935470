import assert from "node:assert/strict";
import { test } from "node:test";
import { hub, spawn, spawnNow, wait } from "../../src/index.ts";

test("one greenlet more than hub.maxGreenlets is refused with a typed error, and room is made by one that ends", async (t) => {
  const original = hub.maxGreenlets;
  t.after(() => {
    hub.maxGreenlets = original;
  });
  hub.maxGreenlets = 3;
  const { promise, resolve } = Promise.withResolvers<void>();
  const holders = [spawn(() => wait(promise)), spawnNow(() => wait(promise)), spawnNow(() => wait(promise))];
  assert.throws(() => spawn(() => 1), {
    name: "GreenletError",
    code: "ERR_TOO_MANY_GREENLETS",
    message: /3 greenlets are alive/,
  });
  assert.throws(() => spawnNow(() => 1), { code: "ERR_TOO_MANY_GREENLETS" });
  assert.equal(hub.stats().live, 3);
  resolve();
  await Promise.all(holders);
  assert.equal(hub.stats().live, 0);
  assert.equal(await spawn(() => 1), 1);
});

test("hub.maxGreenlets takes whole numbers only, and never more than the machine bears", () => {
  const original = hub.maxGreenlets;
  for (const wrong of [0, -1, 1.5, Number.NaN]) {
    assert.throws(
      () => {
        hub.maxGreenlets = wrong;
      },
      { code: "ERR_INVALID_ARGUMENT" },
    );
  }
  hub.maxGreenlets = 10_000_000;
  assert.ok(hub.maxGreenlets <= (hub.backend === "impersonation-light" ? 150_000 : 16_000));
  hub.maxGreenlets = original;
});

test("the backend and its reason are visible", () => {
  const wish = process.env.SWITCHYARD_GREENLET_BACKEND;
  if (wish !== undefined) assert.equal(hub.backend, wish);
  assert.match(hub.backend, /^(impersonation|impersonation-light|handoff)$/);
  assert.ok(hub.backendReason.length > 0);
});
