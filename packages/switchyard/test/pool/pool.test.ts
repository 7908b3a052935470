import assert from "node:assert/strict";
import { test } from "node:test";
import { reportOf, SwitchyardError } from "../../src/errors.ts";
import { type Member, Pool } from "../../src/pool/pool.ts";
import { FakeHandle } from "./fake-handle.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const failed = { type: "failed", error: reportOf(new SwitchyardError("SY_APP_THREW", { saw: "It threw.", fix: "." })) };

function makePool(size: number, startTogether?: number) {
  const handles: FakeHandle[] = [];
  const seen = {
    ready: [] as Member[],
    retired: [] as Member[],
    gone: [] as Member[],
    gaveUp: [] as SwitchyardError[],
  };
  const pool = new Pool({
    name: "worker",
    size,
    ...(startTogether === undefined ? {} : { startTogether }),
    start: (slot) => {
      const handle = new FakeHandle(slot);
      handles.push(handle);
      return handle;
    },
    startTimeoutMs: 60_000,
    patienceMs: 1_000,
    log: quiet,
    onReady: (member) => seen.ready.push(member),
    onMessage: () => {},
    onRetire: (member) => seen.retired.push(member),
    onGone: (member) => seen.gone.push(member),
    onGiveUp: (error) => seen.gaveUp.push(error),
  });
  const last = () => handles.at(-1)!;
  return { pool, handles, last, seen };
}

async function startReady(size: number) {
  const made = makePool(size);
  const started = made.pool.start();
  for (const handle of made.handles) handle.becomeReady();
  await started;
  return made;
}

test("of more members than can load at once, the others are started a little later, whether the first are ready or not", async () => {
  const { pool, handles } = makePool(5, 2);
  const started = pool.start();
  assert.equal(handles.length, 2);
  while (handles.length < 5) await new Promise(setImmediate);
  for (const handle of handles) handle.becomeReady();
  await started;
  pool.assertInvariants();
});

test("a pool that is stopped while some of its members have not been started starts no more", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { pool, handles } = makePool(3, 2);
  void pool.start();
  const stopped = pool.stop(1_000);
  for (const handle of handles) handle.end({ code: 0, signal: null });
  await stopped;
  t.mock.timers.tick(60_000);
  assert.equal(handles.length, 2);
});

test("whoever waits for a change hears at once that the pool stops, and not when the last member has ended", async () => {
  const { pool, handles } = await startReady(1);
  const reloaded = pool.reload({ withinMs: 1_000 });
  const stopped = pool.stop(1_000);
  await assert.rejects(reloaded, { code: "SY_STOPPING" });
  for (const handle of handles) handle.end({ code: 0, signal: null });
  await stopped;
  pool.assertInvariants();
});

test("start resolves when every member is ready, and not before", async () => {
  const { pool, handles } = makePool(2);
  let isStarted = false;
  const started = pool.start().then(() => {
    isStarted = true;
  });
  handles[0]!.becomeReady();
  await new Promise(setImmediate);
  assert.ok(!isStarted);
  handles[1]!.becomeReady();
  await started;
  pool.assertInvariants();
});

test("a first start that fails rejects with the first cause and kills the others", async () => {
  const { pool, handles, seen } = makePool(3);
  const started = pool.start();
  handles[1]!.say(failed as never);
  handles[1]!.say({ type: "failed", error: reportOf(new Error("a later one")) });
  handles[1]!.end({ code: 68, signal: null });
  await assert.rejects(started, { code: "SY_APP_THREW" });
  await new Promise(setImmediate);
  assert.equal(seen.gone.length, 3);
  assert.equal(handles.length, 3, "none is started again");
});

test("a ready member that dies is replaced at once, and one that dies again after a pause", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { pool, handles, last } = await startReady(1);
  last().end({ code: null, signal: "SIGKILL" });
  assert.equal(handles.length, 2);
  last().becomeReady();
  last().end({ code: null, signal: "SIGKILL" });
  assert.equal(handles.length, 2);
  t.mock.timers.tick(99);
  assert.equal(handles.length, 2);
  t.mock.timers.tick(1);
  assert.equal(handles.length, 3);
  assert.equal(pool.restarts, 2);
});

test("a member is told to stop when its successor is ready, and not before", async () => {
  const { pool, handles, last, seen } = await startReady(1);
  pool.replace(seen.ready[0]!, 100);
  pool.replace(seen.ready[0]!, 100);
  assert.equal(handles.length, 2, "asked twice, replaced once");
  assert.ok(!handles[0]!.isToldToStop);
  last().becomeReady();
  assert.ok(handles[0]!.isToldToStop);
  assert.deepEqual(seen.retired, [seen.ready[0]]);
  handles[0]!.end({ code: 0, signal: null });
  assert.equal(pool.members.size, 1);
  pool.assertInvariants();
});

test("a successor that dies is started again as a successor", async () => {
  const { pool, handles, last, seen } = await startReady(1);
  pool.replace(seen.ready[0]!, 100);
  last().end({ code: 1, signal: null });
  assert.equal(handles.length, 3);
  pool.assertInvariants();
  last().becomeReady();
  assert.ok(handles[0]!.isToldToStop);
  pool.assertInvariants();
});

test("a member that dies while its successor starts leaves the slot to that one", async () => {
  const { pool, handles, last, seen } = await startReady(1);
  pool.replace(seen.ready[0]!, 100);
  handles[0]!.end({ code: 1, signal: null });
  assert.equal(handles.length, 2);
  last().becomeReady();
  assert.equal(pool.members.size, 1);
  pool.assertInvariants();
});

test("when none is ready and the application can't be loaded any more, the pool gives up once", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { handles, last, seen } = await startReady(1);
  last().end({ code: 1, signal: null });
  for (let tries = 0; seen.gaveUp.length === 0 && tries < 20; tries++) {
    last().say(failed as never);
    last().end({ code: 68, signal: null });
    t.mock.timers.tick(30_000);
  }
  assert.deepEqual(
    seen.gaveUp.map(({ code }) => code),
    ["SY_APP_THREW"],
  );
  const count = handles.length;
  t.mock.timers.tick(120_000);
  assert.equal(handles.length, count);
});

test("a ready member that says that the application can't be loaded any more has made its own tries", async () => {
  const { handles, last, seen } = await startReady(1);
  last().say(failed as never);
  last().end({ code: 68, signal: null });
  assert.equal(seen.gaveUp.length, 1);
  assert.equal(handles.length, 1);
});

test("what was prepared has the slots when somebody says so, and the old members drain then", async () => {
  const { pool, handles } = await startReady(2);
  const preparing = pool.prepare(5_000);
  for (const handle of handles.slice(2)) handle.becomeReady();
  const prepared = await preparing;
  pool.assertInvariants();
  assert.ok(handles.every(({ isToldToStop }) => !isToldToStop));
  assert.ok(prepared.takeOver());
  assert.deepEqual(
    handles.map(({ isToldToStop }) => isToldToStop),
    [true, true, false, false],
  );
  assert.ok(!prepared.takeOver(), "once only");
  pool.assertInvariants();
});

test("what was prepared and abandoned, or has died meanwhile, drains, and the old members stay", async () => {
  for (const end of ["abandon", "death"] as const) {
    const { pool, handles } = await startReady(2);
    const preparing = pool.prepare(5_000);
    for (const handle of handles.slice(2)) handle.becomeReady();
    const prepared = await preparing;
    if (end === "abandon") prepared.abandon();
    else handles[3]!.end({ code: null, signal: "SIGSEGV" });
    assert.ok(!prepared.takeOver());
    assert.deepEqual(
      handles.map(({ isToldToStop }) => isToldToStop),
      [false, false, true, end === "abandon"],
    );
    // It may have requests, which it finishes.
    assert.deepEqual(handles[2]!.sent.at(-1), { type: "stop", withinMs: 5_000, handsOver: true });
    pool.assertInvariants();
  }
});

test("stop resolves when the last member has ended, and starts none again", async () => {
  const { pool, handles } = await startReady(3);
  let isStopped = false;
  const stopped = pool.stop(1_000).then(() => {
    isStopped = true;
  });
  assert.ok(handles.every(({ isToldToStop }) => isToldToStop));
  for (const handle of handles) {
    await new Promise(setImmediate);
    assert.ok(!isStopped);
    handle.end({ code: 0, signal: null });
  }
  await stopped;
  assert.equal(handles.length, 3);
});

test("whatever order members become ready, die and are replaced in, a slot has one worker and each end is told once", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (let seed = 1; seed <= 40; seed++) {
    const random = seeded(seed);
    const { pool, handles, seen } = await startReady(3);
    const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)];
    const moves = [
      () => pick(handles.filter(({ hasEnded }) => !hasEnded))?.becomeReady(),
      () => pick(handles.filter(({ hasEnded }) => !hasEnded))?.end({ code: 1, signal: null }),
      () =>
        pick(handles.filter(({ hasEnded, isToldToStop }) => !hasEnded && isToldToStop))?.end({ code: 0, signal: null }),
      () => {
        const member = pick([...pool.members]);
        if (member !== undefined) pool.replace(member, 1_000);
      },
      () => {
        const member = pick([...pool.members]);
        if (member !== undefined) pool.kill(member, "the test's choice");
      },
      () => t.mock.timers.tick(random() * 2_000),
    ];
    for (let step = 0; step < 200 && seen.gaveUp.length === 0; step++) {
      pick(moves)!();
      await new Promise(setImmediate);
      pool.assertInvariants();
      assert.equal(new Set(seen.gone).size, seen.gone.length, `seed ${seed}`);
      assert.equal(seen.gone.length + pool.members.size, handles.length, `seed ${seed}`);
    }
    const stopped = pool.stop(1_000);
    for (const handle of handles) handle.end({ code: 0, signal: null });
    await stopped;
    assert.equal(seen.gone.length, handles.length, `seed ${seed}`);
  }
});

/** A small generator that gives the same numbers for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
