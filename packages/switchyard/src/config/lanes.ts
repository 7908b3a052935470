// The lanes of a server, each complete: what its user gave, with the server's own options as defaults of its limits.
// A calculation. The default lane, which takes what no other does, is made here too where its workers have a queue.

import type { Cpus } from "./cpus.ts";
import type { LaneModel, ServeSettings, UserLane } from "./settings.ts";

/** The name of the lane of all requests that no other lane takes. */
export const defaultLaneName = "default";

export interface Range {
  readonly min: number;
  readonly max: number;
}

export interface LaneSettings {
  readonly name: string;
  /** Empty for the default lane. */
  readonly match: readonly string[];
  /** Null: every method. */
  readonly methods: readonly string[] | null;
  readonly model: LaneModel;
  /** Who made it: the server's own model, the user's config or flags, or the server because a route blocks. */
  readonly origin: "default" | "config" | "auto";
  /** Its own workers, or null when it runs in the loop workers. */
  readonly workers: Range | null;
  readonly isolation: "thread" | "process";
  /** Threads in each process of the lane's own; 0: threads are in the pool's process. */
  readonly threadsEach: number;
  /** Requests that one worker has at once. */
  readonly inFlightLimit: number;
  readonly queueLimit: number;
  /** 0: no limit, as in the next. */
  readonly queueTimeoutMs: number;
  readonly runTimeoutMs: number;
  readonly bodyLimitBytes: number;
  readonly order: "oldest-first" | "newest-first";
  readonly priority: "normal" | "low";
  readonly growAfterMs: number;
  readonly idleMs: number;
}

type Defaults = Pick<
  ServeSettings,
  "model" | "lanes" | "queueLimit" | "queueTimeoutMs" | "runTimeoutMs" | "bodyLimitBytes"
>;

/** Every lane that the user gave, in order; the first that matches takes a request. */
export function lanesOf(settings: Defaults, cpus: Pick<Cpus, "count">): LaneSettings[] {
  const names = new Set(settings.lanes.map(({ name }) => name));
  return settings.lanes.map((lane) => {
    const name = lane.name ?? freeName(wordsOf(lane), names);
    names.add(name);
    return laneOf(lane, { settings, cpus, name, origin: "config" });
  });
}

export interface LaneOrigin {
  readonly settings: Defaults;
  readonly cpus: Pick<Cpus, "count">;
  readonly name: string;
  readonly origin: LaneSettings["origin"];
}

/** One lane, complete. */
export function laneOf(lane: UserLane, { settings, cpus, name, origin }: LaneOrigin): LaneSettings {
  const workers = workersOf(lane, settings.model, cpus.count);
  const isSync = lane.model === "sync";
  return {
    name,
    match: [lane.match].flat(),
    methods: lane.methods ?? null,
    model: lane.model,
    origin,
    workers,
    isolation: lane.isolation ?? "thread",
    threadsEach: lane.processes === undefined || workers === null ? 0 : workers.max / lane.processes,
    inFlightLimit: isSync ? 1 : (lane.inFlightLimit ?? 1_000),
    queueLimit: lane.queueLimit ?? settings.queueLimit,
    queueTimeoutMs: lane.queueTimeoutMs ?? settings.queueTimeoutMs,
    runTimeoutMs: lane.runTimeoutMs ?? settings.runTimeoutMs,
    bodyLimitBytes: lane.bodyLimitBytes ?? settings.bodyLimitBytes,
    order: lane.order ?? "oldest-first",
    priority: lane.priority ?? (isSync && settings.model !== "sync" ? "low" : "normal"),
    growAfterMs: lane.growAfterMs ?? 100,
    idleMs: lane.idleMs ?? 30_000,
  };
}

/** The lane of model sync itself: as many workers as the plan has, processes or threads. */
export function defaultSyncLane(settings: ServeSettings, total: number): LaneSettings {
  const { threads, workers } = settings;
  const isOneProcess = threads > 0 && workers === 1;
  return {
    ...laneOf(
      { match: [], model: "sync", workers: total },
      { settings, cpus: { count: 1 }, name: defaultLaneName, origin: "default" },
    ),
    isolation: threads > 0 ? "thread" : "process",
    threadsEach: threads > 0 && !isOneProcess ? threads : 0,
  };
}

function workersOf({ model, workers }: UserLane, serverModel: ServeSettings["model"], cpus: number): Range | null {
  if (typeof workers === "number") return { min: workers, max: workers };
  if (workers !== undefined) return workers;
  if (model === "sync") return { min: 1, max: 2 * cpus + 1 };
  // Under model sync there are no loop workers that it could run in.
  return serverModel === "sync" ? { min: 1, max: 1 } : null;
}

/** "/reports/:year/**" is "reports". */
function wordsOf({ match }: UserLane): string {
  const words = [match]
    .flat()[0]!
    .split("/")
    .filter((word) => /^[\w.-]+$/.test(word));
  return words.length === 0 ? "all" : words.join("-").slice(0, 60);
}

function freeName(wanted: string, taken: ReadonlySet<string | undefined>): string {
  let name = wanted === defaultLaneName ? `${wanted}-2` : wanted;
  for (let count = 2; taken.has(name); count++) name = `${wanted}-${count}`;
  return name;
}
