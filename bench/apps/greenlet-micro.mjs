// One figure of @switchyard/greenlet in a fresh process: `node greenlet-micro.mjs <what> [count]` prints it as JSON.

import { readFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { AsyncResult, hub, spawn, spawnNow, wait } from "@switchyard/greenlet";

const [what, countText] = process.argv.slice(2);
const count = Number(countText);
const nothing = () => {};

const figures = {
  /** Microseconds for one resume and the suspension that ends it, with nothing of a wait around it. */
  async switch() {
    const { Task, enterTask, parkTask, startTask } = await import("../../packages/greenlet/dist/switching.js");
    class Bare extends Task {
      get title() {
        return "bare";
      }
      runBody() {
        for (;;) parkTask(this);
      }
    }
    const task = new Bare();
    startTask(task);
    return bestOf(() => {
      for (let i = 0; i < count; i++) enterTask(task);
    });
  },

  /** Microseconds for a wait for a promise that has its value. */
  wait() {
    const resolved = Promise.resolve(1);
    return bestOf(() =>
      spawnNow(() => {
        for (let i = 0; i < count; i++) wait(resolved);
      }),
    );
  },

  /** Microseconds for an await of the same. */
  await() {
    const resolved = Promise.resolve(1);
    return bestOf(async () => {
      for (let i = 0; i < count; i++) await resolved;
    });
  },

  /** Microseconds for a greenlet from spawn() to its end, one after the other on one stack. */
  spawn() {
    return bestOf(async () => {
      // In batches, as a program that starts many would: they start, and end, in the next microtask.
      for (let started = 0; started < count; started += 100) {
        for (let i = 1; i < 100; i++) spawn(nothing);
        await spawn(nothing);
      }
    });
  },

  /** Microseconds for a greenlet that needs a stack of its own, which does not exist yet. */
  async first() {
    // The first greenlet of a process loads the addon.
    await spawn(nothing);
    const beganMs = performance.now();
    const release = parkMany();
    const micros = ((performance.now() - beganMs) / count) * 1_000;
    await release();
    return { micros };
  },

  /** Many that are alive at once: what one takes, and how long it takes to make them anew. */
  async live() {
    await spawn(nothing);
    if (hub.maxGreenlets < count) return { skipped: `hub.maxGreenlets is ${hub.maxGreenlets} here` };
    await collect();
    const before = memory();
    const coldBeganMs = performance.now();
    const release = parkMany();
    const coldSeconds = (performance.now() - coldBeganMs) / 1_000;
    await collect();
    const now = memory();
    const kilobytesEach = (now.residentKb - before.residentKb) / count;
    const pageTableKbEach = (now.pageTableKb - before.pageTableKb) / count;
    const resumed = await release();
    const warmBeganMs = performance.now();
    const releaseAgain = parkMany();
    const warmSeconds = (performance.now() - warmBeganMs) / 1_000;
    await releaseAgain();
    return { kilobytesEach, pageTableKbEach, coldSeconds, warmSeconds, resumed, backend: hub.backend };
  },
};

console.log(JSON.stringify(await figures[what]()));
// Idle stacks need not be freed one by one.
process.exit();

/** Parks `count` greenlets, and gives what wakes them all and says how many ran to their end. */
function parkMany() {
  const bell = new AsyncResult();
  let ended = 0;
  const all = [];
  for (let i = 0; i < count; i++) {
    all.push(
      spawnNow(() => {
        bell.get();
        ended++;
      }),
    );
  }
  return async () => {
    bell.set(true);
    await Promise.all(all);
    return ended;
  };
}

/** The quickest of several tries, because what disturbs a try only ever makes it slower. */
async function bestOf(run) {
  let quickestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const beganMs = performance.now();
    await run();
    quickestMs = Math.min(quickestMs, performance.now() - beganMs);
  }
  return { micros: (quickestMs / count) * 1_000 };
}

async function collect() {
  await nextTurn();
  globalThis.gc();
  globalThis.gc();
}

function memory() {
  const status = readFileSync("/proc/self/status", "utf8");
  const kilobytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)[1]);
  return { residentKb: kilobytes("VmRSS"), pageTableKb: kilobytes("VmPTE") };
}
