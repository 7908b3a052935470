// What a compare run has found out: plain data, which is its JSON, and what the report and the advice are made from.

import type { MeasuredService } from "../plan/sources.ts";
import type { RequestShape, Stream, StreamResult } from "./load/orders.ts";

/** A way to serve the application: a model, and with sync where its workers live. */
export interface Variant {
  readonly name: string;
  /** Flags of `serve`. */
  readonly args: readonly string[];
  readonly model: string;
}

export interface Failure {
  /** An error's code, or null when the server ended without one. */
  readonly code: string | null;
  readonly saw: string;
  readonly fix: string;
}

/** One stretch of load on one path under one variant. */
export interface Measurement {
  readonly variant: string;
  readonly path: string;
  readonly round: number;
  readonly stream: StreamResult;
  /** Good answers in a second. */
  readonly perSecond: number;
  /** The share of requests that had another status than the path's own, a broken connection or no answer. */
  readonly badRatio: number;
  /** CPU time of all of the server's processes for one answer, in milliseconds; null where the kernel does not say. */
  readonly cpuMs: number | null;
  /** Time for which its threads were ready to run and had no CPU, for one answer, in milliseconds. */
  readonly cpuQueuedMs: number | null;
  /** CPUs in use, of all that there are. */
  readonly cpusBusy: number | null;
  /** Context switches for one answer. */
  readonly switches: { readonly voluntary: number; readonly involuntary: number } | null;
  /** What its workers did for one answer within themselves; null where they did not say. */
  readonly turns: Turns | null;
  readonly memoryBytes: number | null;
  readonly generatorBusyRatio: number;
  readonly generatorBehindMs: number;
  /** CPUs that other work used meanwhile and that were wanted here; null where the kernel does not say. */
  readonly othersCpus: number | null;
}

/** For one answer. */
export interface Turns {
  /** Turns of event loops, those of their own clocks included. */
  readonly loop: number;
  /** Times that a greenlet's stack was entered. */
  readonly greenlet: number;
}

/** How a variant did besides its measurements. */
export interface VariantReport {
  readonly variant: Variant;
  readonly failure: Failure | null;
  /** From the command to the line that says where it serves. */
  readonly startMs: number | null;
  readonly workers: number | null;
  readonly idleBytes: number | null;
  readonly processes: number | null;
  /** Workers that were replaced while it was measured. */
  readonly restarts: number;
  /** What was answered to the first request for each path. */
  readonly probes: readonly Probe[];
  /** Paths whose speed had not settled when they were measured. */
  readonly unsettled: readonly string[];
}

export interface Probe {
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  /** SHA-256 of the body. */
  readonly hash: string;
  /** Whether another request had the same body, at once and in a later round. */
  readonly repeats: boolean;
}

export interface Machine {
  readonly cpus: number;
  readonly quota: number | null;
  readonly cpu: string;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  /** Processes that wanted a CPU in the last minute before the run. */
  readonly loadBefore: number;
}

/** Several paths at once, under one config: what is the default, what is advised, or that without its lanes. */
export interface MixedLoad {
  readonly name: MixedName;
  /** What its config file says. */
  readonly config: object;
  readonly failure: Failure | null;
  readonly streams: readonly Stream[];
  /** The statuses that the streams' answers are to have. */
  readonly expected: readonly number[];
  /** From the first request after a start, a round each: the streams' results. */
  readonly atStart: readonly MixedStretch[];
  /** After that. */
  readonly later: readonly MixedStretch[];
}

export type MixedName = "default" | "advised" | "without lanes";

export interface MixedStretch {
  readonly lengthMs: number;
  readonly streams: readonly StreamResult[];
  readonly othersCpus: number | null;
}

export interface CompareRun {
  readonly format: "switchyard-compare-1";
  readonly at: string;
  readonly command: string;
  readonly app: string;
  readonly isQuick: boolean;
  readonly wasInterrupted: boolean;
  readonly machine: Machine;
  readonly paths: readonly string[];
  /** What was sent besides a path. */
  readonly request: RequestShape;
  readonly variants: readonly VariantReport[];
  readonly measurements: readonly Measurement[];
  readonly mixed: readonly MixedLoad[];
  /** Service times by path, for `switchyard plan --from`. */
  readonly services: readonly MeasuredService[];
  /** What makes the figures doubtful, in whole sentences. */
  readonly warnings: readonly string[];
  readonly lengthMs: number;
}
