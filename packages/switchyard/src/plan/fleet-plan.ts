// A plan for many machines behind a balancer: every policy with the same load, the same requests and the same workers.

import { SwitchyardError } from "../errors.ts";
import { type Fleet, type Policy, policies, requestsFor, simulateFleet } from "./machines.ts";
import { type Objective, rate } from "./plan.ts";
import type { ServiceTimes } from "./service.ts";
import type { Outcome } from "./tally.ts";

export interface FleetRequest {
  readonly perSecond: number;
  readonly objective: Objective;
  readonly service: ServiceTimes;
  readonly machines: number;
  /** Null for as many as are busy for 80% of the time. */
  readonly workersEach: number | null;
  readonly heldShare: number;
  readonly seed: number;
}

export interface FleetPlan {
  readonly perSecond: number;
  readonly machines: number;
  readonly workersEach: number;
  readonly busyRatio: number;
  readonly quantile: number;
  /** Simulated for each policy. */
  readonly requests: number;
  readonly policies: readonly { readonly policy: Policy; readonly outcome: Outcome; readonly isKept: boolean }[];
}

const usualBusyRatio = 0.8;

/** @throws {SwitchyardError} `SY_PLAN_IMPOSSIBLE` when the load is more than the workers can do. */
export function planFleet(request: FleetRequest): FleetPlan {
  const { perSecond, objective, service, machines, heldShare, seed } = request;
  const load = (perSecond * service.meanMs * heldShare) / 1_000;
  const workersEach = request.workersEach ?? Math.max(1, Math.ceil(load / usualBusyRatio / machines));
  const busyRatio = load / (machines * workersEach);
  if (busyRatio >= 1) throw overloaded(request, { workersEach, busyRatio });
  const fleet: Fleet = { machines, workersEach, heldShare, service };
  const requests = requestsFor(fleet);
  const { quantile } = objective;
  return {
    perSecond,
    machines,
    workersEach,
    busyRatio,
    quantile,
    requests,
    policies: policies.map((policy) => {
      const outcome = simulateFleet({ fleet, policy, perSecond, requests, quantile, seed });
      return { policy, outcome, isKept: outcome.latencyMs <= objective.latencyMs };
    }),
  };
}

function overloaded(
  { perSecond, machines }: FleetRequest,
  { workersEach, busyRatio }: { workersEach: number; busyRatio: number },
): SwitchyardError {
  return new SwitchyardError("SY_PLAN_IMPOSSIBLE", {
    saw: `${rate(perSecond)} requests/s are more than ${machines} machines with ${workersEach} workers each can do, ${rate(perSecond / busyRatio)}/s: the queues would grow for ever.`,
    fix: `Give at least ${Math.ceil(machines * busyRatio * 1.05)} machines, or --workers ${Math.ceil(workersEach * busyRatio * 1.05)}.`,
  });
}
