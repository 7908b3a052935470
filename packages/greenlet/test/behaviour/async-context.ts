// AsyncLocalStorage and async scopes: what one greenlet sets, no other code sees.

import assert from "node:assert/strict";
import { AsyncLocalStorage, AsyncResource, executionAsyncId } from "node:async_hooks";
import { test } from "node:test";
import { setImmediate as immediately } from "node:timers/promises";
import { sleep, spawn, spawnNow, wait } from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";

const storage = new AsyncLocalStorage<string>();

test("a greenlet starts with its spawner's store and keeps it across waits", async () => {
  const greenlet = storage.run("spawner's", () =>
    spawn(() => {
      const before = storage.getStore();
      sleep();
      return [before, storage.getStore()];
    }),
  );
  assert.equal(storage.getStore(), undefined);
  assert.deepEqual(await greenlet, ["spawner's", "spawner's"]);
});

test("a store set by run() in a parked greenlet is seen by nobody else", async () => {
  const seen: unknown[] = [];
  const greenlet = spawnNow(() =>
    storage.run("inner", () => {
      sleep();
      seen.push(storage.getStore());
      sleep();
      return storage.getStore();
    }),
  );
  seen.push(storage.getStore());
  setImmediate(() => seen.push(storage.getStore()));
  await immediately();
  const other = spawnNow(() => storage.getStore());
  assert.equal(await other, undefined);
  assert.equal(await greenlet, "inner");
  assert.deepEqual(
    seen.filter((store) => store !== "inner"),
    [undefined, undefined],
  );
});

test("a store set by enterWith() stays inside the greenlet and ends with it", async () => {
  const greenlet = spawnNow(() => {
    storage.enterWith("entered");
    sleep();
    return storage.getStore();
  });
  assert.equal(storage.getStore(), undefined);
  assert.equal(await greenlet, "entered");
  assert.equal(await spawnNow(() => storage.getStore()), undefined);
  assert.equal(storage.getStore(), undefined);
});

test("after run() has returned, its store is gone, though the greenlet waited inside", async () => {
  const stores = await spawn(() => {
    storage.run("for a while", () => sleep());
    return [storage.getStore(), (sleep(), storage.getStore())];
  });
  assert.deepEqual(stores, [undefined, undefined]);
});

test("a hundred greenlets with a store each never see another's", async () => {
  const greenlets = Array.from({ length: 100 }, (_, i) =>
    storage.run(`store ${i}`, () =>
      spawn(() => {
        for (let round = 0; round < 10; round++) {
          if (round % 2 === 0) sleep();
          else wait(immediately());
          assert.equal(storage.getStore(), `store ${i}`);
        }
      }),
    ),
  );
  await Promise.all(greenlets);
});

test("promises and timers that a greenlet starts after a wait carry its store", async () => {
  const store = await storage.run("carried", () =>
    spawn(() => {
      sleep();
      return wait(new Promise((resolve) => setTimeout(() => resolve(storage.getStore()), 1)));
    }),
  );
  assert.equal(store, "carried");
});

test("a greenlet has one async id from start to end, and its spawner's is untouched", async () => {
  const before = executionAsyncId();
  const greenlet = spawnNow(() => {
    const id = executionAsyncId();
    sleep();
    return [id, executionAsyncId()];
  });
  assert.equal(executionAsyncId(), before);
  const [id, idAfterWait] = await greenlet;
  assert.equal(id, idAfterWait);
  assert.notEqual(id, before);
});

test("a greenlet may wait inside runInAsyncScope, nested and interleaved, and Node's async id stack stays whole", async () => {
  const inScopes = (depth: number): void => {
    if (depth === 0) {
      sleep();
      return;
    }
    const resource = new AsyncResource("TEST");
    resource.runInAsyncScope(() => {
      const id = executionAsyncId();
      inScopes(depth - 1);
      assert.equal(executionAsyncId(), id);
    });
  };
  const before = executionAsyncId();
  const greenlets = Array.from({ length: 20 }, (_, i) => spawnNow(() => inScopes(1 + (i % 4))));
  assert.equal(executionAsyncId(), before);
  await Promise.all(greenlets);
});

test("with --no-async-context-frame stores are kept apart, and a wait inside runInAsyncScope is refused", async () => {
  const ending = await runFixture("stores-on-resources.ts", { nodeArgs: ["--no-async-context-frame"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "kept apart\nERR_PINNED\n");
});

test("a store that a scavenge moves stays one object, on a greenlet's stack and beside parked ones", async () => {
  const ending = await runFixture("stores-and-scavenges.ts", { nodeArgs: ["--expose-gc"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "kept\n");
});
