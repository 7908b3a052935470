// Many machines behind a balancer, simulated request by request: which policy keeps the wait short, up to a million requests
// a second. A calculation; memory is a number for each worker and one for each request that is in flight.
//
// A machine has workers with one queue. What a request's end will be is known when it arrives (first come, first served), so
// that there is an agenda of ends and none of beginnings. The balancer sees what is in flight at every machine, at no delay:
// real ones see it a little late, which costs least-busy more than two-choices.

import { Agenda, FreeTimes } from "./heap.ts";
import { type Random, seededRandom } from "./random.ts";
import { type ServiceTimes, samplerOf } from "./service.ts";
import { type Outcome, Tally } from "./tally.ts";

export const policies = ["random", "round-robin", "least-busy", "two-choices"] as const;

/**
 * How the balancer chooses a machine: any; each in turn; the one with the fewest requests in flight; of two random ones that
 * with fewer (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001).
 */
export type Policy = (typeof policies)[number];

export interface Fleet {
  readonly machines: number;
  readonly workersEach: number;
  /** The share of a request's time for which it holds its worker: 1 under sync, its CPU time's on a loop. */
  readonly heldShare: number;
  readonly service: ServiceTimes;
}

export interface FleetSimulation {
  readonly fleet: Fleet;
  readonly policy: Policy;
  readonly perSecond: number;
  readonly requests: number;
  readonly quantile: number;
  readonly seed: number;
}

/** Requests to simulate so that the fleet fills up and its steady state is seen for long enough. */
export function requestsFor({ machines, workersEach }: Fleet): number {
  return Math.min(8_000_000, Math.max(500_000, 100 * machines * workersEach));
}

export function simulateFleet(simulation: FleetSimulation): Outcome {
  const { fleet, policy, perSecond, requests, quantile, seed } = simulation;
  const random = seededRandom(seed);
  const draw = samplerOf(fleet.service, seededRandom(seed + 1));
  const choose = chooserOf(policy, fleet.machines, seededRandom(seed + 2));
  const workers = Array.from({ length: fleet.machines }, () => new FreeTimes(fleet.workersEach));
  const tally = new Tally();
  const warmUp = Math.ceil(requests / 5);
  const gapMs = 1_000 / perSecond;
  let atMs = 0;
  for (let index = 0; index < warmUp + requests; index++) {
    atMs += random.exponential() * gapMs;
    choose.advance(atMs);
    const machine = choose.next();
    const timeMs = draw() * fleet.service.meanMs;
    const waitMs = workers[machine]!.take(atMs, timeMs * fleet.heldShare) - atMs;
    choose.assigned(machine, atMs + waitMs + timeMs);
    if (index >= warmUp) tally.record(waitMs, waitMs + timeMs);
  }
  return tally.outcome(quantile);
}

interface Chooser {
  /** Takes what has ended by then out of flight. */
  advance(nowMs: number): void;
  next(): number;
  /** A machine has one more request in flight, until `endsAtMs`. */
  assigned(machine: number, endsAtMs: number): void;
}

function chooserOf(policy: Policy, machines: number, random: Random): Chooser {
  const nothing = () => {};
  switch (policy) {
    case "random":
      return { advance: nothing, next: () => random.below(machines), assigned: nothing };
    case "round-robin": {
      let last = -1;
      const next = () => {
        last = (last + 1) % machines;
        return last;
      };
      return { advance: nothing, next, assigned: nothing };
    }
    case "least-busy": {
      const ranks = new Ranks(machines);
      return inFlightChooser(ranks, () => ranks.least());
    }
    case "two-choices": {
      const counts = new Counts(machines);
      return inFlightChooser(counts, () => {
        const one = random.below(machines);
        const other = random.below(machines);
        return counts.of(one) <= counts.of(other) ? one : other;
      });
    }
  }
}

interface InFlight {
  more(machine: number): void;
  fewer(machine: number): void;
}

function inFlightChooser(inFlight: InFlight, next: () => number): Chooser {
  const ends = new Agenda();
  return {
    advance(nowMs) {
      while (ends.firstAtMs() <= nowMs) inFlight.fewer(ends.takeFirst());
    },
    next,
    assigned(machine, endsAtMs) {
      inFlight.more(machine);
      ends.add(endsAtMs, machine);
    },
  };
}

class Counts implements InFlight {
  readonly #counts: Int32Array;

  constructor(machines: number) {
    this.#counts = new Int32Array(machines);
  }

  of(machine: number): number {
    return this.#counts[machine]!;
  }

  more(machine: number): void {
    this.#counts[machine]!++;
  }

  fewer(machine: number): void {
    this.#counts[machine]!--;
  }
}

/**
 * Machines in lists by their number of requests in flight, so that the least busy one is found and moved at the same cost
 * with ten machines and with a hundred thousand.
 */
class Ranks implements InFlight {
  readonly #count: Int32Array;
  readonly #next: Int32Array;
  readonly #before: Int32Array;
  /** The first machine of each count, or -1. */
  #first: Int32Array;
  #least = 0;

  constructor(machines: number) {
    this.#count = new Int32Array(machines);
    this.#next = new Int32Array(machines);
    this.#before = new Int32Array(machines);
    this.#first = new Int32Array(64).fill(-1);
    for (let machine = machines - 1; machine >= 0; machine--) this.#insert(machine);
  }

  least(): number {
    return this.#first[this.#least]!;
  }

  more(machine: number): void {
    this.#move(machine, 1);
    // Only the machine that left can have been the last of the least busy, and it is one further now.
    if (this.#first[this.#least] === -1) this.#least++;
  }

  fewer(machine: number): void {
    this.#move(machine, -1);
    this.#least = Math.min(this.#least, this.#count[machine]!);
  }

  #move(machine: number, by: 1 | -1): void {
    const next = this.#next[machine]!;
    const before = this.#before[machine]!;
    if (before === -1) this.#first[this.#count[machine]!] = next;
    else this.#next[before] = next;
    if (next !== -1) this.#before[next] = before;
    this.#count[machine]! += by;
    this.#insert(machine);
  }

  #insert(machine: number): void {
    const count = this.#count[machine]!;
    if (count >= this.#first.length) {
      const larger = new Int32Array(2 * this.#first.length).fill(-1);
      larger.set(this.#first);
      this.#first = larger;
    }
    const head = this.#first[count]!;
    this.#next[machine] = head;
    this.#before[machine] = -1;
    if (head !== -1) this.#before[head] = machine;
    this.#first[count] = machine;
  }
}
