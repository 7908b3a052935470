// The charts of the last minutes. One that nothing is known for is not shown.

import type { Sample } from "server/control/dashboard/history.ts";
import { Chart, type Series } from "./chart.tsx";
import { bytes, count, duration, perSecond } from "./format.ts";

const throughput: Series[] = [
  { label: "answered", colour: "track", value: (sample) => sample.answeredPerS, isFilled: true },
  { label: "failed", colour: "bad", value: (sample) => sample.failedPerS },
  { label: "refused or aborted", colour: "warn", value: (sample) => sample.lostPerS },
];
const load: Series[] = [
  { label: "in flight", colour: "track", value: (sample) => sample.inFlight, isFilled: true },
  { label: "waiting", colour: "warn", value: (sample) => sample.queued },
];
const latency: Series[] = [
  { label: "p50", colour: "track", value: (sample) => sample.p50Ms, isFilled: true },
  { label: "p99", colour: "warn", value: (sample) => sample.p99Ms },
];
const loopDelay: Series[] = [
  { label: "p99 of the worst worker", colour: "warn", value: (sample) => sample.loopDelayMs, isFilled: true },
];
const mebibyte = 1024 ** 2;
const memory: Series[] = [
  { label: "all workers", colour: "good", value: (sample) => sample.rssBytes / mebibyte, isFilled: true },
];

export function Charts({ samples }: { samples: readonly Sample[] }) {
  const has = (series: readonly Series[]) =>
    samples.some((sample) => series.some(({ value }) => value(sample) !== null));
  return (
    <section class="charts" aria-label="The last five minutes">
      <Chart title="Requests a second" samples={samples} series={throughput} format={perSecond} atLeast={10} />
      <Chart title="In flight and waiting" samples={samples} series={load} format={count} atLeast={4} isWhole />
      {has(latency) && <Chart title="Latency" samples={samples} series={latency} format={duration} />}
      {has(loopDelay) && <Chart title="Loop delay" samples={samples} series={loopDelay} format={duration} />}
      <Chart title="Memory" samples={samples} series={memory} format={(value) => bytes(value * mebibyte)} />
    </section>
  );
}
