// What a loop worker does with the requests of each lane: run them itself, or hand them to the lane's workers.
//
// The lanes may change while it serves: what has begun ends as it began.

import type { IncomingMessage } from "node:http";
import type { LaneSettings } from "../config/lanes.ts";
import type { Account } from "../edge/account.ts";
import { overHttp2 } from "../edge/http2.ts";
import type { RequestListener } from "../edge/listener.ts";
import { LaneMatcher } from "../lanes/match.ts";
import type { LaneMeter } from "../metrics/traffic.ts";
import type { ToPool } from "./to-pool.ts";

/** Runs a request in this loop, by a model. */
export type RunHere = Readonly<Record<"async" | "greenlet", RequestListener>>;

export interface LoopLanesParts {
  readonly account: Account;
  readonly worker: number;
  /** The default lane's. */
  readonly model: "async" | "greenlet";
  readonly toPool: ToPool;
  readonly lanes: readonly LaneSettings[];
  /** A lane that is known by something else than its patterns: asked when no lane of them takes a request. */
  readonly otherLaneOf?: (request: IncomingMessage, lanes: readonly LaneSettings[]) => LaneSettings | null;
}

export class LoopLanes {
  readonly #parts: LoopLanesParts;
  #lanes: readonly LaneSettings[] = [];
  #matcher = new LaneMatcher<LaneSettings>([]);
  #entries = new Map<LaneSettings, LaneMeter>();

  constructor(parts: LoopLanesParts) {
    this.#parts = parts;
    this.replace(parts.lanes);
  }

  /** These are the lanes from now on. */
  replace(lanes: readonly LaneSettings[]): void {
    const { account, worker } = this.#parts;
    this.#lanes = lanes;
    this.#matcher = new LaneMatcher(lanes);
    this.#entries = new Map(
      lanes.map((lane) => {
        const { name, model, workers } = lane;
        return [lane, account.meter({ lane: name, model, worker: workers === null ? worker : null })];
      }),
    );
  }

  /** The lane that takes a request; null: the default one. */
  laneOf(request: IncomingMessage): LaneSettings | null {
    if (this.#lanes.length === 0) return null;
    const { otherLaneOf } = this.#parts;
    return this.#matcher.match(request.method ?? "", request.url ?? "") ?? otherLaneOf?.(request, this.#lanes) ?? null;
  }

  /** Enters a request in the account and runs it here, by its lane's model, or sends it to the lane's workers. */
  listener(here: RunHere, expectsContinue: boolean): RequestListener {
    const { toPool, account, model } = this.#parts;
    return (request, response) => {
      const lane = this.laneOf(request);
      const entry = lane === null ? undefined : this.#entries.get(lane);
      if (lane !== null && lane.workers !== null) {
        account.begin(request, response, entry);
        toPool.offer({ request, response, lane, expectsContinue });
        return;
      }
      const run = here[lane === null || lane.model === "sync" ? model : lane.model];
      if (request.httpVersionMajor >= 2) {
        overHttp2(request, response, (http1Request, http1Response) => {
          account.begin(http1Request, http1Response, entry);
          run(http1Request, http1Response);
        });
        return;
      }
      account.begin(request, response, entry);
      run(request, response);
    };
  }

  /** Whether requests of this path run one at a time: an upgraded connection would hold a worker for ever. */
  refusesUpgrade(request: IncomingMessage): boolean {
    return this.laneOf(request)?.model === "sync" && request.headers.upgrade?.toLowerCase() === "websocket";
  }
}
