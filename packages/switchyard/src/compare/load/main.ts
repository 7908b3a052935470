// The load generator's thread: runs one order after another and answers with what it saw. A thread of its own, so that
// nothing which the measuring thread does is between a request and the moment that is noted for it.

import { parentPort } from "node:worker_threads";
import { nowMs } from "../../clock.ts";
import type { LoadOrder, LoadResult } from "./orders.ts";
import { startStreams } from "./streams.ts";

/** Ends the load that runs, which answers with what it has seen by then. */
let cut: () => void = () => {};

parentPort?.on("message", async (order: LoadOrder | "cut") => {
  if (order === "cut") cut();
  else parentPort?.postMessage(await run(order));
});

async function run({ target, streams, lengthMs, patienceMs }: LoadOrder): Promise<LoadResult> {
  const busyBefore = performance.eventLoopUtilization();
  const beganAtMs = nowMs();
  const running = startStreams(target, streams);
  const isCut = Promise.withResolvers<void>();
  let patienceEndsAtMs = Number.POSITIVE_INFINITY;
  cut = () => {
    patienceEndsAtMs = 0;
    isCut.resolve();
  };
  await Promise.race([pause(lengthMs), isCut.promise]);
  for (const each of running) each.stop();
  const endedAtMs = nowMs();
  const { utilization } = performance.eventLoopUtilization(busyBefore);
  patienceEndsAtMs = Math.min(patienceEndsAtMs, endedAtMs + patienceMs);
  while (running.some((each) => each.isWaiting()) && nowMs() < patienceEndsAtMs) await pause(5);
  return {
    lengthMs: endedAtMs - beganAtMs,
    streams: running.map((each) => each.finish()),
    busyRatio: utilization,
    behindMs: Math.max(...running.map((each) => each.behindMs)),
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
