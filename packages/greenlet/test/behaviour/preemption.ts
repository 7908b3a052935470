// Preemption. What is checked is what came before what: a greenlet that spins until something else has run ends only when
// it is interrupted.

import assert from "node:assert/strict";
import { AsyncLocalStorage, AsyncResource, executionAsyncId } from "node:async_hooks";
import { createRequire } from "node:module";
import { type TestContext, test } from "node:test";
import { setImmediate as immediately } from "node:timers/promises";
import { addon, type PreemptionRefusal } from "../../src/addon.ts";
import { hub, type PreemptOptions, sleep, spawn, spawnNow, wait, withoutSwitching } from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";

const require = createRequire(import.meta.url);

function preempt(t: TestContext, options: PreemptOptions = { sliceMs: 1 }): void {
  hub.preempt(options);
  t.after(() => hub.preempt(null));
}

function refusals(reason: PreemptionRefusal): number {
  return hub.stats().preemptionRefusals[reason];
}

/** Spins until the greenlet's slice has been over and it was not interrupted, some times, for this reason. */
function spinUntilRefused(reason: PreemptionRefusal): void {
  const before = refusals(reason);
  while (refusals(reason) < before + 3);
}

/** Tells of a call whether others ran during it. A greenlet may well be interrupted before the call, where the machine is slow. */
function whetherOthersRun(t: TestContext): (during: () => void) => boolean {
  let turns = 0;
  let next = setImmediate(function turn() {
    turns++;
    next = setImmediate(turn);
  });
  t.after(() => clearImmediate(next));
  return (during) => {
    const before = turns;
    during();
    return turns !== before;
  };
}

test("a greenlet that never waits is interrupted, and timers, input and other greenlets run", async (t) => {
  preempt(t);
  const seen = { timer: false, greenlet: false };
  setTimeout(() => {
    seen.timer = true;
  }, 1);
  const hog = spawnNow(() => {
    let turns = 0;
    while (!seen.timer || !seen.greenlet) turns++;
    return turns;
  });
  assert.equal(hog.state, "running");
  spawn(() => {
    sleep(1);
    seen.greenlet = true;
  });
  // It may be interrupted before its first turn.
  assert.ok((await hog) >= 0);
  assert.ok(hub.stats().preemptions > 0);
  assert.equal(hub.stats().preempted, 0);
});

test("recursion, a comparator in sort and a backtracking regular expression are interrupted", async (t) => {
  const turns = (hasRun: () => boolean) => ({
    recursion() {
      const recurse = (depth: number): boolean => (depth === 0 ? hasRun() : recurse(depth - 1) || hasRun());
      while (!recurse(500));
    },
    sort() {
      while (!hasRun()) Array.from({ length: 1000 }, (_, i) => (i * 7919) % 1009).sort((a, b) => a - b);
    },
    replaceCallback() {
      "x".repeat(10).replaceAll("x", () => {
        while (!hasRun());
        return "y";
      });
    },
    regularExpression() {
      // Each doubles the work of the one before.
      for (let length = 10; !hasRun(); length++) /^(a+)+$/.test(`${"a".repeat(length)}b`);
    },
  });
  preempt(t);
  for (const name of ["recursion", "sort", "replaceCallback", "regularExpression"] as const) {
    let hasRun = false;
    const hog = spawnNow(turns(() => hasRun)[name]);
    setImmediate(() => {
      hasRun = true;
    });
    await hog;
  }
});

test("matches that are interrupted at any moment find what they would have found", async (t) => {
  preempt(t, { sliceMs: 0.5 });
  const expression = /^(a+)+$/;
  const found = await Promise.all(
    Array.from({ length: 3 }, () =>
      spawn(() => Array.from({ length: 30 }, (_, i) => expression.test(`${"a".repeat(17)}${i % 2 ? "" : "b"}`))),
    ),
  );
  for (const each of found)
    assert.deepEqual(
      each,
      Array.from({ length: 30 }, (_, i) => i % 2 === 1),
    );
});

test("greenlets that hog take turns, and one that comes later and is short ends before them", async (t) => {
  preempt(t);
  const order: string[] = [];
  let isShortDone = false;
  const hog = (name: string) => () => {
    while (!isShortDone);
    order.push(name);
  };
  const hogs = [spawnNow(hog("first hog")), spawnNow(hog("second hog"))];
  const short = spawnNow(() => {
    sleep();
    order.push("short");
    isShortDone = true;
  });
  await Promise.all([...hogs, short]);
  assert.equal(order[0], "short");
  assert.equal(order.length, 3);
});

test("an interrupted greenlet keeps its AsyncLocalStorage store, its async scopes and its local state", async (t) => {
  preempt(t);
  const store = new AsyncLocalStorage<string>();
  const resource = new AsyncResource("TEST");
  const spinIn = (name: string, hasRun: () => boolean) =>
    spawnNow(() =>
      resource.runInAsyncScope(() =>
        store.run(name, () => {
          const id = executionAsyncId();
          while (!hasRun());
          return [store.getStore(), executionAsyncId() === id, id === resource.asyncId()];
        }),
      ),
    );
  let hasRun = false;
  const spinning = [spinIn("one", () => hasRun), spinIn("two", () => hasRun)];
  const before = executionAsyncId();
  assert.equal(store.getStore(), undefined);
  setImmediate(() => {
    hasRun = true;
  });
  assert.deepEqual(await Promise.all(spinning), [
    ["one", true, true],
    ["two", true, true],
  ]);
  assert.equal(store.getStore(), undefined);
  assert.ok(before > 0);
});

test("nothing interrupts a greenlet inside withoutSwitching", async (t) => {
  preempt(t);
  const othersRun = whetherOthersRun(t);
  const didRun = await spawnNow(() => withoutSwitching(() => othersRun(() => spinUntilRefused("withoutSwitching"))));
  assert.equal(didRun, false);
});

test("nothing interrupts a greenlet that loads a module", async (t) => {
  preempt(t);
  const othersRun = whetherOthersRun(t);
  let didRun: boolean | null = null;
  Object.assign(globalThis, {
    spinUntilRefused: (reason: PreemptionRefusal) => {
      didRun = othersRun(() => spinUntilRefused(reason));
    },
  });
  const loaded: { value: string } = await spawnNow(() => require("../fixtures/spins-while-loading.cjs"));
  assert.equal(loaded.value, "loaded");
  assert.equal(didRun, false);
});

test("nothing interrupts a greenlet in a function that native code calls", async (t) => {
  const { DatabaseSync } = await import("node:sqlite");
  preempt(t);
  using database = new DatabaseSync(":memory:");
  const othersRun = whetherOthersRun(t);
  database.function("spin", () => Number(othersRun(() => spinUntilRefused("nativeCaller"))));
  const row = await spawnNow(() => database.prepare("select spin() as value").get());
  assert.equal(row?.value, 0);
});

test("nothing interrupts Node's own functions, nor a library that is named", async (t) => {
  preempt(t, { sliceMs: 1, guard: ["/behaviour/preemption."] });
  let othersRan = false;
  setImmediate(() => {
    othersRan = true;
  });
  await spawnNow(() => {
    spinUntilRefused("library");
    assert.equal(othersRan, false);
  });
});

test("a greenlet that runs over the limit ends with ERR_RUN_LIMIT, whatever it catches, and the others go on", async (t) => {
  preempt(t, { sliceMs: 1, limitMs: 300 });
  const endless = {
    loop() {
      for (;;) {
        try {
          for (;;);
        } catch {
          // A limit that can be caught is none.
        } finally {
        }
      }
    },
    regularExpression() {
      /^(a+)+$/.test(`${"a".repeat(60)}b`);
    },
    recursion() {
      const recurse = (depth: number): number => (depth === 0 ? 0 : recurse(depth - 1));
      for (;;) recurse(1000);
    },
    insideAsyncScopes() {
      new AsyncResource("OUTER").runInAsyncScope(() => new AsyncResource("INNER").runInAsyncScope(endless.loop));
    },
    withoutSwitching() {
      withoutSwitching(endless.loop);
    },
  };
  const other = spawn(() => {
    for (let i = 0; i < 20; i++) sleep(1);
    return "went on";
  });
  // The other one is counted in it.
  const before = hub.stats();
  for (const [name, body] of Object.entries(endless)) {
    const greenlet = spawn(body);
    await assert.rejects(async () => greenlet, { code: "ERR_RUN_LIMIT", message: /for more than 300 ms/ }, name);
    assert.equal(greenlet.state, "done");
    assert.equal(await spawn(() => wait(Promise.resolve(name))), name);
  }
  assert.equal(hub.stats().overLimit, before.overLimit + 5);
  assert.equal(await other, "went on");
  await immediately();
  assert.equal(hub.stats().live, before.live - 1);
});

test("time spent waiting does not count towards the limit", async (t) => {
  preempt(t, { sliceMs: 1, limitMs: 200 });
  const usedMs = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const untilUsed = (ms: number) => {
    for (const end = usedMs() + ms; usedMs() < end; );
  };
  await spawnNow(() => {
    // Twice the limit, in parts.
    for (let part = 0; part < 40; part++, sleep()) untilUsed(10);
  });
});

test("that a process stood still does not count towards the limit", {
  skip: process.platform !== "linux",
}, async () => {
  const ending = await runFixture("stopped.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "runs on\n");
});

test("a greenlet that is killed while interrupted ends at its next wait", async (t) => {
  preempt(t);
  let wasKilled = false;
  const hog = spawnNow(() => {
    while (!wasKilled);
    sleep();
    return "never";
  });
  setImmediate(() => {
    hog.kill(new Error("killed"));
    wasKilled = true;
  });
  await assert.rejects(async () => hog, { message: "killed" });
});

test("a greenlet that is killed while interrupted and never waits ends where it is interrupted next, and others go on", async (t) => {
  preempt(t);
  const before = hub.stats().overLimit;
  const resource = new AsyncResource("TEST");
  const hog = spawnNow(() =>
    resource.runInAsyncScope(() => {
      for (;;) {
        try {
          for (;;);
        } catch {
          // What ends it is nothing that it could catch.
        } finally {
        }
      }
    }),
  );
  const outer = executionAsyncId();
  assert.equal(hog.kill(new Error("killed")), false);
  await assert.rejects(async () => hog, { message: "killed" });
  assert.equal(hog.state, "done");
  assert.equal(hub.stats().overLimit, before);
  assert.ok(outer > 0);
  // Its stack is gone; the next greenlets run as ever, and may be interrupted.
  let hasRun = false;
  setImmediate(() => {
    hasRun = true;
  });
  const next = spawnNow(() => {
    while (!hasRun);
    return wait(Promise.resolve("next"));
  });
  assert.equal(await next, "next");
});

test("a greenlet that is killed while interrupted, and catches that at its next wait, is interrupted as any other", async (t) => {
  preempt(t);
  let wasKilled = false;
  const hog = spawnNow(() => {
    while (!wasKilled);
    try {
      sleep();
    } catch {
      hub.preempt({ sliceMs: 1 });
    }
    const before = hub.stats().preemptions;
    while (hub.stats().preemptions < before + 3);
    return "went on";
  });
  setImmediate(() => {
    // Nothing interrupts it before it waits.
    hub.preempt({ sliceMs: 3_600_000 });
    hog.kill(new Error("killed"));
    wasKilled = true;
  });
  assert.equal(await hog, "went on");
});

test("preemption is off unless asked for, and its options are checked", () => {
  assert.equal(hub.preemption, null);
  const wrong = [{ sliceMs: 0 }, { sliceMs: Number.NaN }, { sliceMs: 5, limitMs: 1 }, { sliceMs: 5, guard: [""] }];
  for (const options of [...wrong, { sliceMs: "5" } as never]) {
    assert.throws(() => hub.preempt(options), { code: "ERR_INVALID_ARGUMENT" });
  }
  assert.equal(hub.preemption, null);
  hub.preempt({ sliceMs: 5 });
  assert.deepEqual(hub.preemption, { sliceMs: 5 });
  hub.preempt(null);
  assert.equal(hub.preemption, null);
});

test("the process ends, and a worker is terminated, with preemption on and greenlets interrupted", async () => {
  for (const args of [["exit"], ["terminate"], ["exit-in-worker"]]) {
    const ending = await runFixture("ends-while-preempted.ts", { args });
    assertEnded(ending, args[0] === "exit" ? 3 : 0);
    assert.equal(ending.stdout, "interrupted\n");
  }
});

test("a CPU profile sees inside greenlets", async () => {
  const ending = await runFixture("profiled.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "seen\n");
});

test("the policy names what forbids an interruption", () => {
  const { binding } = addon();
  const own = "file:///app/node_modules/@switchyard/greenlet/dist/";
  const app = ["/app/server.js", "handler", false] as const;
  const base = [`${own}switching.js`, "runNext", false] as const;
  const judge = (frames: (readonly [string, string, boolean])[], more = {}, guarded: string[] = []) =>
    binding.whyNotPreempt({ frames: [...frames, base], ...more }, own, guarded);

  assert.equal(judge([app]), "");
  assert.equal(judge([app, ["node:events", "emit", false], app]), "");
  assert.equal(judge([app, ["node:internal/async_local_storage/async_context_frame", "run", false], app]), "");
  assert.equal(judge([["node:events", "emit", false], app]), "nodeInternals");
  assert.equal(judge([app, ["node:internal/streams/readable", "addChunk", false], app]), "nodeInternals");
  assert.equal(judge([app, ["node:internal/modules/cjs/loader", "_compile", false], app]), "moduleLoading");
  assert.equal(judge([app, [`${own}wait.js`, "withoutSwitching", false], app]), "withoutSwitching");
  assert.equal(judge([[`${own}waiter.js`, "park", false], app]), "library");
  assert.equal(judge([]), "library");
  assert.equal(judge([app, ["/app/node_modules/knex/lib/client.js", "query", false]], {}, ["/knex/"]), "library");
  assert.equal(judge([app, ["wasm://wasm/1234", "run", true]]), "webAssembly");
  assert.equal(judge([app], { nativeCaller: true }), "nativeCaller");
  assert.equal(judge([app], { callbackScope: true }), "callbackScope");
  assert.equal(judge([app], { microtask: true }), "microtask");
  assert.equal(judge([app], { matchBegins: true }), "matchBegins");
  assert.equal(binding.whyNotPreempt({ frames: [] }, own, []), "nativeCaller");
});
