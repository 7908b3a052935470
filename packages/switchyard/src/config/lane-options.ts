// What a lane can be given, once: a record for each key, and the check of a whole list of lanes.
//
// docs/options.md is printed from these records. The check names the one part that is wrong; it reads nothing and starts
// nothing. What a lane is where its user says nothing is in lanes.ts.

import { faultOfPattern } from "../lanes/match.ts";
import type { LaneModel, UserLane } from "./settings.ts";
import { nearest } from "./suggest.ts";
import { bytes, choice, duration, type Kind, readValue, structured, type ValueFault, wholeNumber } from "./values.ts";

export type LaneKey = keyof UserLane;

export interface LaneOptionRecord {
  readonly kind: Pick<Kind<never>, "allowedInConfig" | "unit"> & { readonly schema: unknown };
  /** What holds where it is not given, after "Default: ". */
  readonly defaultProse: string;
  /** What it does, in one or two whole sentences. */
  readonly prose: string;
}

const laneModels: readonly LaneModel[] = ["sync", "async", "greenlet"];
const mostWorkers = 1024;

const patterns = structured<string | readonly string[]>({
  ...inConfigOnly("a pattern of paths such as /reports/**, or a list of them"),
  faultOf: (value) => {
    const all = typeof value === "string" ? [value] : value;
    if (!Array.isArray(all) || all.length === 0 || all.some((each) => typeof each !== "string")) return anyFault;
    for (const pattern of all as string[]) {
      const why = faultOfPattern(pattern);
      if (why !== null) {
        return {
          saw: `the pattern "${pattern}", and ${why}.`,
          fix: "Write literal text, :name for a segment, and * for anything, as in /users/:id/reports/**.",
        };
      }
    }
    return null;
  },
});

const methodNames = structured<readonly string[]>({
  ...inConfigOnly('a list of methods such as ["GET", "POST"]'),
  faultOf: (value) => {
    const isList = Array.isArray(value) && value.length > 0;
    return isList && value.every((each) => typeof each === "string" && /^[A-Z][A-Z-]*$/.test(each)) ? null : anyFault;
  },
});

const laneName = structured<string>({
  ...inConfigOnly('a name of letters, digits, "-", "_" and ".", other than default'),
  faultOf: (value) =>
    typeof value === "string" && /^[A-Za-z0-9][\w.-]{0,63}$/.test(value) && value !== "default" ? null : anyFault,
});

const workerRange = structured<number | { min: number; max: number }>({
  ...inConfigOnly(`a whole number from 1 to ${mostWorkers}, or { min, max } of such numbers`),
  faultOf: (value) => {
    const { min, max } = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
    if (isCount(value) || (isCount(min) && isCount(max) && min <= max && Object.keys(value as object).length === 2))
      return null;
    return anyFault;
  },
});

export const laneRecords: {
  readonly [Key in LaneKey]-?: LaneOptionRecord & { kind: Kind<NonNullable<UserLane[Key]>> };
} = {
  match: {
    kind: patterns,
    defaultProse: "none, it must be given",
    prose:
      "The paths of the lane's requests: literal text, :name for one segment, * (or **) for anything, as URLPattern has " +
      "it. The query does not count.",
  },
  methods: {
    kind: methodNames,
    defaultProse: "every method",
    prose: "The methods of the lane's requests. GET takes HEAD with it.",
  },
  name: {
    kind: laneName,
    defaultProse: "made of the first pattern's words",
    prose: "What the lane is called in the log and on the status page.",
  },
  model: {
    kind: choice(laneModels),
    defaultProse: "none, it must be given",
    prose:
      "How the lane's requests are run: sync, one at a time in a worker of the lane's own; async, a task for each; " +
      "greenlet, a greenlet for each.",
  },
  workers: {
    kind: workerRange,
    defaultProse:
      "{ min: 1, max: twice the CPUs and one more } under sync; async and greenlet lanes run in the server's own loop workers",
    prose:
      "How many workers of its own the lane has. With { min, max } it grows when requests wait and shrinks when workers " +
      "are idle.",
  },
  isolation: {
    kind: choice(["thread", "process"]),
    defaultProse: "thread",
    prose: "Whether the lane's workers are threads or processes.",
  },
  processes: {
    kind: wholeNumber({ min: 1, max: mostWorkers }),
    defaultProse: "all threads are in one process with those of other lanes",
    prose: "How many processes of its own the lane's threads are spread over, evenly. Needs a fixed number of workers.",
  },
  inFlightLimit: {
    kind: wholeNumber({ min: 1, max: 1_000_000 }),
    defaultProse: "1000",
    prose: "How many requests one worker of an async or greenlet lane has at once; a sync worker has one.",
  },
  queueLimit: {
    kind: wholeNumber({ min: 0, max: 1_000_000 }),
    defaultProse: "the server's queueLimit",
    prose: "How many requests may wait for a worker of the lane. One more is answered 503 with Retry-After.",
  },
  queueTimeoutMs: {
    kind: duration({ minMs: 0 }),
    defaultProse: "the server's queueTimeoutMs",
    prose: "How long a request may wait for a worker of the lane. After that it is answered 503; 0 sets no limit.",
  },
  runTimeoutMs: {
    kind: duration({ minMs: 0 }),
    defaultProse: "the server's runTimeoutMs",
    prose:
      "How long a request may be in a worker of the lane. After that it is answered 504, and a worker that is stuck is " +
      "replaced; 0 sets no limit.",
  },
  bodyLimitBytes: {
    kind: bytes({ min: 0, max: 1024 ** 5 }),
    defaultProse: "the server's bodyLimitBytes",
    prose: "How large a request's body may be. A larger one is answered 413.",
  },
  order: {
    kind: choice(["oldest-first", "newest-first"]),
    defaultProse: "oldest-first",
    prose:
      "Which of the waiting requests is next. newest-first serves under overload those whose clients most likely still " +
      "wait; a full queue then refuses the oldest.",
  },
  priority: {
    kind: choice(["normal", "low"]),
    defaultProse: "low for sync lanes beside loop workers, else normal",
    prose: "The CPU priority of the lane's workers. low leaves the CPU to the loops whenever they want it.",
  },
  growAfterMs: {
    kind: duration({ minMs: 1 }),
    defaultProse: "100",
    prose: "With { min, max }: another worker is started when the oldest request has waited this long.",
  },
  idleMs: {
    kind: duration({ minMs: 1 }),
    defaultProse: "30000",
    prose: "With { min, max }: a worker that had no request for this long is stopped.",
  },
};

/** The keys that only a lane with workers of its own has a use for. */
const ofOwnWorkers = [
  "isolation",
  "processes",
  "inFlightLimit",
  "queueLimit",
  "queueTimeoutMs",
  "runTimeoutMs",
  "order",
  "priority",
  "growAfterMs",
  "idleMs",
] as const satisfies readonly LaneKey[];

/** What is wrong with a list of lanes, or null. */
export function faultOfLanes(value: unknown): ValueFault | null {
  if (!Array.isArray(value)) {
    return { saw: "is no list of lanes.", fix: 'Write a list: lanes: [{ match: "/reports/**", model: "sync" }].' };
  }
  const names = new Set<string>();
  for (const [index, lane] of value.entries()) {
    const where = `lanes[${index}]`;
    const fault = faultOfLane(where, lane);
    if (fault !== null) return fault;
    const { name } = lane as UserLane;
    if (name !== undefined && names.has(name)) {
      return { saw: `has two lanes of the name "${name}".`, fix: "Give each lane a name of its own." };
    }
    if (name !== undefined) names.add(name);
  }
  return null;
}

function faultOfLane(where: string, lane: unknown): ValueFault | null {
  if (typeof lane !== "object" || lane === null || Array.isArray(lane)) {
    return { saw: `has ${where} that is no object.`, fix: 'Write { match: "/reports/**", model: "sync" }.' };
  }
  for (const [key, value] of Object.entries(lane)) {
    const fault = value === undefined ? null : faultOfKey(where, key, value);
    if (fault !== null) return fault;
  }
  // Every key that is there has passed its own check.
  const given = lane as Partial<UserLane>;
  if (given.match === undefined || given.model === undefined) {
    const missing = given.match === undefined ? "match" : "model";
    return {
      saw: `gives ${where} no ${missing}, which every lane has.`,
      fix: missing === "match" ? 'Add the paths it takes, as in match: "/reports/**".' : 'Add model: "sync".',
    };
  }
  return faultBetween(where, { ...given, match: given.match, model: given.model });
}

function faultOfKey(where: string, key: string, value: unknown): ValueFault | null {
  if (!Object.hasOwn(laneRecords, key)) {
    const near = nearest(key, Object.keys(laneRecords));
    return {
      saw: `sets ${where}.${key}, which is no key of a lane.`,
      fix:
        near === null
          ? "Remove it; docs/lanes.md lists every key."
          : `Did you mean ${near}? Rename the key or remove it.`,
    };
  }
  // The cast: a record of one key is read here as a record of any; its own schema checks the value.
  const kind = laneRecords[key as LaneKey].kind as unknown as Kind<unknown>;
  if (readValue(kind, value).ok) return null;
  const fault = kind.faultOf?.(value) ?? anyFault;
  if (fault.saw !== "") return { ...fault, saw: `has in ${where}.${key} ${fault.saw}` };
  return {
    saw: `sets ${where}.${key} to ${shown(value)}, and it takes ${kind.allowedInConfig}.`,
    fix: "Give another value, or remove the key to use the default.",
  };
}

function faultBetween(where: string, lane: UserLane): ValueFault | null {
  const runsInLoops = lane.model !== "sync" && lane.workers === undefined;
  const useless = runsInLoops ? ofOwnWorkers.find((key) => lane[key] !== undefined) : undefined;
  if (useless !== undefined) {
    return {
      saw: `sets ${where}.${useless}, and that lane has no workers of its own.`,
      fix: `Give it some with workers, or remove ${useless}.`,
    };
  }
  if (lane.model === "sync" && lane.inFlightLimit !== undefined) {
    return {
      saw: `sets ${where}.inFlightLimit, and a sync worker has one request at a time.`,
      fix: "Remove it, or set workers.",
    };
  }
  if (lane.processes === undefined) return null;
  if (lane.isolation === "process") {
    return {
      saw: `sets ${where}.processes, which spreads threads, and isolation to process.`,
      fix: "Remove one of the two.",
    };
  }
  if (typeof lane.workers !== "number" || lane.workers % lane.processes !== 0) {
    return {
      saw: `spreads ${where}'s workers over ${lane.processes} processes, and workers is no multiple of that.`,
      fix: "Set workers to a number that each process gets an equal share of.",
    };
  }
  return null;
}

/** Reads `/reports/**=sync:2`, `GET,POST /reports/**=greenlet`, `/reports/**=sync:1-4`; the text itself is no lane. */
export function laneFromText(text: string): UserLane | string {
  const form = /^(?:([A-Z,-]+) +)?(.+)=([a-z]+)(?::(\d+)(?:-(\d+))?)?$/.exec(text);
  const [, methods, match, model, first, last] = form ?? [];
  if (match === undefined || !isLaneModel(model)) return text;
  return {
    match,
    model,
    ...(methods === undefined ? {} : { methods: methods.split(",") }),
    ...(first === undefined
      ? {}
      : { workers: last === undefined ? Number(first) : { min: Number(first), max: Number(last) } }),
  };
}

/** A lane as it would be written after --lane; what a flag can't say is left out. */
export function laneText({ match, methods, model, workers }: UserLane): string {
  const before = methods === undefined ? "" : `${methods.join(",")} `;
  const after =
    workers === undefined ? "" : `:${typeof workers === "number" ? workers : `${workers.min}-${workers.max}`}`;
  return [match]
    .flat()
    .map((pattern) => `${before}${pattern}=${model}${after}`)
    .join(" ");
}

/** The value is refused for its form, which `allowedInConfig` says. */
const anyFault: ValueFault = { saw: "", fix: "" };

function inConfigOnly(allowed: string) {
  return { placeholder: "", allowed, allowedInConfig: allowed, fromText: (text: string) => text, toText: String };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= mostWorkers;
}

function isLaneModel(model: string | undefined): model is LaneModel {
  return laneModels.some((each) => each === model);
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === "object" && value !== null) return JSON.stringify(value).slice(0, 80);
  return typeof value === "function" ? "a function" : String(value);
}
