import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { current, Greenlet, greenletify, hub, inGreenlet, sleep, spawn, spawnNow, wait } from "../../src/index.ts";

test("spawn starts in the next microtask, in order", async () => {
  const order: string[] = [];
  const first = spawn(() => order.push("first"));
  const second = spawn(() => order.push("second"));
  order.push("spawner");
  await Promise.all([first, second]);
  assert.deepEqual(order, ["spawner", "first", "second"]);
});

test("spawnNow runs to the first wait before it returns", async () => {
  const order: string[] = [];
  const greenlet = spawnNow(() => {
    order.push("before the wait");
    sleep();
    order.push("after the wait");
  });
  order.push("spawner");
  assert.equal(greenlet.state, "parked");
  await greenlet;
  assert.deepEqual(order, ["before the wait", "spawner", "after the wait"]);
});

test("a greenlet passes its arguments on and has its function's value", async () => {
  const greenlet = spawn((a: number, b: string) => a + b, 1, "x");
  assert.deepEqual([greenlet.state, greenlet.ready, greenlet.value], ["pending", false, undefined]);
  assert.equal(await greenlet, "1x");
  assert.deepEqual(
    [greenlet.state, greenlet.ready, greenlet.successful, greenlet.value, greenlet.exception],
    ["done", true, true, "1x", undefined],
  );
});

test("a greenlet whose function returns a promise has the promise's value, and needs no stack for it", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const greenlet = spawnNow(() => promise);
  const idleWhileWaiting = hub.stats().idleStacks;
  assert.equal(greenlet.state, "parked");
  assert.ok(idleWhileWaiting > 0);
  resolve(7);
  assert.equal(await greenlet, 7);
});

test("current and inGreenlet tell greenlets from the main stack, also in a nested start", async () => {
  assert.equal(current(), null);
  assert.equal(inGreenlet(), false);
  const outer: Greenlet<void> = spawnNow(() => {
    assert.equal(inGreenlet(), true);
    const outerSeen = current();
    const inner = spawnNow(() => {
      const seen = current();
      sleep();
      assert.equal(current(), seen);
      return [seen];
    });
    assert.equal(current(), outerSeen);
    assert.equal(inner.get()[0], inner);
    assert.equal(current(), outerSeen);
  });
  await outer;
  assert.equal(current(), null);
});

test("an error reaches whoever awaits, gets or joins", async () => {
  const error = new RangeError("no");
  const fail = () => {
    sleep();
    throw error;
  };
  await assert.rejects(spawn(fail).promise(), (seen) => seen === error);
  await spawn(() => {
    const failing = spawn(fail);
    assert.throws(
      () => failing.get(),
      (seen) => seen === error,
    );
    const joined = spawn(fail);
    assert.equal(joined.join(), true);
    assert.deepEqual([joined.successful, joined.value, joined.exception], [false, undefined, error]);
  });
});

test("an error of a greenlet with a link is not an unhandled rejection", async (t) => {
  const unhandled: unknown[] = [];
  const collect = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", collect);
  t.after(() => process.off("unhandledRejection", collect));
  const wasSuccessful = new Promise<boolean>((resolve) =>
    spawn(() => {
      throw new Error("seen");
    }).link((greenlet) => resolve(greenlet.successful)),
  );
  assert.equal(await wasSuccessful, false);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(unhandled, []);
});

test("a greenlet whose function returns the greenlet itself fails as such a promise does", async () => {
  const greenlet: Greenlet = spawnNow(() => current());
  await assert.rejects(greenlet.promise(), TypeError);
});

test("links are called in order on the main stack, also when linked after the end, until they are taken back", async () => {
  const greenlet = spawn(() => 1);
  const calls: string[] = [];
  greenlet.link(() => calls.push(`first ${inGreenlet()}`));
  const unlink = greenlet.link(() => calls.push("never"));
  const last = new Promise<void>((resolve) => greenlet.link(() => resolve(void calls.push("last"))));
  unlink();
  await last;
  await new Promise<void>((resolve) => greenlet.link(() => resolve()));
  assert.deepEqual(calls, ["first false", "last"]);
});

test("linkValue and linkException are called for their kind of end only, and catch and finally are a promise's", async () => {
  const calls: string[] = [];
  const error = new Error("expected");
  const ends = { value: spawn(() => 1), error: spawn((): number => assert.fail(error)) };
  for (const [end, greenlet] of Object.entries(ends)) {
    greenlet.linkValue(() => calls.push(`linkValue of ${end}`));
    greenlet.linkException(() => calls.push(`linkException of ${end}`));
  }
  assert.equal(await ends.value.finally(() => calls.push("finally")), 1);
  assert.equal(await ends.error.catch((seen) => seen), error);
  await Promise.all(Object.values(ends).map((greenlet) => new Promise<void>((done) => greenlet.link(() => done()))));
  assert.deepEqual(calls.sort(), ["finally", "linkException of error", "linkValue of value"]);
});

test("a greenlet's locals are its own, and not inherited", async () => {
  const inner = await spawn(() => {
    current()?.locals.set("key", "outer's");
    return [spawnNow(() => current()?.locals.get("key")).get(), (sleep(), current()?.locals.get("key"))];
  });
  assert.deepEqual(inner, [undefined, "outer's"]);
});

test("an exception in a link is uncaught, and the other links are called", async () => {
  const error = new Error("in a link");
  const uncaught = new Promise<unknown>((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
  const greenlet = spawn(() => 1);
  greenlet.link(() => {
    throw error;
  });
  const other = new Promise((resolve) => greenlet.link((ended) => resolve(ended.ready)));
  assert.equal(await uncaught, error);
  process.setUncaughtExceptionCaptureCallback(null);
  assert.equal(await other, true);
});

test("join gives up after its timeout, and the greenlet goes on", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const slow = spawn(() => wait(promise));
  await spawn(() => {
    assert.equal(slow.join({ timeout: 1 }), false);
    assert.throws(() => slow.get({ timeout: 1 }), { code: "ERR_WAIT_TIMEOUT" });
    resolve("done");
    assert.equal(slow.get(), "done");
  });
});

test("greenletify keeps `this`, the arguments, the name and the length, starts at once and returns a promise", async () => {
  let hasStarted = false;
  const counter = {
    base: 10,
    add: greenletify(function add(this: { base: number }, a: number, b: number) {
      hasStarted = true;
      sleep();
      return this.base + a + b;
    }),
  };
  const sum = counter.add(1, 2);
  assert.ok(hasStarted);
  assert.ok(sum instanceof Promise);
  assert.equal(await sum, 13);
  assert.deepEqual([counter.add.name, counter.add.length], ["add", 2]);
});

test("a greenlet that was made and not started runs once it is started", async () => {
  let runs = 0;
  const greenlet = new Greenlet(() => ++runs, "made");
  await null;
  assert.equal(greenlet.state, "pending");
  assert.equal(greenlet.name, "made");
  greenlet.start().start().startNow();
  assert.equal(await greenlet, 1);
});

test("util.inspect shows a greenlet's name, state and outcome", async () => {
  const greenlet = spawn(function fetchAll() {
    return [1];
  });
  assert.equal(inspect(greenlet), `Greenlet ${greenlet.id} "fetchAll" (pending)`);
  await greenlet;
  assert.equal(inspect(greenlet), `Greenlet ${greenlet.id} "fetchAll" (done with [ 1 ])`);
  const unnamed = spawnNow(() => sleep());
  assert.equal(inspect(unnamed), `Greenlet ${unnamed.id} (parked, waits for the next turn of the event loop)`);
  await unnamed;
});

test("stacks of finished greenlets are used again", () => {
  for (let i = 0; i < 100; i++) spawnNow(() => i);
  const { stacks } = hub.stats();
  for (let i = 0; i < 100; i++) spawnNow(() => i);
  assert.equal(hub.stats().stacks, stacks);
  assert.equal(hub.stats().live, 0);
});
