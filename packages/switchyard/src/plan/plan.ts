// How many workers an expected load needs under each model, and what requests then wait: a calculation.
//
// A model is answered in one of three ways: the fewest workers that keep the objective; that no number of them does, and
// why; or that the load is more than a CPU, a loop or the database's connections can do, and what would be the most.

import * as erlang from "./erlang.ts";
import { isExponential, type ServiceTimes, serviceQuantileMs } from "./service.ts";
import { type Connections, type SimulatedServer, simulate } from "./simulate.ts";
import type { Outcome } from "./tally.ts";

export const plannedModels = ["sync", "async", "hybrid", "greenlet"] as const;
export type PlannedModel = (typeof plannedModels)[number];

export interface Objective {
  /** The share of requests that it is to hold for: 0.99 for p99. */
  readonly quantile: number;
  readonly latencyMs: number;
}

export interface PlanRequest {
  readonly perSecond: number;
  readonly objective: Objective;
  readonly service: ServiceTimes;
  /** CPUs of the machine. */
  readonly cpus: number;
  readonly connections: Connections | null;
  readonly models: readonly PlannedModel[];
  readonly seed: number;
}

/** What a number of workers does with the load. */
export interface Forecast {
  readonly workers: number;
  readonly outcome: Outcome;
  /** The share of time for which workers (or loops) are busy. */
  readonly busyRatio: number;
  readonly method: "Erlang C" | "simulation";
}

export type Answer =
  | { readonly is: "kept"; readonly forecast: Forecast }
  | { readonly is: "missed"; readonly forecast: Forecast; readonly why: string }
  | { readonly is: "impossible"; readonly mostPerSecond: number; readonly why: string }
  | { readonly is: "unknown"; readonly why: string };

export interface Plan {
  readonly perSecond: number;
  readonly answers: readonly { readonly model: PlannedModel; readonly answer: Answer }[];
}

/** More workers than this are never proposed: options.workers takes no more. */
const mostWorkers = 1024;
const simulatedRequests = 100_000;

export function plan(request: PlanRequest): Plan {
  return {
    perSecond: request.perSecond,
    answers: request.models.map((model) => ({ model, answer: answerFor(model, request) })),
  };
}

/** The same for a load that is `factor` times as large. */
export function planAt(request: PlanRequest, factor: number): Plan {
  return plan({ ...request, perSecond: request.perSecond * factor });
}

function answerFor(model: PlannedModel, request: PlanRequest): Answer {
  const { service, objective } = request;
  if (model !== "sync" && service.cpuMs === null) {
    return {
      is: "unknown",
      why: "how much of a request's time is CPU time decides it: give --cpu, or the JSON of a compare run",
    };
  }
  const limit = limitOf(model, request);
  if (limit !== null && request.perSecond >= limit.mostPerSecond) return { is: "impossible", ...limit };

  const range = workersToTry(model, request);
  const forecastWith = remembered((workers) => forecastOf(model, workers, request));
  const least = fewestThat((workers) => keeps(forecastWith(workers), objective), range);
  if (least !== null) return { is: "kept", forecast: forecastWith(least) };
  return { is: "missed", forecast: bestOf(forecastWith, range), why: whyMissed(model, request) };
}

type ForecastWith = (workers: number) => Forecast;

/** The same, which simulates no number of workers twice. */
function remembered(forecastWith: ForecastWith): ForecastWith {
  const known = new Map<number, Forecast>();
  return (workers) => {
    const forecast = known.get(workers) ?? forecastWith(workers);
    known.set(workers, forecast);
    return forecast;
  };
}

/** What is as good as it gets, with the fewest workers: a thousand that wait for nothing to do are no plan. */
function bestOf(forecastWith: ForecastWith, range: Range): Forecast {
  const best = forecastWith(range.most);
  const latencyMs = best.outcome.latencyMs * (1 + noGain);
  const enough = fewestThat((workers) => forecastWith(workers).outcome.latencyMs <= latencyMs, range);
  return enough === null ? best : forecastWith(enough);
}

/** A latency that is longer by less than this share is no reason for more workers. */
const noGain = 0.02;

function keeps(forecast: Forecast, objective: Objective): boolean {
  return forecast.outcome.latencyMs <= objective.latencyMs;
}

interface Limit {
  readonly mostPerSecond: number;
  readonly why: string;
}

/** The least of what CPUs, the one loop of async, workers and connections can do in a second. */
function limitOf(model: PlannedModel, { service, cpus, connections }: PlanRequest): Limit | null {
  const limits: Limit[] = [];
  const cpuMs = service.cpuMs ?? 0;
  if (cpuMs > 0) {
    const used = model === "async" ? 1 : cpus;
    const whose = model === "async" ? "one event loop" : `${cpus} CPU${cpus === 1 ? "" : "s"}`;
    limits.push({
      mostPerSecond: (used * 1_000) / cpuMs,
      why: `${whose} can do ${rate((used * 1_000) / cpuMs)} requests of ${ms(cpuMs)} CPU time in a second`,
    });
  }
  if (model === "sync") {
    const most = (mostWorkers * 1_000) / service.meanMs;
    limits.push({ mostPerSecond: most, why: `${mostWorkers} workers can do ${rate(most)} requests in a second` });
  }
  if (connections !== null && connections.holdMs > 0) {
    const most = (connections.limit * 1_000) / connections.holdMs;
    limits.push({
      mostPerSecond: most,
      why: `${connections.limit} database connections, each held for ${ms(connections.holdMs)}, can do ${rate(most)} requests in a second`,
    });
  }
  return limits.reduce<Limit | null>(
    (least, limit) => (least === null || limit.mostPerSecond < least.mostPerSecond ? limit : least),
    null,
  );
}

interface Range {
  readonly fewest: number;
  readonly most: number;
}

function workersToTry(model: PlannedModel, { perSecond, service, cpus }: PlanRequest): Range {
  switch (model) {
    case "sync": {
      const load = erlang.offeredLoad({ perSecond, meanMs: service.meanMs });
      return { fewest: Math.floor(load) + 1, most: mostWorkers };
    }
    case "async":
      return { fewest: 1, most: 1 };
    case "hybrid":
    case "greenlet":
      return { fewest: Math.floor((perSecond * (service.cpuMs ?? 0)) / 1_000) + 1, most: cpus };
  }
}

/** The smallest number in the range that fits, when all larger ones fit too: doubling steps, then bisection. */
function fewestThat(fits: (workers: number) => boolean, { fewest, most }: Range): number | null {
  if (fewest > most) return null;
  let bad = fewest - 1;
  let good = fewest;
  for (let step = 1; !fits(good); step *= 2) {
    if (good === most) return null;
    bad = good;
    good = Math.min(most, good + step);
  }
  while (good - bad > 1) {
    const middle = (good + bad) >> 1;
    if (fits(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/** What a number of workers does with the load, by Erlang's formula where it is exact, else by simulation. */
export function forecastOf(model: PlannedModel, workers: number, request: PlanRequest): Forecast {
  const { perSecond, service, cpus, connections, objective, seed } = request;
  const heldMs = model === "sync" ? service.meanMs : (service.cpuMs ?? 0);
  const busyRatio = Math.min(1, (perSecond * heldMs) / 1_000 / workers);
  const isAlone = connections === null && (service.cpuMs === null || workers <= cpus);
  if (model === "sync" && isAlone && isExponential(service)) {
    const outcome = byErlang({ workers, perSecond, meanMs: service.meanMs }, objective.quantile);
    return { workers, busyRatio, outcome, method: "Erlang C" };
  }
  const server: SimulatedServer = {
    workers: { kind: model === "sync" ? "sync" : "loop", count: workers },
    cpus,
    connections,
    service,
  };
  const { quantile } = objective;
  const outcome = simulate({ server, perSecond, requests: simulatedRequests, quantile, seed });
  return { workers, busyRatio, outcome, method: "simulation" };
}

function byErlang(queueing: erlang.Queueing, quantile: number): Outcome {
  const meanWaitMs = erlang.meanWaitMs(queueing);
  return {
    requests: Number.POSITIVE_INFINITY,
    chanceToWait: erlang.chanceToWait(queueing),
    meanWaitMs,
    meanLatencyMs: meanWaitMs + queueing.meanMs,
    latencyMs: erlang.latencyQuantileMs(queueing, quantile),
  };
}

function whyMissed(model: PlannedModel, { service, objective, connections, cpus }: PlanRequest): string {
  const ownMs = serviceQuantileMs(service, objective.quantile);
  const name = percentileName(objective.quantile);
  if (ownMs > objective.latencyMs) {
    return `the requests' own time has a ${name} of ${ms(ownMs)} already: no number of workers makes it shorter`;
  }
  if (connections !== null) return `requests wait for the ${connections.limit} database connections`;
  if (model === "async") return "one event loop is too busy: hybrid and greenlet have one for each CPU";
  return `${cpus} CPU${cpus === 1 ? " is" : "s are"} too busy`;
}

/** "p99", "p99.9" */
export function percentileName(quantile: number): string {
  return `p${Number((quantile * 100).toFixed(4))}`;
}

/** "40 ms", "1.25 s", "0.3 ms" */
export function ms(value: number): string {
  if (value >= 10_000) return `${Number((value / 1_000).toPrecision(3))} s`;
  return `${Number(value.toPrecision(3))} ms`;
}

/** "1,250", "0.5": requests in a second. */
export function rate(value: number): string {
  return value >= 10 ? Math.floor(value).toLocaleString("en-US") : String(Number(value.toPrecision(2)));
}
