// How a worker is, read in the worker itself: its event loop, CPU time and heap.
//
// The loop's delay is measured by a timer of libuv's that runs no JavaScript; what it costs is fifty wake-ups a second.

import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import { isMainThread } from "node:worker_threads";
import { wallMs } from "../clock.ts";
import type { Vitals } from "../metrics/snapshot.ts";

export interface VitalsReader {
  /** Reads them; the loop's figures are of the time since the call before. */
  read(): Vitals;
}

/** How often the loop's delay is sampled, in milliseconds. */
const sampleEveryMs = 20;
const nsPerMs = 1e6;
const usPerMs = 1e3;

/** @param greenletSwitches reads how often this thread has entered a greenlet. */
export function openVitals(greenletSwitches: () => number): VitalsReader {
  const startedAtMs = wallMs();
  const delay = monitorEventLoopDelay({ resolution: sampleEveryMs });
  delay.enable();
  let before = performance.eventLoopUtilization();
  return {
    read() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      const { used_heap_size, heap_size_limit } = getHeapStatistics();
      // The histogram holds the time from one sample to the next.
      const lateMs = (ns: number) => Math.max(0, ns / nsPerMs - sampleEveryMs);
      const isEmpty = delay.count === 0;
      const loop = {
        delayP99Ms: isEmpty ? 0 : lateMs(delay.percentile(99)),
        delayMaxMs: isEmpty ? 0 : lateMs(delay.max),
        utilization,
      };
      delay.reset();
      return {
        loop,
        cpuMs: cpuMs(),
        heapUsedBytes: used_heap_size,
        heapLimitBytes: heap_size_limit,
        loopTurns: performance.nodeTiming.uvMetricsInfo.loopCount,
        greenletSwitches: greenletSwitches(),
        startedAtMs,
        readAtMs: wallMs(),
      };
    },
  };
}

function cpuMs(): number {
  const { user, system } = isMainThread ? process.cpuUsage() : process.threadCpuUsage();
  return (user + system) / usPerMs;
}
