import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import {
  GreenletError,
  greenletify,
  inGreenlet,
  sleep,
  spawn,
  spawnNow,
  sync,
  wait,
  withoutSwitching,
} from "../../src/index.ts";

test("wait gives a promise's value and throws what it rejects with, the same object", async () => {
  class Custom extends TypeError {
    readonly extra = 1;
  }
  const error = new Custom("x");
  await spawn(() => {
    assert.equal(wait(Promise.resolve("value")), "value");
    assert.throws(
      () => wait(Promise.reject(error)),
      (seen) => seen === error && seen instanceof Custom && seen.extra === 1,
    );
    assert.throws(
      () => wait(Promise.reject(undefined)),
      (seen) => seen === undefined,
    );
  });
});

test("wait takes any thenable, and returns what is none at once", async () => {
  await spawn(() => {
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
    assert.equal(wait({ then: (resolve: (value: number) => void) => resolve(5) } as PromiseLike<number>), 5);
    let hasTicked = false;
    queueMicrotask(() => {
      hasTicked = true;
    });
    // biome-ignore lint/suspicious/noThenProperty: a then that is no function makes no thenable
    for (const value of [null, undefined, 0, "text", {}, { then: 1 }]) assert.equal(wait(value), value);
    assert.equal(hasTicked, false);
  });
});

test("a promise that has settled lets others run once", async () => {
  const order: string[] = [];
  const first = spawn(() => {
    order.push("first begins");
    wait(Promise.resolve());
    order.push("first ends");
  });
  const second = spawn(() => order.push("second"));
  await Promise.all([first, second]);
  assert.deepEqual(order, ["first begins", "second", "first ends"]);
});

test("a thousand sleepers of 100 ms wait at the same time", async () => {
  let awake = 0;
  let mostAsleep = 0;
  let asleep = 0;
  const sleepers = Array.from({ length: 1000 }, () =>
    spawn(() => {
      mostAsleep = Math.max(mostAsleep, ++asleep);
      sleep(100);
      asleep--;
      awake++;
    }),
  );
  await Promise.all(sleepers);
  assert.deepEqual({ awake, mostAsleep }, { awake: 1000, mostAsleep: 1000 });
});

test("sleep with no argument lets the event loop go round once", async () => {
  const order: string[] = [];
  setImmediate(() => order.push("immediate"));
  await spawn(() => {
    sleep();
    order.push("greenlet");
  });
  assert.deepEqual(order, ["immediate", "greenlet"]);
  await spawn(() => assert.throws(() => sleep(Number.NaN), { code: "ERR_INVALID_ARGUMENT" }));
});

test("a wait ends by its timeout with a typed error, and the promise may settle later", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  await spawn(() => {
    assert.throws(() => wait(promise, { timeout: 1 }), { name: "GreenletError", code: "ERR_WAIT_TIMEOUT" });
    resolve(1);
    sleep();
    assert.equal(wait(promise, { timeout: 60_000 }), 1);
    assert.throws(() => wait(promise, { timeout: -1 }), { code: "ERR_INVALID_ARGUMENT" });
  });
});

test("a wait ends by its signal with the signal's reason", async () => {
  const reason = new Error("enough");
  await spawn(() => {
    assert.throws(
      () => wait(new Promise(() => {}), { signal: AbortSignal.abort(reason) }),
      (seen) => seen === reason,
    );
    const controller = new AbortController();
    setImmediate(() => controller.abort(reason));
    assert.throws(
      () => wait(new Promise(() => {}), { signal: controller.signal }),
      (seen) => seen === reason,
    );
  });
});

test("wait outside a greenlet says where it was called, why, and what to do", () => {
  function theCaller() {
    wait(Promise.resolve());
  }
  assert.throws(theCaller, (error) => {
    assert.ok(error instanceof GreenletError);
    assert.equal(error.code, "ERR_NOT_IN_GREENLET");
    assert.match(error.message, /wait\(\) was called outside a greenlet, at theCaller \(.*wait\.ts:\d+:\d+\)/);
    assert.match(error.message, /greenletify\(\)/);
    assert.match(error.message, /--model greenlet or --model sync; under async and hybrid use await/);
    return true;
  });
  assert.throws(() => sleep(1), { code: "ERR_NOT_IN_GREENLET", message: /^sleep\(\)/ });
});

test("the code after an await, and callbacks of timers and events, are outside, and greenletify brings them in", async () => {
  const emitter = new EventEmitter();
  await spawn(async () => {
    assert.equal(inGreenlet(), true);
    await null;
    assert.throws(() => sleep(), { code: "ERR_NOT_IN_GREENLET" });
  });
  await assert.rejects(
    new Promise((_, reject) =>
      setImmediate(() => {
        try {
          sleep();
        } catch (error) {
          reject(error);
        }
      }),
    ),
    { code: "ERR_NOT_IN_GREENLET" },
  );
  const seen = new Promise((resolve) =>
    emitter.on(
      "event",
      greenletify((value: number) => resolve(wait(Promise.resolve(value)))),
    ),
  );
  emitter.emit("event", 3);
  assert.equal(await seen, 3);
});

test("sync makes a waiting function of an asynchronous one and keeps `this`", async () => {
  const source = {
    base: 2,
    twice: sync(async function (this: { base: number }, n: number) {
      await null;
      return this.base * n;
    }),
  };
  assert.equal(await spawn(() => source.twice(4)), 8);
});

test("withoutSwitching refuses to wait, in that greenlet only, and gives the value of its function", async () => {
  await spawn(() => {
    assert.equal(
      withoutSwitching(() => 5),
      5,
    );
    assert.throws(() => withoutSwitching(() => sleep()), { code: "ERR_SWITCH_FORBIDDEN" });
    const child = withoutSwitching(() => spawnNow(() => (sleep(), "child waited")));
    sleep();
    assert.equal(child.get(), "child waited");
  });
  assert.equal(
    withoutSwitching(() => 6),
    6,
  );
});

test("a refused wait leaves nothing behind that would resume the greenlet", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await spawn(() => {
    withoutSwitching(() => assert.throws(() => wait(promise), { code: "ERR_SWITCH_FORBIDDEN" }));
    resolve("late");
    sleep();
    assert.equal(wait(promise), "late");
  });
});
