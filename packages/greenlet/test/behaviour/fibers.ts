// What programs written for node-fibers rely on. Its own test files were run by hand as well; docs/node-fibers.md says so.

import assert from "node:assert/strict";
import { AsyncResource, executionAsyncId } from "node:async_hooks";
import { execFile } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Fiber } from "../../src/fibers/fiber.ts";
import { Future } from "../../src/fibers/future.ts";
import { current, hub, sleep, spawn, wait } from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";

test("run gives what the fiber yields and then what it returns, and yield gives what run is given", () => {
  const fiber = Fiber((first) => {
    const second = Fiber.yield(`got ${first}`);
    const third = Fiber.yield(`got ${second}`);
    return `ended with ${third}`;
  });
  assert.equal(fiber.started, false);
  assert.deepEqual([fiber.run(1), fiber.run(2), fiber.started], ["got 1", "got 2", true]);
  assert.deepEqual([fiber.run(3), fiber.started], ["ended with 3", false]);
  assert.equal(fiber.run(4), "got 4");
  fiber.reset();
});

test("a fiber is made with and without new, of a function only, and is a Fiber", () => {
  assert.ok(new Fiber(() => {}) instanceof Fiber && Fiber(() => {}) instanceof Fiber);
  assert.throws(() => Fiber(5 as never), TypeError);
  assert.throws(() => Fiber.prototype.run.call(null as never), TypeError);
  assert.throws(() => Reflect.apply(Fiber.prototype.run, {}, []), TypeError);
});

test("what a fiber throws comes out of run, and the fiber can be run anew", () => {
  const error = new Error("x");
  let fails = true;
  const fiber = Fiber(() => {
    if (fails) throw error;
    return "well";
  });
  assert.throws(
    () => fiber.run(),
    (seen) => seen === error,
  );
  fails = false;
  assert.equal(fiber.run(), "well");
});

test("a promise that a fiber returns is given as it is", () => {
  const promise = Promise.resolve(1);
  assert.equal(Fiber(() => promise).run(), promise);
});

test("throwInto throws where the fiber yielded, and its value comes back as run's does", () => {
  const fiber = Fiber(() => {
    try {
      Fiber.yield();
    } catch (error) {
      return (error as Error).message;
    }
  });
  assert.throws(() => fiber.throwInto(new Error("early")), /not yielding/);
  fiber.run();
  assert.equal(fiber.throwInto(new Error("late")), "late");
});

test("reset unwinds: each yield throws until the function has ended", () => {
  let caught = 0;
  const stubborn = Fiber(() => {
    for (let i = 0; i < 1000; i++) {
      try {
        Fiber.yield();
      } catch {
        caught++;
      }
    }
    return "ended";
  });
  stubborn.run();
  assert.deepEqual([stubborn.reset(), caught, stubborn.started], ["ended", 1000, false]);
  const plain = Fiber(() => Fiber.yield());
  plain.run();
  assert.equal(plain.reset(), undefined);
  assert.equal(plain.reset(), undefined);
});

test("the running fiber can't be run, and yield outside a fiber is refused", () => {
  const fiber: Fiber = Fiber(() => fiber.run());
  assert.throws(() => fiber.run(), /already running/);
  const outer: Fiber = Fiber(() => Fiber(() => outer.run()).run());
  assert.throws(() => outer.run(), /already running/);
  assert.throws(() => Fiber.yield(), /no fiber running/);
});

test("Fiber.current is the running fiber, nested ones too, and undefined outside", () => {
  const seen: unknown[] = [];
  const inner = Fiber(() => {
    seen.push(Fiber.current);
    Fiber.yield();
  });
  const outer = Fiber(() => {
    inner.run();
    seen.push(Fiber.current);
  });
  outer.run();
  inner.run();
  assert.deepEqual([seen, Fiber.current], [[inner, outer], undefined]);
});

test("generators can be written with fibers, and thousands of fibers leave nothing behind", () => {
  function* expected() {
    for (let [a, b] = [0, 1]; ; [a, b] = [b, a + b]) yield a;
  }
  const fibonacci = Fiber(() => {
    for (let [a, b] = [0, 1]; ; [a, b] = [b, a + b]) Fiber.yield(a);
  });
  const numbers = expected();
  for (let i = 0; i < 50; i++) assert.equal(fibonacci.run(), numbers.next().value);
  fibonacci.reset();
  const before = hub.stats().live;
  for (let round = 0; round < 10; round++) {
    const fibers = Array.from({ length: 200 }, (_, i) => Fiber(() => Fiber.yield(i)));
    for (const [i, fiber] of fibers.entries()) assert.equal(fiber.run(), i);
    for (const fiber of fibers) fiber.run();
  }
  assert.equal(hub.stats().live, before);
});

test("a stack overflow in a fiber is a RangeError that crosses run, again and again", () => {
  const deep = (): number => deep() + 1;
  for (let i = 0; i < 5; i++) assert.throws(() => Fiber(deep).run(), RangeError);
});

test("a fiber may yield inside an async scope and is in it again when it goes on", () => {
  const resource = new AsyncResource("test");
  const ids: number[] = [];
  const fiber = Fiber(() =>
    resource.runInAsyncScope(() => {
      ids.push(executionAsyncId());
      Fiber.yield();
      ids.push(executionAsyncId());
    }),
  );
  const outside = executionAsyncId();
  fiber.run();
  assert.equal(executionAsyncId(), outside);
  fiber.run();
  assert.deepEqual([ids, executionAsyncId()], [[resource.asyncId(), resource.asyncId()], outside]);
});

test("wait and sleep work in a fiber: run returns, the loop resumes it, and nobody else can meanwhile", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const done = Promise.withResolvers<void>();
  const fiber = Fiber(() => {
    assert.ok(current() !== null);
    const value = wait(promise);
    sleep();
    done.resolve();
    return value;
  });
  assert.equal(fiber.run(), undefined);
  assert.throws(() => fiber.run(), { code: "ERR_INVALID_STATE" });
  resolve("value");
  await done.promise;
  assert.equal(fiber.started, true);
  await null;
  await null;
  assert.equal(fiber.started, false);
});

test("an error of a fiber that the event loop resumed is an uncaught exception", async () => {
  const ending = await runFixture("fiber-uncaught.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "caught late\nother fiber went on\n");
});

test("process.exit in a fiber ends everything", async () => {
  const ending = await runFixture("fiber-exit.ts");
  assertEnded(ending, 4);
  assert.equal(ending.stdout, "");
});

test("Future.wait pauses the fiber until all are resolved, and get gives each one's value or error", () => {
  const [a, b] = [new Future<number>(), new Future<number>()];
  const seen: unknown[] = [];
  Fiber(() => {
    Future.wait(a, [b]);
    seen.push(a.get());
    assert.throws(() => b.wait(), /b failed/);
    seen.push("went on");
  }).run();
  assert.throws(() => a.get(), /must resolve/);
  a.return(1);
  assert.deepEqual(seen, []);
  b.throw(new Error("b failed"));
  assert.deepEqual(seen, [1, "went on"]);
  assert.throws(() => a.return(2), /more than once/);
  assert.throws(() => new Future().throw(undefined), /non-empty/);
});

test("a future is waited for in a greenlet too, and nowhere else", async () => {
  const future = new Future<number>();
  const greenlet = spawn(() => future.wait());
  setImmediate(() => future.return(3));
  assert.equal(await greenlet, 3);
  assert.equal(future.wait(), 3);
  assert.throws(() => new Future().wait(), /Can't wait without a fiber/);
  assert.throws(() => Future.wait(5 as never), /is not a future/);
});

test("fn.future() runs the function in a fiber of its own, with its `this`, and Future.task several", async () => {
  const object = { base: 40 };
  function add(this: { base: number }, n: number): number {
    assert.ok(Fiber.current);
    return this.base + n;
  }
  assert.equal(await add.future().call(object, 2).promise(), 42);
  assert.deepEqual(
    await Future.task(
      () => 1,
      () => 2,
    ).promise(),
    [1, 2],
  );
  await assert.rejects(Future.task(() => assert.fail("task")).promise(), /task/);
  assert.equal(await Future.task(() => Future.fromPromise(Promise.resolve("p")).wait()).promise(), "p");
});

test("Future.wrap makes functions that take a callback return futures: one, several values, whole objects", async () => {
  const stat = Future.wrap(fs.stat) as unknown as (path: string) => Future<fs.Stats>;
  const wrapped = Future.wrap(fs);
  const exec = Future.wrap(execFile, true) as unknown as (file: string, args: string[]) => Future<string[]>;
  await Future.task(() => {
    assert.ok(stat("/").wait().isDirectory());
    assert.ok(Array.isArray(wrapped.readdirFuture?.("/").wait()));
    assert.throws(() => stat("/no/such").wait(), { code: "ENOENT" });
    const child = exec("echo", ["hello"]);
    assert.ok(child._ !== undefined);
    assert.deepEqual(child.wait(), ["hello\n", ""]);
  }).promise();
});

test("futures hand on: resolver, resolve with two arguments, proxy, proxyErrors, resolveSuccess", () => {
  const seen: unknown[] = [];
  const [a, b, c] = [new Future<number>(), new Future<number>(), new Future()];
  a.proxy(b);
  b.resolveSuccess((value) => seen.push(value));
  a.resolve(c, (value) => seen.push(value));
  a.resolver()(null, 5);
  assert.deepEqual([seen, b.get(), c.isResolved()], [[5, 5], 5, false]);
  const failing = new Future();
  failing.proxyErrors([c]);
  failing.throw(new Error("handed on"));
  assert.throws(() => c.get(), /handed on/);
});

test("require gives Fiber and Future themselves, as node-fibers does", () => {
  const require = createRequire(import.meta.url);
  assert.equal(typeof require("@switchyard/greenlet/fibers").yield, "function");
  assert.equal(typeof require("@switchyard/greenlet/future").wrap, "function");
});
