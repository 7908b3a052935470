// What `switchyard serve` was told, after flags, config file and environment were put together: plain data that every
// process of the server is given. `options.ts` has a record for each field, with its unit, default, check and prose.

import type { OptionKey } from "./option.ts";

export type Model = "auto" | "sync" | "async" | "hybrid" | "greenlet";
/** How a lane runs requests; `hybrid` is `async` in as many workers as a server has. */
export type LaneModel = "sync" | "async" | "greenlet";
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "silent";
export type AccessLogFormat = "json" | "common" | "combined";

/**
 * A lane as its user gives it: the requests that match, and how they are run. lane-options.ts has a record for each key,
 * with its unit, default and prose; lanes.ts puts the defaults in.
 */
export interface UserLane {
  /** Paths: literal text, `:name` for a segment, `*` for any characters, `/**` for all below. */
  readonly match: string | readonly string[];
  readonly model: LaneModel;
  readonly methods?: readonly string[] | undefined;
  readonly name?: string | undefined;
  readonly workers?: number | { readonly min: number; readonly max: number } | undefined;
  readonly isolation?: "thread" | "process" | undefined;
  readonly processes?: number | undefined;
  readonly inFlightLimit?: number | undefined;
  readonly queueLimit?: number | undefined;
  readonly queueTimeoutMs?: number | undefined;
  readonly runTimeoutMs?: number | undefined;
  readonly bodyLimitBytes?: number | undefined;
  readonly order?: "oldest-first" | "newest-first" | undefined;
  readonly priority?: "normal" | "low" | undefined;
  readonly growAfterMs?: number | undefined;
  readonly idleMs?: number | undefined;
}

export interface ServeSettings {
  /** The application's file, as an absolute path. */
  readonly app: string;
  /** The options that flags, the config file or the environment set; the others have their defaults. */
  readonly given: readonly OptionKey[];
  readonly model: Model;
  /** Processes that run the application; "auto" follows the CPUs that this process may use. */
  readonly workers: number | "auto";
  /** Workers as threads, in each process; 0 when the workers are the processes themselves. */
  readonly threads: number;
  /** How long a request may run under model greenlet before others get their turn, in milliseconds; 0: until it waits. */
  readonly preemptMs: number;
  /** Requests that are run in another way than the model's, by their paths; the first lane that matches takes a request. */
  readonly lanes: readonly UserLane[];
  /** Under model auto: how long a request may hold an event loop without a break, in milliseconds, before that counts. */
  readonly autoThresholdMs: number;

  readonly host: string;
  readonly port: number;
  /** A UNIX socket to listen on instead of host and port, or null. */
  readonly unix: string | null;
  /** The socket's permissions, as octal digits; null: what the umask leaves. */
  readonly unixMode: string | null;
  /** Whom to become once the socket is bound, or null. */
  readonly user: string | null;
  readonly group: string | null;
  /** Proxies that are believed: addresses, ranges, `unix`, `all`. */
  readonly trustProxy: readonly string[];
  readonly proxyProtocol: boolean;
  /** The status page's port: 0 for any free one, null for none. */
  readonly adminPort: number | null;
  /** What the status page's port listens on; anything but loopback needs a token. */
  readonly adminHost: string;
  /** The file that has the token of the status page's port, or null. */
  readonly adminTokenFile: string | null;
  /** The control socket's path; "auto" where the commands look for it, null for none. */
  readonly controlSocket: string | null;
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;

  readonly logLevel: LogLevel;
  readonly accessLog: AccessLogFormat | null;
  /** Where log lines go instead of stdout, or null. */
  readonly logFile: string | null;
  readonly accessLogFile: string | null;
  readonly verbose: boolean;

  /** Requests that may wait for a sync worker; one more is answered 503. */
  readonly queueLimit: number;
  /** How long a request may wait for a sync worker, in milliseconds, before it is answered 503; 0: no limit. */
  readonly queueTimeoutMs: number;
  /** How long a request may be in a sync worker, in milliseconds, before it is answered 504 and the worker replaced; 0: no limit. */
  readonly runTimeoutMs: number;

  /** How long a worker's loop may be held before what holds it is told, in milliseconds; 0: never. */
  readonly blockedThresholdMs: number;

  readonly headersTimeoutMs: number;
  readonly tlsHandshakeTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly bodyLimitBytes: number;

  readonly startTimeoutMs: number;
  readonly drainTimeoutMs: number;
  /** How long to go on serving, while readiness is false, before a drain. */
  readonly lameDuckMs: number;
  readonly pidFile: string | null;

  /** When a worker is replaced by a new one (pool/recycle.ts); 0: never for this reason. */
  readonly maxRequests: number;
  readonly maxLifetimeMs: number;
  readonly memoryLimitBytes: number;
  readonly heapLimitBytes: number;
}
