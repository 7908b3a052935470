// What it costs to switch to something else and back, in a process of its own so that nothing else is in it: between two
// threads, from a task to the event loop, and from a greenlet to the hub. Prints microseconds as JSON.
//
// The same file is the other thread: it answers each turn that it is given through shared memory, and the kernel switches.

import { isMainThread, Worker, workerData } from "node:worker_threads";
import { nowMs } from "../clock.ts";

/** In microseconds; null where greenlets are not to be had. */
export interface SwitchCosts {
  readonly thread: number;
  readonly loopTurn: number;
  readonly awaited: number;
  readonly greenlet: number | null;
}

// Whose turn it is.
const ours = 0;
const theirs = 1;
const over = 2;

if (isMainThread) {
  const costs: SwitchCosts = {
    thread: await threadMicros(),
    loopTurn: await quickest(20_000, async (count) => {
      for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
    }),
    awaited: await quickest(200_000, async (count) => {
      const resolved = Promise.resolve();
      for (let i = 0; i < count; i++) await resolved;
    }),
    greenlet: await greenletMicros(),
  };
  console.log(JSON.stringify(costs));
} else {
  // Given by the other thread, below.
  const turn = workerData as Int32Array;
  for (;;) {
    Atomics.wait(turn, 0, ours);
    if (turn[0] === over) break;
    pass(turn, ours);
  }
}

async function threadMicros(): Promise<number> {
  const turn = new Int32Array(new SharedArrayBuffer(4));
  const other = new Worker(new URL(import.meta.url), { workerData: turn });
  const ended = new Promise((resolve) => other.once("exit", resolve));
  await new Promise((resolve) => other.once("online", resolve));
  const micros = await quickest(5_000, async (count) => {
    for (let i = 0; i < count; i++) {
      pass(turn, theirs);
      Atomics.wait(turn, 0, theirs);
    }
  });
  pass(turn, over);
  await ended;
  return micros;
}

function pass(turn: Int32Array, to: number): void {
  Atomics.store(turn, 0, to);
  Atomics.notify(turn, 0);
}

async function greenletMicros(): Promise<number | null> {
  const { spawn, wait } = await import("@switchyard/greenlet");
  const resolved = Promise.resolve();
  try {
    return await quickest(50_000, async (count) => {
      await spawn(() => {
        for (let i = 0; i < count; i++) wait(resolved);
      });
    });
  } catch {
    // Their addon can't be loaded on this machine; the others are still worth showing.
    return null;
  }
}

/** Microseconds for one of `count`, by the quickest of several tries. */
async function quickest(count: number, run: (count: number) => Promise<void>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const beganMs = nowMs();
    await run(count);
    best = Math.min(best, ((nowMs() - beganMs) / count) * 1_000);
  }
  return best;
}
