// One server, simulated request by request: arrivals that are independent of each other (Poisson), workers or loops, CPUs,
// and a limited number of database connections. A calculation: the same seed gives the same result, always.
//
// What is simplified. A request's own time is one draw, of which CPU, connection and the rest are fixed shares, in this
// order. CPUs are given in turn and not in slices. Requests come to the loops of hybrid and greenlet at random, as those on
// kept-alive connections do. Everything is first come, first served.

import { Agenda, FreeTimes } from "./heap.ts";
import { type Random, seededRandom } from "./random.ts";
import { type ServiceTimes, samplerOf } from "./service.ts";
import { type Outcome, Tally } from "./tally.ts";

/** The connections that a request needs one of for a part of its time. */
export interface Connections {
  readonly limit: number;
  /** How long a request holds one, in milliseconds on average; a part of its waiting. */
  readonly holdMs: number;
}

export interface SimulatedServer {
  /** Sync workers hold one request from start to end; a loop holds it while it uses the CPU. */
  readonly workers: { readonly kind: "sync" | "loop"; readonly count: number };
  readonly cpus: number;
  readonly connections: Connections | null;
  readonly service: ServiceTimes;
}

export interface Simulation {
  readonly server: SimulatedServer;
  readonly perSecond: number;
  /** How many requests to count, after as many as a fifth of them that only fill the server. */
  readonly requests: number;
  /** The share of requests that `latencyMs` of the outcome is to hold for, such as 0.99. */
  readonly quantile: number;
  readonly seed: number;
}

export function simulate(simulation: Simulation): Outcome {
  const { perSecond, requests, quantile, seed, server } = simulation;
  const random = seededRandom(seed);
  const tally = new Tally();
  const warmUp = Math.ceil(requests / 5);
  // The times of the requests come from a source of their own, so that they are the same for every number of workers.
  const draw = samplerOf(server.service, seededRandom(seed + 1));
  const serve = server.workers.kind === "sync" ? syncWorkers(server) : loops(server, seededRandom(seed + 2));
  const gapMs = 1_000 / perSecond;
  let atMs = 0;
  const record = (index: number, waitMs: number, latencyMs: number) => {
    if (index >= warmUp) tally.record(waitMs, latencyMs);
  };
  for (let index = 0; index < warmUp + requests; index++) {
    atMs += random.exponential() * gapMs;
    serve.request({ index, atMs, factor: draw() }, record);
  }
  serve.finish(record);
  return tally.outcome(quantile);
}

type RecordRequest = (index: number, waitMs: number, latencyMs: number) => void;

interface Arrival {
  readonly index: number;
  readonly atMs: number;
  /** How much longer than the mean this one takes. */
  readonly factor: number;
}

interface Station {
  request(arrival: Arrival, record: RecordRequest): void;
  /** Ends what is still on its way when no more arrive. */
  finish(record: RecordRequest): void;
}

/** The mean's parts, in milliseconds. */
function partsOf({ service, connections }: SimulatedServer): { cpuMs: number; holdMs: number; restMs: number } {
  const cpuMs = service.cpuMs ?? 0;
  const holdMs = connections === null ? 0 : Math.min(connections.holdMs, service.meanMs - cpuMs);
  return { cpuMs, holdMs, restMs: Math.max(0, service.meanMs - cpuMs - holdMs) };
}

function syncWorkers(server: SimulatedServer): Station {
  const { service, connections, cpus } = server;
  const { cpuMs, holdMs, restMs } = partsOf(server);
  const workers = new FreeTimes(server.workers.count);
  // With no more workers than CPUs no worker ever waits for one.
  const cpuTimes = cpuMs > 0 && server.workers.count > cpus ? new FreeTimes(cpus) : null;
  const connectionTimes = connections === null ? null : new FreeTimes(connections.limit);
  return {
    request({ index, atMs, factor }, record) {
      const beginsAtMs = Math.max(atMs, workers.first());
      const onCpuAtMs = cpuTimes?.take(beginsAtMs, cpuMs * factor) ?? beginsAtMs;
      const readyAtMs = onCpuAtMs + cpuMs * factor;
      const connectedAtMs = connectionTimes?.take(readyAtMs, holdMs * factor) ?? readyAtMs;
      const endsAtMs = connectedAtMs + (holdMs + restMs) * factor;
      workers.replaceFirst(endsAtMs);
      record(index, endsAtMs - atMs - service.meanMs * factor, endsAtMs - atMs);
    },
    finish() {},
  };
}

function loops(server: SimulatedServer, random: Random): Station {
  const { service, connections } = server;
  const { cpuMs, holdMs, restMs } = partsOf(server);
  const free = Array.from({ length: server.workers.count }, () => new FreeTimes(1));
  const end = (arrival: Arrival, endsAtMs: number, record: RecordRequest) =>
    record(arrival.index, endsAtMs - arrival.atMs - service.meanMs * arrival.factor, endsAtMs - arrival.atMs);
  const line = connections === null ? null : new ConnectionLine(connections.limit);
  const finishUntil = (nowMs: number, record: RecordRequest) =>
    line?.giveUntil(nowMs, (arrival, connectedAtMs) =>
      end(arrival, connectedAtMs + (holdMs + restMs) * arrival.factor, record),
    );
  return {
    request(arrival, record) {
      finishUntil(arrival.atMs, record);
      const { atMs, factor } = arrival;
      const loop = free[free.length === 1 ? 0 : random.below(free.length)]!;
      const readyAtMs = loop.take(atMs, cpuMs * factor) + cpuMs * factor;
      if (line === null) end(arrival, readyAtMs + restMs * factor, record);
      else line.add(arrival, { readyAtMs, holdMs: holdMs * factor });
    },
    finish: (record) => finishUntil(Number.POSITIVE_INFINITY, record),
  };
}

/** Requests on their way to a connection: loops are done with them in another order than they came. */
class ConnectionLine {
  readonly #free: FreeTimes;
  readonly #agenda = new Agenda();
  readonly #waiting = new Map<number, { arrival: Arrival; holdMs: number }>();

  constructor(limit: number) {
    this.#free = new FreeTimes(limit);
  }

  add(arrival: Arrival, { readyAtMs, holdMs }: { readyAtMs: number; holdMs: number }): void {
    this.#agenda.add(readyAtMs, arrival.index);
    this.#waiting.set(arrival.index, { arrival, holdMs });
  }

  /** Gives connections to those who were ready by then: nobody who comes later can be before them. */
  giveUntil(nowMs: number, given: (arrival: Arrival, connectedAtMs: number) => void): void {
    while (this.#agenda.length > 0 && this.#agenda.firstAtMs() <= nowMs) {
      const readyAtMs = this.#agenda.firstAtMs();
      const index = this.#agenda.takeFirst();
      const entry = this.#waiting.get(index)!;
      this.#waiting.delete(index);
      given(entry.arrival, this.#free.take(readyAtMs, entry.holdMs));
    }
  }
}
