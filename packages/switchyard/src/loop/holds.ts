// What a worker tells of the routes that hold its loop, four times a second when there is anything to tell.
//
// In a loop worker only long requests are told, and how many others their routes had. A sync worker tells of every request,
// so that a route that is short by now can come back.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Application } from "../app/application.ts";
import { Evidence } from "../auto/evidence.ts";
import { HoldMeter } from "../auto/hold-meter.ts";
import { openRunDelay } from "../auto/run-delay.ts";
import { nowMs } from "../clock.ts";
import type { Parent } from "../ipc/parent.ts";
import type { Faults } from "./faults.ts";

/** How often evidence is told, in milliseconds. */
const tellEveryMs = 250;
/** A route that comes back is short by this part of what made it move, so that it does not come and go. */
const shortShare = 0.5;

export interface HoldsParts {
  readonly parent: Parent;
  readonly faults: Faults;
  /** What is long, in milliseconds. */
  readonly thresholdMs: number;
  readonly where: "loop" | "pool";
  readonly application: Pick<Application, "routeOf">;
}

export function tellHolds({ parent, faults, thresholdMs, where, application }: HoldsParts): void {
  const evidence = new Evidence(application.routeOf);
  const shortMs = thresholdMs * shortShare;
  const meter = new HoldMeter({
    thresholdMs: where === "loop" ? thresholdMs : 0,
    runDelay: openRunDelay(),
    onHold: (hold) => {
      if (where === "pool" && hold.heldMs < shortMs) evidence.recordShort(hold, nowMs());
      else evidence.record(hold, nowMs());
    },
  });
  faults.measureWith({
    begin(request: IncomingMessage | null) {
      if (where === "loop" && request !== null && evidence.hasRoutes) evidence.count(request);
      return meter.begin();
    },
    end: (response: ServerResponse, beginMs: number) => meter.end(response, beginMs),
  });
  setInterval(() => {
    const routes = evidence.take(nowMs());
    if (routes.length > 0) void parent.send({ type: "holds", where, routes });
  }, tellEveryMs).unref();
}
