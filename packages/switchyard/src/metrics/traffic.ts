// What has passed through a lane: requests by their outcome, and how long they waited and ran, since the server started.
//
// A meter counts on the path of every request; its data goes up with each report, and the supervisor adds it up over all
// workers that there are and were.

import { emptyHistogram, Histogram, type HistogramData, quantileMs, since, sumOfHistograms } from "./histogram.ts";
import { afterDeath, noRequests, type RequestCounts, sumOf } from "./snapshot.ts";

/** The lane of every request that no other lane takes. */
export const defaultLane = "default";

/** A lane's traffic since the sender started. */
export interface LaneTraffic {
  readonly lane: string;
  readonly requests: RequestCounts;
  /** Time in the queue, of requests that a worker got. */
  readonly wait: HistogramData;
  /** Time in the worker, from its getting the request to the response's end, of all that a worker got. */
  readonly run: HistogramData;
}

/** How long a lane's requests took lately: over the last ten seconds, or null when there were none. */
export interface LaneLatency {
  readonly lane: string;
  readonly waitP50Ms: number | null;
  readonly waitP99Ms: number | null;
  readonly runP50Ms: number | null;
  readonly runP99Ms: number | null;
}

export class LaneMeter {
  readonly lane: string;
  readonly wait = new Histogram();
  readonly run = new Histogram();
  begun = 0;
  answered = 0;
  failed = 0;
  aborted = 0;
  refused = 0;

  constructor(lane: string) {
    this.lane = lane;
  }

  counts(): RequestCounts {
    const { begun, answered, failed, aborted, refused } = this;
    return { begun, inFlight: begun - answered - failed - aborted, answered, failed, aborted, refused };
  }

  traffic(): LaneTraffic {
    return { lane: this.lane, requests: this.counts(), wait: this.wait.data(), run: this.run.data() };
  }
}

/** Adds up by lane, in the order in which lanes are first met. */
export function sumOfTraffic(all: Iterable<readonly LaneTraffic[]>): LaneTraffic[] {
  const byLane = new Map<string, LaneTraffic[]>();
  for (const lanes of all) {
    for (const each of lanes) byLane.set(each.lane, [...(byLane.get(each.lane) ?? []), each]);
  }
  return [...byLane].map(([lane, parts]) => ({
    lane,
    requests: sumOf(parts.map(({ requests }) => requests)),
    wait: sumOfHistograms(parts.map(({ wait }) => wait)),
    run: sumOfHistograms(parts.map(({ run }) => run)),
  }));
}

/** The traffic of a worker that has ended: what was in flight in it has lost its connection. */
export function trafficAfterDeath(lanes: readonly LaneTraffic[]): LaneTraffic[] {
  return lanes.map((each) => ({ ...each, requests: afterDeath(each.requests) }));
}

export function latencyOf(now: LaneTraffic, before: LaneTraffic | undefined): LaneLatency {
  const wait = since(now.wait, before?.wait ?? emptyHistogram);
  const run = since(now.run, before?.run ?? emptyHistogram);
  return {
    lane: now.lane,
    waitP50Ms: quantileMs(wait, 0.5),
    waitP99Ms: quantileMs(wait, 0.99),
    runP50Ms: quantileMs(run, 0.5),
    runP99Ms: quantileMs(run, 0.99),
  };
}

export const noTraffic = (lane: string): LaneTraffic => ({
  lane,
  requests: noRequests,
  wait: emptyHistogram,
  run: emptyHistogram,
});
