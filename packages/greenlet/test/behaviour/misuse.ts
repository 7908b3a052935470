// Bad use: each has one defined outcome, and none harms the process. What once crashed V8 or Node runs as a child.

import assert from "node:assert/strict";
import { test } from "node:test";
import { current, Greenlet, greenletify, hub, Pool, sleep, spawn, spawnNow, wait } from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";

const soon = <T>(value: T) => new Promise<T>((resolve) => setImmediate(resolve, value));

test("a wait may stand in a Promise executor, a getter, a Proxy trap, a constructor, toJSON and a tagged template", async () => {
  class Built {
    readonly value = wait(soon("field"));
    readonly other: string;
    constructor() {
      this.other = wait(soon("constructor"));
    }
  }
  const proxy = new Proxy<Record<string, string>>(
    {},
    { get: (_, name) => wait(soon(String(name))), has: () => wait(soon(true)) },
  );
  const tag = (parts: TemplateStringsArray, value: string) => parts[0] + wait(soon(value));
  const results = await spawn(() => [
    wait(new Promise((resolve) => resolve(wait(soon("executor"))))),
    {
      get inner() {
        return wait(soon("getter"));
      },
    }.inner,
    proxy.trap,
    "x" in proxy,
    { ...new Built() },
    JSON.stringify({ toJSON: () => wait(soon("json")) }),
    tag`tagged ${"template"}`,
  ]);
  assert.deepEqual(results, [
    "executor",
    "getter",
    "trap",
    true,
    { value: "field", other: "constructor" },
    '"json"',
    "tagged template",
  ]);
});

test("a Promise executor that waits and is killed rejects its promise with the exit", async () => {
  let made: Promise<unknown> | undefined;
  const greenlet = spawnNow(() => {
    made = new Promise(() => sleep(60_000));
    return "went on";
  });
  greenlet.kill();
  assert.equal(await greenlet, "went on");
  await assert.rejects(made ?? Promise.resolve(), { name: "GreenletExit" });
});

test("a wait in a microtask on a greenlet's own stack says what to do, or works, and nothing is lost", async () => {
  const outcome = await spawn(async () => {
    await null;
    return spawn(() => wait(soon("in a greenlet of its own")));
  });
  assert.equal(outcome, "in a greenlet of its own");
});

test("starting a greenlet twice runs it once, and ending it twice changes nothing", async () => {
  let runs = 0;
  const greenlet = spawn(() => ++runs);
  greenlet.start();
  greenlet.startNow();
  greenlet.startLater(1);
  assert.equal(await greenlet, 1);
  assert.equal(greenlet.kill(new Error("late")), true);
  assert.deepEqual([greenlet.value, greenlet.exception, greenlet.successful], [1, undefined, true]);
});

test("a greenlet that waits for itself is refused or times out, and can be killed", async () => {
  const greenlet: Greenlet<unknown> = spawn((): unknown => {
    assert.equal(greenlet.join({ timeout: 1 }), false);
    return greenlet.get({ timeout: 1 });
  });
  await assert.rejects(greenlet.promise(), { code: "ERR_WAIT_TIMEOUT" });
  const stuck: Greenlet<unknown> = spawnNow((): unknown => current()?.get());
  stuck.kill();
  await stuck;
});

test("a greenlet that kills itself in a finally block, or from a nested greenlet, ends", async () => {
  const greenlet = spawnNow(() => {
    try {
      sleep(60_000);
    } finally {
      current()?.kill();
    }
  });
  greenlet.kill();
  await greenlet;
  assert.equal(greenlet.successful, true);
});

test("an exception in a link is an uncaught exception, and the other links are called", async () => {
  const ending = await runFixture("throwing-link.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "uncaught: in the link\nother link\nawaited\n");
});

test("a stack overflow in a greenlet is a RangeError there, after waits too, and all others go on", async () => {
  const deep = (): number => deep() + 1;
  const other = spawnNow(() => (sleep(1), "went on"));
  for (let round = 0; round < 3; round++) {
    await assert.rejects(
      spawn(() => {
        sleep();
        deep();
      }).promise(),
      RangeError,
    );
  }
  assert.equal(await other, "went on");
});

test("native recursion that overflows a greenlet's stack ends in an error, and not in a crash", async () => {
  const ending = await runFixture("native-overflows.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "every one ended\n");
});

test("callbacks of every kind of built-in may wait, interleaved with each other and with forced collections", async () => {
  const ending = await runFixture("suspension-points.ts", { nodeArgs: ["--expose-gc"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "20 greenlets, all right\n");
});

test("more greenlets than may live are refused, one by one, and the rest run on", async (t) => {
  const { maxGreenlets } = hub;
  t.after(() => {
    hub.maxGreenlets = maxGreenlets;
  });
  hub.maxGreenlets = 50;
  let refused = 0;
  const greenlets: Greenlet[] = [];
  for (let i = 0; i < 60; i++) {
    try {
      greenlets.push(spawn(() => sleep(1)));
    } catch (error) {
      assert.equal((error as { code: string }).code, "ERR_TOO_MANY_GREENLETS");
      refused++;
    }
  }
  await Promise.all(greenlets);
  assert.deepEqual([refused, greenlets.length], [10, 50]);
  await assert.rejects(
    async () => {
      hub.maxGreenlets = 1;
      spawn(() => {});
      await greenletify(() => {})();
    },
    { code: "ERR_TOO_MANY_GREENLETS" },
  );
});

test("wrong arguments are refused where they are given", async () => {
  await spawn(() => {
    for (const wrong of [Number.NaN, -1, "5", null] as number[]) {
      assert.throws(() => wait(soon(1), { timeout: wrong }), { code: "ERR_INVALID_ARGUMENT" });
    }
    assert.throws(() => new Greenlet(() => {}, "").startLater(Number.NaN), { code: "ERR_INVALID_ARGUMENT" });
    const swapped = [[1, 2], (item: number) => item] as unknown as [(item: number) => number, number[]];
    for (const map of ["map", "imap", "imapUnordered"] as const) {
      assert.throws(() => new Pool(2)[map](...swapped), { code: "ERR_INVALID_ARGUMENT" });
      assert.throws(() => new Pool(2)[map]((item) => item, null as never), { code: "ERR_INVALID_ARGUMENT" });
    }
  });
});
