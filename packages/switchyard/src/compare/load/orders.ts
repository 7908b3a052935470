// What the load generator is told and what it answers: plain data between the thread that measures and the one that sends.

export interface Target {
  readonly host: string;
  readonly port: number;
  /** What is sent besides the path; a plain GET where it is left out. */
  readonly request?: RequestShape;
}

/** The same for every path. */
export interface RequestShape {
  readonly method: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** Empty: none. */
  readonly body: string;
}

export const plainGet: RequestShape = { method: "GET", headers: [], body: "" };

/** Requests for one path, all alike. */
export interface Stream {
  readonly path: string;
  /** The status that its answers are to have: latencies are of these alone. Left out: of all. */
  readonly expected?: number;
  readonly arrivals:
    | {
        readonly kind: "closed" /** Clients; each sends when its last request is answered. */;
        readonly clients: number;
      }
    | { readonly kind: "open" /** Requests sent in a second, whatever becomes of them. */; readonly perSecond: number };
}

export interface LoadOrder {
  readonly target: Target;
  readonly streams: readonly Stream[];
  /** How long requests are sent, in milliseconds. */
  readonly lengthMs: number;
  /** How long the last of them have to be answered. */
  readonly patienceMs: number;
}

/** Latencies in milliseconds at `latencyQuantiles`, in their order. */
export type Quantiles = readonly number[];

export const latencyQuantiles = [
  0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1,
] as const;

export interface StreamResult {
  readonly path: string;
  readonly arrivals: Stream["arrivals"];
  /** Answered while requests were being sent. */
  readonly answered: number;
  /** Of all that were sent, by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Connections that broke or were refused. */
  readonly broken: number;
  /** Not answered within the patience: their latencies count with the time that they had waited. */
  readonly unanswered: number;
  /** Bytes of the bodies. */
  readonly bytes: number;
  /** Of answers with the expected status, and of requests without an answer; in milliseconds. */
  readonly meanMs: number;
  readonly quantilesMs: Quantiles;
}

export interface LoadResult {
  /** How long requests were sent, as measured. */
  readonly lengthMs: number;
  readonly streams: readonly StreamResult[];
  /** The share of that time for which the generator itself was busy: near 1 it is the bottleneck, and not the server. */
  readonly busyRatio: number;
  /** How far the generator was behind its own timetable at the worst, in milliseconds; 0 in a closed loop. */
  readonly behindMs: number;
}
