// Routes that hold the event loops run in sync workers, and come back when they are short: what the supervisor does about
// what the workers tell of them. The decision itself is auto/policy.ts.
//
// The sync workers are started when a route has held a loop for the second time, so that they are ready when it is decided;
// a server whose routes are all short never starts them.

import type { RouteEvidence } from "../auto/evidence.ts";
import type { MovedRoute } from "../auto/moved-routes.ts";
import { AutoPolicy, type Change, type Move } from "../auto/policy.ts";
import { nowMs, wallMs } from "../clock.ts";
import type { Cpus } from "../config/cpus.ts";
import { type LaneSettings, laneOf } from "../config/lanes.ts";
import type { Log } from "../log/log.ts";
import type { MoveSnapshot } from "../metrics/snapshot.ts";
import type { Now } from "./steering.ts";

/** How long after a failure starting the sync workers is tried again at the earliest, in milliseconds. */
const retryAfterMs = 10_000;

export interface AutoLanesParts {
  readonly log: Log;
  /** Starts the sync workers. Resolves when they take requests. */
  readonly startWorkers: () => Promise<void>;
  /** Tells every loop worker which routes it hands over from now on. */
  readonly tellLoops: (routes: readonly MovedRoute[]) => void;
}

export class AutoLanes {
  readonly #parts: AutoLanesParts;
  readonly #policy = new AutoPolicy();
  #workers: "none" | "starting" | "ready" = "none";
  /** When starting the sync workers failed last. */
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: AutoLanesParts) {
    this.#parts = parts;
  }

  /** The routes that loops hand over; none while the sync workers are not ready. */
  get routes(): readonly MovedRoute[] {
    if (this.#workers !== "ready") return [];
    return this.#policy.moves.map(({ method, pattern, except }) => ({ method, pattern, except }));
  }

  /** What the server before this one had learned. */
  adopt(moves: readonly Move[]): void {
    if (moves.length === 0) return;
    this.#policy.adopt(moves, nowMs());
    const names = moves.map(({ method, route }) => `${method} ${route}`).join(", ");
    this.#parts.log.info(
      { moves: moves.length },
      `As in the server before this one, these run in sync workers: ${names}.`,
    );
    void this.#startWorkers();
  }

  /** What the server after this one may go on with. */
  get moves(): readonly Move[] {
    return this.#policy.moves;
  }

  observe(where: "loop" | "pool", routes: readonly RouteEvidence[]): void {
    const now = nowMs();
    const changes = routes.flatMap((each) =>
      where === "loop" ? this.#policy.observeLoop(each, now) : this.#policy.observePool(each, now),
    );
    const mayStart = this.#workers === "none" && now - this.#failedAtMs > retryAfterMs;
    if (this.#policy.isSuspicious && mayStart) void this.#startWorkers();
    for (const change of changes) this.#logChange(change);
    if (changes.length > 0 && this.#workers === "ready") this.#parts.tellLoops(this.routes);
  }

  snapshots(): MoveSnapshot[] {
    const offsetMs = wallMs() - nowMs();
    return this.#policy.moves.map((move) => ({
      method: move.method,
      route: move.route,
      requests: move.requests,
      holds: move.holds,
      meanMs: Math.round(move.meanMs),
      longestMs: Math.round(move.longestMs),
      atMs: Math.round(move.sinceMs + offsetMs),
      text: sentenceOf(move),
      config: configLineOf(move),
    }));
  }

  async #startWorkers(): Promise<void> {
    this.#workers = "starting";
    try {
      await this.#parts.startWorkers();
      this.#workers = "ready";
      this.#parts.tellLoops(this.routes);
    } catch (error) {
      this.#workers = "none";
      this.#failedAtMs = nowMs();
      this.#parts.log.warn({ err: error }, "Sync workers could not be started yet: routes stay on the event loops.");
    }
  }

  #logChange(change: Change): void {
    const { log } = this.#parts;
    const { method, route, requests, holds } = change.move;
    const name = `${method} ${route}`;
    if (change.type === "back") {
      const because =
        change.why === "short" ? "it does not hold a loop any more" : "it waits for other things most of its time";
      log.info({ method, route, why: change.why }, `${name} runs on the event loops again: ${because}.`);
      return;
    }
    if (change.move.except.length > 0) return;
    const [meanMs, longestMs] = [Math.round(change.move.meanMs), Math.round(change.move.longestMs)];
    const config = configLineOf(change.move);
    log.warn(
      { method, route, requests, holds, meanMs, longestMs, config },
      `${sentenceOf(change.move)} To make it so for good: ${config}`,
    );
  }
}

function sentenceOf({ method, route, requests, holds, meanMs, longestMs }: Move): string {
  const numbers = `${holds} of ${requests} requests, ${Math.round(meanMs)} ms on average, ${Math.round(longestMs)} ms at most`;
  return `${method} ${route} held the event loops (${numbers}), so it runs in sync workers.`;
}

/** What makes it permanent in a config file. */
function configLineOf({ method, route }: Move): string {
  // What Express and Nest write `*name` takes any characters here by `**`.
  const match = route.replace(/\/\*\w*$/, "/**");
  return `lanes: [{ match: ${JSON.stringify(match)}, methods: [${JSON.stringify(method)}], model: "sync" }]`;
}

/** The lane of routes that model auto moves; it has no pattern, since the loops are told the routes. */
export function laneOfMoved({ settings, lanes }: Pick<Now, "settings" | "lanes">, cpus: Cpus): LaneSettings {
  // As many as CPUs: what is moved holds the CPU, and what waits is not moved, so more of them would serve no more and
  // would take the loops' CPU from them. Two at least, so that a long request does not hold up every other.
  const most = Math.max(2, cpus.count);
  return laneOf(
    { match: [], model: "sync", workers: { min: Math.min(2, cpus.count), max: most } },
    { settings, cpus, name: freeLaneName(lanes), origin: "auto" },
  );
}

function freeLaneName(lanes: readonly LaneSettings[]): string {
  let name = "auto";
  for (let count = 2; lanes.some((lane) => lane.name === name); count++) name = `auto-${count}`;
  return name;
}
