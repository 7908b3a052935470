// Every option of `switchyard serve`, once. (Those of listening and limits are in files of their own.)
//
// A record says an option's flag, its key in the config file (which is its name in ServeSettings), the kind of value it
// takes, its default and its prose. The command line's parser, the config file's check, `serve --help` and docs/options.md
// are all made from these records, so an option that is not here does not exist, and one that is here is documented.

import { faultOfLanes, laneFromText, laneText } from "./lane-options.ts";
import { limitOptions } from "./limit-options.ts";
import { listeningOptions } from "./listening-options.ts";
import type { OptionKey, OptionRecord, OptionRecords } from "./option.ts";
import type { AccessLogFormat, LogLevel, Model, UserLane } from "./settings.ts";
import {
  bytes,
  choice,
  duration,
  optional,
  orOff,
  path,
  structured,
  toggle,
  wholeNumber,
  wholeNumberOr,
} from "./values.ts";

/** A flag of the command itself, which is no part of the settings and has no key in the config file. */
export interface CommandFlag {
  readonly flag: string;
  readonly short?: string;
  readonly placeholder: string;
  readonly prose: string;
}

const models: readonly Model[] = ["auto", "sync", "async", "hybrid", "greenlet"];
const logLevels: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error", "silent"];
const accessLogFormats: readonly AccessLogFormat[] = ["json", "common", "combined"];

export const optionRecords: OptionRecords = {
  model: {
    flag: "model",
    group: "Workers",
    kind: choice(models),
    default: "auto",
    prose:
      "How a worker runs requests: sync, one at a time; async, a task for each on one event loop; hybrid, an event loop " +
      "for each CPU; auto, the same, and routes that hold an event loop are moved to sync workers; greenlet, a greenlet " +
      "for each on an event loop.",
  },
  workers: {
    flag: "workers",
    group: "Workers",
    kind: wholeNumberOr("auto", { min: 1, max: 1024 }),
    default: "auto",
    prose:
      "How many processes run the application. auto follows the CPUs that this process may use (its affinity and its " +
      "cgroup's quota): one for each under auto, hybrid and greenlet, 1 under async, twice as many and one more under sync; " +
      "with --threads it is 1.",
  },
  threads: {
    flag: "threads",
    group: "Workers",
    kind: wholeNumber({ min: 0, max: 1024 }),
    default: 0,
    prose: "How many workers each process runs as threads. 0 makes each process itself one worker.",
  },
  preemptMs: {
    flag: "preempt",
    group: "Workers",
    kind: duration({ minMs: 0 }),
    default: 0,
    prose:
      "How long a request may compute under model greenlet, the server's or a lane's, before the others get their turn, 2ms to 10ms for instance. It " +
      "goes on after them, so what requests share may change at any moment, not only where they wait. 0 lets each run " +
      "until it waits.",
  },
  lanes: {
    flag: "lane",
    group: "Workers",
    kind: structured<readonly UserLane[]>({
      placeholder: "<lane>",
      allowed: "a pattern and a model, such as /reports/**=sync:2, /api/*=greenlet or GET,POST /slow=sync:1-4; or none",
      allowedInConfig: "a list of lanes (below)",
      faultOf: faultOfLanes,
      fromText: (given) => (given === "none" ? [] : [laneFromText(given)]),
      toText: (lanes) => (lanes.length === 0 ? "none" : lanes.map(laneText).join(" ")),
    }),
    default: [],
    repeats: true,
    prose:
      "Runs the requests that match a pattern in another way than the rest: a model, and after a colon how many workers " +
      "of its own. May be given many times; the first lane that matches takes a request. Lanes given by flags replace " +
      "those of the config file, which can say more of each (docs/lanes.md).",
  },

  autoThresholdMs: {
    flag: "auto-threshold",
    group: "Workers",
    kind: duration({ minMs: 1 }),
    default: 20,
    prose:
      "Under model auto: how long a request may hold an event loop without a break before that counts. A route that does so " +
      "several times is moved to sync workers.",
  },

  ...listeningOptions,
  ...limitOptions,
  startTimeoutMs: {
    flag: "start-timeout",
    group: "Starting and stopping",
    kind: duration({ minMs: 1 }),
    default: 30_000,
    prose: "How long a worker may take until its application serves. After that the server ends with SY_APP_SLOW.",
  },
  drainTimeoutMs: {
    flag: "drain-timeout",
    group: "Starting and stopping",
    kind: duration({ minMs: 0 }),
    default: 30_000,
    prose: "How long requests in flight have to finish once the server is told to stop. 0 stops at once.",
  },

  lameDuckMs: {
    flag: "lame-duck",
    group: "Starting and stopping",
    kind: duration({ minMs: 0 }),
    default: 0,
    prose:
      "How long the server goes on to serve after SIGTERM, with /readyz at 503, before it drains: time for a load " +
      "balancer to send its clients elsewhere.",
  },
  pidFile: {
    flag: "pid-file",
    group: "Starting and stopping",
    kind: optional(path({ allowed: "the path of a file" })),
    default: null,
    prose: "A file for the number of the server's process, as long as it runs.",
  },

  maxRequests: {
    flag: "max-requests",
    group: "Recycling",
    kind: wholeNumber({ min: 0, max: 1_000_000_000 }),
    default: 0,
    prose:
      "After how many requests a worker is replaced, when its successor is ready and never two at once. Each worker's " +
      "own number is up to a fifth lower, at random. 0 is never.",
  },
  maxLifetimeMs: {
    flag: "max-lifetime",
    group: "Recycling",
    kind: duration({ minMs: 0 }),
    default: 0,
    prose: "After what time a worker is replaced likewise, each worker's own up to a fifth shorter. 0 is never.",
  },
  memoryLimitBytes: {
    flag: "memory-limit",
    group: "Recycling",
    kind: bytes({ min: 0, max: 1024 ** 5 }),
    default: 0,
    prose:
      "Above how much resident memory a worker's process is replaced likewise; workers that are threads of the " +
      "balancer's own process have no such limit. 0 is none.",
  },
  heapLimitBytes: {
    flag: "heap-limit",
    group: "Recycling",
    kind: bytes({ min: 0, max: 1024 ** 5 }),
    default: 0,
    prose:
      "Above how much used JavaScript heap, garbage that is not collected yet included, a worker is replaced likewise. 0 is none.",
  },

  logLevel: {
    flag: "log-level",
    group: "Logs",
    kind: choice(logLevels),
    default: "info",
    prose: "The least important log lines that are written. Access lines do not depend on it.",
  },
  accessLog: {
    flag: "access-log",
    offFlag: "no-access-log",
    group: "Logs",
    kind: orOff(choice(accessLogFormats)),
    default: "json",
    prose:
      "The form of the line that each request gets: json with all that is known of it, or the Common or Combined Log " +
      "Format. On a terminal, json is shown as a short readable line.",
  },
  logFile: {
    flag: "log-file",
    group: "Logs",
    kind: optional(path({ allowed: "the path of a file" })),
    default: null,
    defaultProse: "stdout",
    prose:
      "A file for Switchyard's own log lines. Each process appends to it by itself, and opens it again on SIGUSR1. " +
      "What the application prints stays on stdout.",
  },
  accessLogFile: {
    flag: "access-log-file",
    group: "Logs",
    kind: optional(path({ allowed: "the path of a file" })),
    default: null,
    defaultProse: "stdout",
    prose: "A file for the access lines, likewise.",
  },
  verbose: {
    flag: "verbose",
    group: "Logs",
    kind: toggle(),
    default: false,
    prose: "Adds stack traces to errors.",
  },
};

export const commandFlags = {
  config: {
    flag: "config",
    placeholder: "<file>",
    prose:
      "The config file. Without it, switchyard.config.ts, .mts, .js or .mjs in the current folder is used when there is one.",
  },
  help: { flag: "help", short: "h", placeholder: "", prose: "Prints this." },
} as const satisfies Record<string, CommandFlag>;

/** Every option with its key, in the order of the help. */
export function eachOption(): { key: OptionKey; record: OptionRecord }[] {
  // Object.entries forgets the keys' type; optionRecords has exactly the keys of OptionKey. A record of one key is read
  // here as a record of any, which holds for everything but passing `kind` a value of another option.
  return Object.entries(optionRecords).map(([key, record]) => ({
    key: key as OptionKey,
    record: record as unknown as OptionRecord,
  }));
}

/** "5s", "none", "auto": the default as it would be written after the flag. */
export function defaultText(record: OptionRecord): string {
  return record.defaultProse ?? record.kind.toText(record.default);
}
