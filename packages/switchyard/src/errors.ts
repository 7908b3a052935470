// Every error that Switchyard raises, once.
//
// A record for each code says whose fault it is and, where the error can end the command, with which exit code. The text
// of an error has two parts: what was seen, and what to do about it. Callers compare `code`, never text. `docs/errors.md`
// is printed from this record.

/** Whose fault an error is: the person at the command line, the application, the machine, or Switchyard itself. */
export type Fault = "user" | "app" | "system" | "ours";

interface ErrorRecord {
  readonly fault: Fault;
  /** The command's exit code when this error ends it. Distinct for each cause, so that a script can tell them apart. */
  readonly exitCode: number;
  /** One sentence for docs/errors.md: when this happens. */
  readonly when: string;
}

export const errorRecords = {
  SY_INTERNAL: { fault: "ours", exitCode: 70, when: "Something in Switchyard itself failed." },
  SY_UNKNOWN_OPTION: { fault: "user", exitCode: 64, when: "An option, command or argument is not known." },
  SY_OPTION_VALUE: { fault: "user", exitCode: 65, when: "An option's value is not one that it takes." },
  SY_APP_MISSING: {
    fault: "user",
    exitCode: 66,
    when: "No application was named, or its file does not exist or can't be read.",
  },
  SY_APP_SYNTAX: { fault: "app", exitCode: 67, when: "The application, or a module it imports, has a syntax error." },
  SY_APP_THREW: { fault: "app", exitCode: 68, when: "The application threw or rejected while it was being loaded." },
  SY_APP_NOTHING: {
    fault: "app",
    exitCode: 69,
    when: "The module exports nothing that can be served and never calls listen().",
  },
  SY_APP_LOADER: {
    fault: "app",
    exitCode: 71,
    when: "The application's TypeScript needs a loader that its project does not have.",
  },
  SY_APP_SLOW: { fault: "app", exitCode: 72, when: "The application was not ready within startTimeoutMs." },
  SY_APP_EXITED: { fault: "app", exitCode: 73, when: "The application ended its process while it was being loaded." },
  SY_PORT_IN_USE: { fault: "system", exitCode: 74, when: "The port or UNIX socket is taken by another process." },
  SY_PORT_DENIED: {
    fault: "system",
    exitCode: 75,
    when: "The address can't be bound: no permission, or not an address of this machine.",
  },
  SY_PRIVILEGES: {
    fault: "user",
    exitCode: 99,
    when: "The user or group to become does not exist, or this process may not become another.",
  },
  SY_ADMIN_TOKEN: {
    fault: "user",
    exitCode: 95,
    when: "The admin port was to be reachable from outside without a token, or its token can't be used.",
  },
  SY_TLS_FILE: {
    fault: "user",
    exitCode: 76,
    when: "The certificate or its key can't be read or do not fit each other.",
  },
  SY_CONFIG_THREW: { fault: "user", exitCode: 77, when: "The config file can't be loaded: it is missing, or throws." },
  SY_CONFIG_VALUE: {
    fault: "user",
    exitCode: 78,
    when: "The config file sets an option that does not exist or a value that it does not take.",
  },
  SY_GREENLET_UNAVAILABLE: {
    fault: "system",
    exitCode: 79,
    when: "The greenlet model was asked for and its addon can't be loaded.",
  },
  SY_NODE_VERSION: { fault: "user", exitCode: 80, when: "The command was run with a Node older than 24." },
  SY_PLAN_SOURCE: {
    fault: "user",
    exitCode: 90,
    when: "The file that plan is to take service times from can't be read, or has none.",
  },
  SY_PLAN_IMPOSSIBLE: {
    fault: "user",
    exitCode: 91,
    when: "The load that plan was given is more than any model can do on this machine.",
  },
  SY_STOPPING: { fault: "user", exitCode: 81, when: "A running server was told to change while it stops." },
  SY_RELOAD_SETTING: {
    fault: "user",
    exitCode: 82,
    when: "A reload found a setting changed that can't change while the server runs; the server goes on as it was.",
  },
  SY_NO_LANE: { fault: "user", exitCode: 83, when: "A lane was named that the server does not have." },
  SY_NO_WORKER: { fault: "user", exitCode: 84, when: "A worker was named that the server does not have." },
  SY_SCALE: { fault: "user", exitCode: 85, when: "A server was told to keep a number of workers that it can't keep." },
  SY_NO_SERVER: { fault: "user", exitCode: 86, when: "A command found no running server, or it does not answer." },
  SY_SEVERAL_SERVERS: {
    fault: "user",
    exitCode: 87,
    when: "Several servers were started in the folder, and the command was not told which one is meant.",
  },
  SY_CONTROL_SOCKET: {
    fault: "system",
    exitCode: 88,
    when: "The control socket can't be made, or belongs to a server that is running.",
  },
  SY_CONTROL_REQUEST: { fault: "user", exitCode: 89, when: "What came over the control socket is no command." },
  SY_COMPARE_TARGET: {
    fault: "user",
    exitCode: 92,
    when: "compare was given a server's address: it starts the application itself, on this machine alone.",
  },
  SY_COMPARE_NOTHING: {
    fault: "app",
    exitCode: 93,
    when: "compare could measure nothing: the application serves under no model, or none answers a path.",
  },
  SY_COMPARE_CONFIG: {
    fault: "user",
    exitCode: 94,
    when: "The advice can't be written into the config file without risking what is in it.",
  },
  SY_PID_FILE: {
    fault: "system",
    exitCode: 96,
    when: "The pid file names another server that is running, or it can't be written.",
  },
  SY_LOG_FILE: { fault: "system", exitCode: 97, when: "A log file can't be opened for writing." },
  SY_ACTIVATION: {
    fault: "user",
    exitCode: 98,
    when: "systemd passed sockets that the server can't choose from or use.",
  },
  SY_HANDOVER: {
    fault: "system",
    exitCode: 100,
    when: "The new server that was to take this one's place could not be started; this one goes on.",
  },
  SY_QUEUE_FULL: {
    fault: "system",
    exitCode: 70,
    when: "A request came while the queue was at queueLimit; it was answered 503.",
  },
  SY_WORKER_DIED: {
    fault: "app",
    exitCode: 70,
    when: "A worker ended while it had a request; the request was answered 502.",
  },
  SY_RUN_TIMEOUT: {
    fault: "app",
    exitCode: 70,
    when:
      "A request was longer than runTimeoutMs in its worker; it was answered 504 and the worker was replaced. Or its " +
      "greenlet computed for so long, and was ended alone.",
  },
} as const satisfies Record<string, ErrorRecord>;

export type ErrorCode = keyof typeof errorRecords;

export interface ErrorParts {
  /** What was seen, as a whole sentence. */
  readonly saw: string;
  /** What to do, as a whole sentence in the imperative. */
  readonly fix: string;
  /** The first error, when there was one before this. */
  readonly cause?: unknown;
}

/** The one error class. `message` is both parts, one after the other. */
export class SwitchyardError extends Error {
  override readonly name = "SwitchyardError";
  readonly code: ErrorCode;
  readonly saw: string;
  readonly fix: string;

  constructor(code: ErrorCode, parts: ErrorParts) {
    super(`${parts.saw} ${parts.fix}`, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = code;
    this.saw = parts.saw;
    this.fix = parts.fix;
  }

  get fault(): Fault {
    return errorRecords[this.code].fault;
  }

  get exitCode(): number {
    return errorRecords[this.code].exitCode;
  }
}

/** An error as plain data, to cross from a worker to the supervisor. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly saw: string;
  readonly fix: string;
  /** The stack of the first error, for `--verbose`. */
  readonly stack: string | null;
}

export function reportOf(error: unknown): ErrorReport {
  const known = error instanceof SwitchyardError ? error : internalError(error);
  const first = known.cause instanceof Error ? known.cause : known;
  return { code: known.code, saw: known.saw, fix: known.fix, stack: first.stack ?? null };
}

export function errorOf(report: ErrorReport): SwitchyardError {
  const cause = report.stack === null ? undefined : Object.assign(new Error(report.saw), { stack: report.stack });
  return new SwitchyardError(report.code, { saw: report.saw, fix: report.fix, cause });
}

function internalError(error: unknown): SwitchyardError {
  const text = error instanceof Error ? error.message : String(error);
  return new SwitchyardError("SY_INTERNAL", {
    saw: `Switchyard failed: ${text}.`,
    fix: "Run it again with --verbose for the stack, and report it.",
    cause: error,
  });
}
