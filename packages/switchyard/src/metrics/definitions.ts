// Every metric that the server publishes, once: its name, unit, definition, and how it is read from the server's status.
//
// `/metrics` and docs/metrics.md are both made from these records. Names and units follow Prometheus: base units (seconds,
// bytes), `_total` for what only grows. (prometheus.io/docs/practices/naming)

import type { HistogramData } from "./histogram.ts";
import { deathKinds, type QueueSnapshot, type RequestCounts, type ServerStatus, type Vitals } from "./snapshot.ts";

export type Labels = Readonly<Record<string, string | number>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: Labels;
  readonly histogram: HistogramData;
}

interface Definition {
  readonly name: string;
  /** What it is, in whole sentences. */
  readonly help: string;
  readonly unit: "seconds" | "bytes" | "requests" | "workers" | "ratio" | "restarts" | "lines" | "spans" | "1";
  readonly labels: readonly string[];
}

export interface NumberDefinition extends Definition {
  readonly type: "counter" | "gauge";
  readonly read: (status: ServerStatus) => Sample[];
}

export interface HistogramDefinition extends Definition {
  readonly type: "histogram";
  readonly read: (status: ServerStatus) => HistogramSample[];
}

export type MetricDefinition = NumberDefinition | HistogramDefinition;

const outcomes = ["answered", "failed", "aborted", "refused"] as const satisfies readonly (keyof RequestCounts)[];
const states = ["ready", "draining", "starting", "stopped"] as const;
const msPerSecond = 1_000;

export const metricDefinitions: readonly MetricDefinition[] = [
  {
    name: "switchyard_requests_total",
    type: "counter",
    unit: "requests",
    labels: ["lane", "outcome"],
    help:
      "Requests that have ended. Outcome answered: in full, with a status below 500; failed: in full, with 500 or more; " +
      "aborted: left before the answer was complete; refused: answered by Switchyard before it reached the application.",
    read: ({ traffic }) =>
      traffic.flatMap(({ lane, requests }) =>
        outcomes.map((outcome) => ({ labels: { lane, outcome }, value: requests[outcome] })),
      ),
  },
  {
    name: "switchyard_requests_in_flight",
    type: "gauge",
    unit: "requests",
    labels: ["lane"],
    help: "Requests that have been taken in and have not ended, those that wait in a queue included.",
    read: ({ traffic }) => traffic.map(({ lane, requests }) => ({ labels: { lane }, value: requests.inFlight })),
  },
  {
    name: "switchyard_queue_wait_seconds",
    type: "histogram",
    unit: "seconds",
    labels: ["lane"],
    help: "Time from a request's arrival to a sync worker's getting it. Loop workers have no queue, so they record none.",
    read: ({ traffic }) => traffic.map(({ lane, wait }) => ({ labels: { lane }, histogram: wait })),
  },
  {
    name: "switchyard_run_seconds",
    type: "histogram",
    unit: "seconds",
    labels: ["lane"],
    help: "Time from a worker's getting a request to the end of its response, aborted ones included.",
    read: ({ traffic }) => traffic.map(({ lane, run }) => ({ labels: { lane }, histogram: run })),
  },
  {
    name: "switchyard_queue_length",
    type: "gauge",
    unit: "requests",
    labels: ["lane"],
    help: "Requests that wait for a sync worker.",
    read: ofQueues(({ length }) => length),
  },
  {
    name: "switchyard_queue_limit",
    type: "gauge",
    unit: "requests",
    labels: ["lane"],
    help: "Requests that may wait for a sync worker; one more is answered 503.",
    read: ofQueues(({ limit }) => limit),
  },
  {
    name: "switchyard_workers",
    type: "gauge",
    unit: "workers",
    labels: ["state"],
    help: "Workers by state, as they have told last.",
    read: ({ workers }) =>
      states.map((state) => ({
        labels: { state },
        value: workers.filter((worker) => worker.state === state).length,
      })),
  },
  {
    name: "switchyard_workers_wanted",
    type: "gauge",
    unit: "workers",
    labels: [],
    help: "Workers that the server keeps.",
    read: ({ workersWanted }) => [{ labels: {}, value: workersWanted }],
  },
  {
    name: "switchyard_worker_requests_in_flight",
    type: "gauge",
    unit: "requests",
    labels: ["worker"],
    help: "Requests that a worker has.",
    read: ({ workers }) => workers.map(({ worker, requests }) => ({ labels: { worker }, value: requests.inFlight })),
  },
  {
    name: "switchyard_worker_loop_delay_p99_seconds",
    type: "gauge",
    unit: "seconds",
    labels: ["worker"],
    help: "How late a worker's event loop came round in the quarter of a second before it told: 99 times in 100 no later.",
    read: ofVitals(({ loop }) => loop.delayP99Ms / msPerSecond),
  },
  {
    name: "switchyard_worker_loop_delay_max_seconds",
    type: "gauge",
    unit: "seconds",
    labels: ["worker"],
    help: "The latest that a worker's event loop came round in the quarter of a second before it told.",
    read: ofVitals(({ loop }) => loop.delayMaxMs / msPerSecond),
  },
  {
    name: "switchyard_worker_loop_utilization_ratio",
    type: "gauge",
    unit: "ratio",
    labels: ["worker"],
    help: "The share of time, 0 to 1, in which a worker's event loop was busy, in the quarter of a second before it told.",
    read: ofVitals(({ loop }) => loop.utilization),
  },
  {
    name: "switchyard_worker_silent_seconds",
    type: "gauge",
    unit: "seconds",
    labels: ["worker"],
    help:
      "Time since a worker told how it is, which it does four times a second: more than a second means that its event " +
      "loop is blocked, and that its other figures are as old.",
    read: ofVitals(({ readAtMs }, nowMs) => Math.max(0, nowMs - readAtMs) / msPerSecond),
  },
  {
    name: "switchyard_worker_cpu_seconds_total",
    type: "counter",
    unit: "seconds",
    labels: ["worker"],
    help:
      "CPU time of a worker's process, or of its thread where workers are threads, as it has told last, with that of the " +
      "workers that had its number before.",
    read: ({ cpuMs }) =>
      Object.entries(cpuMs).map(([worker, value]) => ({ labels: { worker }, value: value / msPerSecond })),
  },
  {
    name: "switchyard_worker_heap_used_bytes",
    type: "gauge",
    unit: "bytes",
    labels: ["worker"],
    help: "Memory that a worker's JavaScript objects take, garbage that is not collected yet included.",
    read: ofVitals(({ heapUsedBytes }) => heapUsedBytes),
  },
  {
    name: "switchyard_worker_heap_limit_bytes",
    type: "gauge",
    unit: "bytes",
    labels: ["worker"],
    help: "The heap that a worker may have (--max-old-space-size and V8's own additions); it ends when that is full.",
    read: ofVitals(({ heapLimitBytes }) => heapLimitBytes),
  },
  {
    name: "switchyard_worker_resident_memory_bytes",
    type: "gauge",
    unit: "bytes",
    labels: ["worker"],
    help: "Resident memory of a worker's process; threads of one process show the same figure.",
    read: ({ workers }) => workers.map(({ worker, rssBytes }) => ({ labels: { worker }, value: rssBytes })),
  },
  {
    name: "switchyard_worker_start_time_seconds",
    type: "gauge",
    unit: "seconds",
    labels: ["worker"],
    help: "When a worker was ready, in seconds since 1970.",
    read: ofVitals(({ startedAtMs }) => startedAtMs / msPerSecond),
  },
  {
    name: "switchyard_start_time_seconds",
    type: "gauge",
    unit: "seconds",
    labels: [],
    help: "When the supervisor started, in seconds since 1970.",
    read: ({ startedAtMs }) => [{ labels: {}, value: startedAtMs / msPerSecond }],
  },
  {
    name: "switchyard_restarts_total",
    type: "counter",
    unit: "restarts",
    labels: [],
    help: "Workers that were replaced, because they died or for any other reason.",
    read: ({ restarts }) => [{ labels: {}, value: restarts }],
  },
  {
    name: "switchyard_blocked_loops_total",
    type: "counter",
    unit: "1",
    labels: [],
    help: "Times that a loop was found held for longer than --blocked-threshold; the log says by which line.",
    read: ({ blockedCount }) => [{ labels: {}, value: blockedCount }],
  },
  {
    name: "switchyard_access_lines_dropped_total",
    type: "counter",
    unit: "lines",
    labels: [],
    help: "Lines of the access log that were not written, because whoever reads stdout, or the disk, was too slow.",
    read: ({ dropped }) => [{ labels: {}, value: dropped.accessLines }],
  },
  {
    name: "switchyard_spans_dropped_total",
    type: "counter",
    unit: "spans",
    labels: [],
    help: "Spans that were not delivered: the collector was away for too long, refused them, or was too slow.",
    read: ({ dropped }) => [{ labels: {}, value: dropped.spans }],
  },
  {
    name: "switchyard_worker_deaths_total",
    type: "counter",
    unit: "workers",
    labels: ["cause"],
    help:
      "Workers (or processes of threads) that ended without being told to, or were killed. Cause exit: the program ended " +
      "itself; error: nobody caught it; signal: from outside; crash: in native code; heap_memory: the heap was full; " +
      "cgroup_memory: the kernel killed it at the memory limit; switchyard: killed by Switchyard, whose log says why.",
    read: ({ deathCounts }) => deathKinds.map((cause) => ({ labels: { cause }, value: deathCounts[cause] })),
  },
];

/** One sample for each lane that has a queue. */
function ofQueues(value: (queue: QueueSnapshot) => number): (status: ServerStatus) => Sample[] {
  return ({ lanes }) =>
    lanes.flatMap(({ name, queue }) => (queue === null ? [] : [{ labels: { lane: name }, value: value(queue) }]));
}

/** One sample for each worker that has told its vitals. */
function ofVitals(value: (vitals: Vitals, nowMs: number) => number): (status: ServerStatus) => Sample[] {
  return ({ workers, atMs }) =>
    workers.flatMap(({ worker, vitals }) =>
      vitals === null ? [] : [{ labels: { worker }, value: value(vitals, atMs) }],
    );
}
