// The server's own log: one JSON line for each event on stdout, or a readable line when stdout is a terminal.
//
// Works in the supervisor, in a worker process and in a worker thread: each writes to file descriptor 1 itself, so no line
// travels by way of another process, and none waits in memory when its process dies. A line is for a person woken at
// night: what happened, to which worker, what happens next. Requests are not logged here; they have access lines.
//
// pino is loaded with the first line that is written. Most workers never write one, and it takes 12 ms and 10 MB of
// resident memory.

import { createRequire } from "node:module";
import { isatty } from "node:tty";
import type Pino from "pino";
import type PinoPretty from "pino-pretty";
import type { LogLevel } from "../config/settings.ts";
import { reportOf } from "../errors.ts";
import { inPlace } from "../write-now.ts";
import { wantsColour } from "./colour.ts";
import { logFileMode, onReopen } from "./files.ts";
import type { Log } from "./log.ts";

export type Logger = Log;

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Who speaks: "supervisor", "worker 3", "balancer". */
  readonly component: string;
  /** A file to append to instead of stdout. */
  readonly file?: string | null;
  /** Readable lines instead of JSON. Default: whether stdout is a terminal, and the lines go there. */
  readonly pretty?: boolean;
}

const levels = ["trace", "debug", "info", "warn", "error", "silent"] as const satisfies readonly LogLevel[];

/**
 * Makes a logger whose lines hold `time`, `level` as a word, `pid`, `component`, `msg`, and the fields of the call.
 * A line is written before the call returns; a reader that has gone away (EPIPE) ends the log and nothing else.
 */
export function createLogger(options: LoggerOptions): Logger {
  const least = levels.indexOf(options.level);
  let loaded: Pino.Logger | null = null;

  function write(level: keyof Log, fields: object, text: string): void {
    if (levels.indexOf(level) < least) return;
    inPlace(() => {
      loaded ??= loadLogger(options);
      loaded[level](fields, text);
    });
  }

  return {
    debug: (fields, text) => write("debug", fields, text),
    info: (fields, text) => write("info", fields, text),
    warn: (fields, text) => write("warn", fields, text),
    error: (fields, text) => write("error", fields, text),
  };
}

/**
 * An error as fields for a line: `log.error(errorFields(error, verbose), "Worker 3 can't load the application.")`. The
 * stack is there only when asked for.
 */
export function errorFields(error: unknown, verbose: boolean): Record<string, string> {
  const { code, saw, fix, stack } = reportOf(error);
  return { code, saw, fix, ...(verbose && stack !== null ? { stack } : {}) };
}

// require() has no types: the casts below are to what each package declares that it exports.
const require = createRequire(import.meta.url);

function loadLogger({
  level,
  component,
  file = null,
  pretty = file === null && isatty(1),
}: LoggerOptions): Pino.Logger {
  const pino = require("pino") as typeof Pino;
  const destination = file === null ? pino.destination({ fd: 1, sync: true }) : fileDestination(pino, file);
  return pino(
    {
      level,
      base: { pid: process.pid, component },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pretty ? prettyStream(destination) : destination,
  );
}

function fileDestination(pino: typeof Pino, file: string) {
  const destination = pino.destination({ dest: file, append: true, mode: logFileMode, sync: true });
  // A file that can't be written, or opened again, has nowhere else to say so.
  destination.on("error", () => {});
  onReopen(() => {
    try {
      destination.reopen();
    } catch {
      // The old one is written on.
    }
  });
  return destination;
}

/** pino-pretty takes as long to load as pino itself, so it is loaded only where a person looks at the log. */
function prettyStream(destination: Pino.DestinationStream): Pino.DestinationStream {
  const pretty = require("pino-pretty") as typeof PinoPretty;
  return pretty({
    destination,
    colorize: wantsColour(),
    // At a terminal the sentence is what counts: its fields are for programs, but for what an error says.
    hideObject: true,
    ignore: "pid,hostname",
    messageFormat: prettyMessage,
    translateTime: "SYS:HH:MM:ss",
  });
}

function prettyMessage(line: Record<string, unknown>): string {
  const { component, msg, code, saw, fix, stack } = line;
  const error = [code === undefined ? saw : `${code}: ${saw}`, fix, stack].filter((part) => part !== undefined);
  const below = saw === undefined ? "" : error.map((part) => `\n  ${part}`).join("");
  return `${component}: ${msg}${below}`;
}
