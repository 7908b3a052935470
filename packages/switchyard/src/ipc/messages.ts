// Everything that processes and threads of one server say to each other: a union for each direction.
//
// Control messages travel between a parent and the workers it started (the supervisor and its loop workers or balancer,
// a balancer and its sync workers). Request messages travel by a Channel, between a balancer and one worker of its own, or
// between a loop worker and the process of the lanes' workers, and belong to the request with that id. Plain data only, so that a pipe and a message port carry the same.

import type { Socket } from "node:net";
import type { MessagePort } from "node:worker_threads";
import type { Introduction, ListeningAddress } from "../app/application.ts";
import type { RouteEvidence } from "../auto/evidence.ts";
import type { MovedRoute } from "../auto/moved-routes.ts";
import type { LaneSettings } from "../config/lanes.ts";
import type { ServeSettings } from "../config/settings.ts";
import type { ErrorReport } from "../errors.ts";
import type {
  BlockedReport,
  DeathReport,
  Dropped,
  LaneWorkersSnapshot,
  RequestBrief,
  RequestCounts,
  Vitals,
  WorkerSnapshot,
} from "../metrics/snapshot.ts";
import type { LaneTraffic } from "../metrics/traffic.ts";

/** What a process or thread of the server is told at its start. */
export interface StartOrder {
  readonly settings: ServeSettings;
  readonly address: ListeningAddress;
  /** The numbers of the workers that live in it, the first at `[0]`; each appears in logs and on the status page. */
  readonly workers: readonly number[];
  /** Every lane but the default one, in the order in which they are matched. */
  readonly lanes: readonly LaneSettings[];
  /** The lane that a worker of one is for; null in loop workers and in the pool's process. */
  readonly lane: LaneSettings | null;
  /** The UNIX socket by which loop workers reach the lanes' workers: where to connect, or to listen; null: none yet. */
  readonly link: string | null;
  /** Certificate and key as PEM text, or null to serve without TLS. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

/** What a worker thread finds in `workerData`. */
export interface ThreadData {
  /** By which its host sees whether its loop goes round (watch/beats.ts). */
  readonly beats: Int32Array<SharedArrayBuffer>;
  readonly order: StartOrder;
  /** For requests, when it is a sync worker served from this process. */
  readonly port: MessagePort | null;
  /** Beside the port: for messages, as the thread sees them (ipc/ring-channel.ts), and for claims (pool/claims.ts). */
  readonly rings: { readonly outgoing: SharedArrayBuffer; readonly incoming: SharedArrayBuffer } | null;
  readonly claims: SharedArrayBuffer | null;
  /** A descriptor of this process that is this thread's alone: its listening socket or its channel for requests. */
  readonly fd: number | null;
}

/** What a worker says in the moment in which its program ends it. */
export interface LastWords {
  readonly worker: number;
  /** The request whose code ended it, or null when it was no request's. */
  readonly request: RequestBrief | null;
  /** The error that nobody caught, in one line. */
  readonly error: string | null;
  /** The death of each of its threads was told, so that of their process is no other. */
  readonly wasTold?: boolean;
}

export type ToWorker =
  | {
      readonly type: "start";
      readonly order: StartOrder;
      /** Where Node is to write why, should it abort the process; null: nowhere. */
      readonly fatalReport?: string;
      /** A pipe to the parent for what is told of a held loop, one report in JSON to a line. */
      readonly watchFd?: number;
    }
  /**
   * Take nothing new, finish what is in flight, then end; whatever is left after `withinMs` is given up. With `handsOver`
   * others serve already, and an idle connection is left to its client until it ends as any idle one would. May be sent
   * again, to say that there is less time, or that nobody serves any more.
   */
  | { readonly type: "stop"; readonly withinMs: number; readonly handsOver: boolean }
  /** To a balancer: change the workers that it keeps, and answer `changed` when they are ready or could not be. */
  | { readonly type: "change"; readonly id: number; readonly change: PoolChange }
  /** Open the log files again: somebody has moved them away. */
  | { readonly type: "reopenLogs" }
  /** The lanes from now on, by which a loop worker matches. */
  | { readonly type: "lanes"; readonly lanes: readonly LaneSettings[] }
  /** Requests of these routes go to the lane of origin "auto" from now on, and those of no other. */
  | { readonly type: "moves"; readonly routes: readonly MovedRoute[] }
  /** The lanes' workers are reached here from now on; what was sent elsewhere is answered from there. */
  | { readonly type: "link"; readonly path: string }
  /** End one thread of this process now; its other threads go on until the process is replaced. */
  | { readonly type: "endThread"; readonly worker: number }
  | ToLoopOfMany;

/** About the connections of a loop that is one of several (edge/fair-share.ts). */
export type ToLoopOfMany =
  /** How many connections do you have? `question` is told with the answer. */
  | { readonly type: "tellConnections"; readonly question: number }
  /** Hand as many that wait to that loop. */
  | { readonly type: "giveConnections"; readonly to: number; readonly count: number }
  /** Begin as many of those that wait; the loop with the fewest has this many. */
  | { readonly type: "keepConnections"; readonly count: number; readonly fewest: number }
  /** Comes with a connection that another loop has accepted; between threads it is in the message. */
  | { readonly type: "takeConnection"; readonly connection?: Socket }
  /** Every connection that this loop has handed over is another's by now, or has come back to it before this. */
  | { readonly type: "noneOnTheWay" };

/** The connections of a loop. */
export interface ConnectionCounts {
  /** All of them, those that wait included. */
  readonly open: number;
  /** Accepted, unread, and too many. */
  readonly waiting: number;
  /** Those that waited and that it was told to keep, so far. */
  readonly kept: number;
  /** Those that it has adopted from others so far. */
  readonly adopted: number;
  /** The last question that it has heard. */
  readonly answers: number;
}

/**
 * How many workers a lane is to have, or which worker another is to take the place of, or which lanes there are: those that
 * are new get workers, those of lanes that are gone end.
 */
export type PoolChange =
  | { readonly lane: string; readonly workers: number }
  | { readonly restart: number }
  | { readonly lanes: readonly LaneSettings[] };

export type FromWorker =
  /** What became of a `change`: done, or why not; then all is as it was. */
  | { readonly type: "changed"; readonly id: number; readonly error: ErrorReport | null }
  /** The application is loaded and requests are taken. */
  | ({ readonly type: "ready" } & Introduction)
  /** The application can't be served; the sender ends right after this. */
  | { readonly type: "failed"; readonly error: ErrorReport }
  /** The sender can't do its full work any more, for the cause that the sentence says: replace it, then stop it. */
  | { readonly type: "impaired"; readonly cause: string }
  /** Which routes have held a loop for long; from a worker of the automatic lane, what it ran. */
  | { readonly type: "holds"; readonly where: "loop" | "pool"; readonly routes: readonly RouteEvidence[] }
  /** From a balancer: the processes that it has started and that have not ended, each the leader of its process group. */
  | { readonly type: "processes"; readonly pids: readonly number[] }
  | { readonly type: "lastWords"; readonly words: LastWords }
  /** A worker's loop is held: told past that loop. */
  | { readonly type: "blocked"; readonly report: BlockedReport }
  /** From whoever has started workers of its own: one of them has died. */
  | { readonly type: "death"; readonly death: DeathReport }
  /** From a sync worker, whose requests its balancer reports. */
  | { readonly type: "vitals"; readonly worker: number; readonly vitals: Vitals }
  /** From a loop that is one of several. */
  | ({ readonly type: "connections" } & ConnectionCounts)
  /** Comes with a connection for another loop, or without one where its client has left; from a thread it is in the message. */
  | { readonly type: "handOver"; readonly to: number; readonly connection?: Socket }
  /** It hands over no more, and wants to hear when none of them is on its way. */
  | { readonly type: "handedOverLast" }
  | {
      readonly type: "report";
      readonly workers: readonly WorkerSnapshot[];
      /** Requests of the sender since its start, those in workers of its own that have ended included. */
      readonly totals: RequestCounts;
      /** The same by lane, with how long they took. */
      readonly traffic: readonly LaneTraffic[];
      /** Since its start, where clients' connections are. */
      readonly dropped: Dropped;
      /** From the pool's process: the lanes with workers of their own, and how many of these were replaced. */
      readonly lanes?: readonly LaneWorkersSnapshot[];
      readonly restarts?: number;
    };

/** Where a connection comes from and goes to, as `socket` shows it to the application. */
export interface Endpoint {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly encrypted: boolean;
}

export interface RequestHead {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  /** Names and values in turn, as the client sent them. */
  readonly rawHeaders: string[];
  readonly endpoint: Endpoint;
}

export interface ResponseHead {
  readonly status: number;
  readonly statusMessage: string;
  /** Names and values in turn, without the fields of one connection (Connection, Transfer-Encoding, Keep-Alive). */
  readonly rawHeaders: string[];
  /**
   * The Transfer-Encoding that the response was given, or null. HTTP/1.1 sends it on, since a response with neither that
   * nor a Content-Length ends with its connection; HTTP/2 has no such field.
   */
  readonly transferEncoding: string | null;
  /** The application asked for the client's connection to be closed after this response. */
  readonly close: boolean;
}

/** A piece of a body. Text is kept as text, so that a short answer crosses without being copied to a buffer first. */
export type Piece = Uint8Array | string;

export type ToSyncWorker =
  /** With `hasBody`, `body` messages follow and one `bodyEnd`, unless it `isWhole`: then the piece is all of its body. */
  | {
      readonly type: "request";
      readonly id: number;
      /** A RequestHead, packed (heads.ts), as is each head below. */
      readonly head: string;
      readonly hasBody: boolean;
      readonly isWhole: boolean;
      readonly piece?: Piece | undefined;
      readonly expectsContinue: boolean;
      /** Sent ahead to a worker that may be busy, which claims it by this before it begins (pool/claims.ts); null: it is its own. */
      readonly slot: number | null;
    }
  | { readonly type: "body"; readonly id: number; readonly piece: Piece }
  | { readonly type: "bodyEnd"; readonly id: number; readonly rawTrailers: string[] }
  /** The client has taken this many more bytes of the response. */
  | { readonly type: "credit"; readonly id: number; readonly bytes: number }
  /** The client has gone. */
  | { readonly type: "abort"; readonly id: number }
  /** No request comes after this: it is sent when the worker is told to stop, which may be heard of first. */
  | { readonly type: "last" };

export type FromSyncWorker =
  /** An interim response: 100 Continue, 102 Processing, 103 Early Hints. */
  | { readonly type: "interim"; readonly id: number; readonly head: string }
  | { readonly type: "head"; readonly id: number; readonly head: string }
  | { readonly type: "body"; readonly id: number; readonly piece: Piece }
  | { readonly type: "bodyEnd"; readonly id: number; readonly rawTrailers: string[] }
  /** A whole response in one message: head and all of its body. The worker is free with it: no `free` follows. */
  | { readonly type: "answer"; readonly id: number; readonly head: string; readonly piece: Piece }
  /** The application has taken this many more bytes of the request's body. */
  | { readonly type: "credit"; readonly id: number; readonly bytes: number }
  /** The worker can't complete the response: the application destroyed it. */
  | { readonly type: "broken"; readonly id: number }
  /** The worker has nothing left to do for this request and takes the next one. */
  | { readonly type: "free"; readonly id: number };

/** From a loop worker to the process that has the lanes' workers. */
export type ToPool =
  | Exclude<ToSyncWorker, { type: "request" | "last" }>
  | (Omit<Extract<ToSyncWorker, { type: "request" }>, "slot"> & {
      readonly lane: string;
      /** How long it has waited in the loop worker already, in milliseconds. */
      readonly waitedMs: number;
    });

/** And back: what the worker says of the request, and what the balancer does. */
export type FromPool =
  | Exclude<FromSyncWorker, { type: "answer" }>
  /** Where no `assigned` came before it, it says which worker had it, and for how long, in milliseconds. */
  | (Extract<FromSyncWorker, { type: "answer" }> & { readonly worker?: number; readonly runMs?: number })
  /** A worker has it. Until then only a first window of its body may be sent. */
  | { readonly type: "assigned"; readonly id: number; readonly worker: number }
  /** No worker will get it, or the one that had it can't answer it any more. The last message about it. */
  | {
      readonly type: "failed";
      readonly id: number;
      readonly status: number;
      readonly why: string;
      /** When to come again, for a request that was never run. */
      readonly retryAfterSeconds: number | null;
    };
