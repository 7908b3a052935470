// The server's own log: one JSON line for each event on stdout, or a readable line when stdout is a terminal.
//
// Works in the supervisor, in a worker process and in a worker thread: each writes to file descriptor 1 itself, so no line
// travels by way of another process, and none waits in memory when its process dies. A line is for a person woken at
// night: what happened, to which worker, what happens next. Requests are not logged here; they have access lines.

import { createRequire } from "node:module";
import { isatty } from "node:tty";
import pino, { type DestinationStream } from "pino";
import type PinoPretty from "pino-pretty";
import type { LogLevel } from "../config/settings.ts";
import { reportOf } from "../errors.ts";

export type Logger = pino.Logger;

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Who speaks: "supervisor", "worker 3", "balancer". */
  readonly component: string;
  /** Readable lines instead of JSON. Default: whether stdout is a terminal. */
  readonly pretty?: boolean;
}

/**
 * Makes a logger whose lines hold `time`, `level` as a word, `pid`, `component`, `msg`, and what is passed to the call.
 * Lines are written before the call returns; a reader that has gone away (EPIPE) ends the log and nothing else.
 */
export function createLogger({ level, component, pretty = isatty(1) }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid, component },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pretty ? prettyDestination() : pino.destination({ fd: 1, sync: true }),
  );
}

/**
 * An error as fields for a line: `log.error(errorFields(error), "Worker 3 can't load the application.")`. The stack is
 * there only when asked for.
 */
export function errorFields(error: unknown, verbose: boolean): Record<string, string> {
  const { code, saw, fix, stack } = reportOf(error);
  return { code, saw, fix, ...(verbose && stack !== null ? { stack } : {}) };
}

/** Whether colours are wanted on a terminal (no-color.org). */
export function wantsColour(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
}

/** pino-pretty takes longer to load than all else here, so it is loaded only where a person looks at the log. */
function prettyDestination(): DestinationStream {
  // require() is not typed; this is the package's own declaration of what it exports.
  const pretty = createRequire(import.meta.url)("pino-pretty") as typeof PinoPretty;
  return pretty({
    destination: pino.destination({ fd: 1, sync: true }),
    colorize: wantsColour(),
    ignore: "pid,hostname,component",
    messageFormat: "{component}: {msg}",
    translateTime: "SYS:HH:MM:ss.l",
  });
}
