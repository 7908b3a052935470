// The account of one worker's requests: each that begins is entered once, and left once as answered, failed or aborted.
//
// It is on the path of every request, so an entry is a few fields on the response and one listener that all responses
// share. Writes the access line, meters each lane, and knows which responses are still to come when the worker drains.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { nowMs } from "../clock.ts";
import { LinkedList, type Listed } from "../collections/linked-list.ts";
import type { AccessLog } from "../log/access.ts";
import { pathOf, type RequestBrief, type RequestCounts, sumOf } from "../metrics/snapshot.ts";
import { defaultLane, LaneMeter, type LaneTraffic } from "../metrics/traffic.ts";
import type { RequestSpan, RequestTracing } from "../tracing/open.ts";
import { forwardedClient, remoteOf } from "./forwarding.ts";
import { isSent } from "./front.ts";
import { closeWith } from "./going-away.ts";

const begunAt = Symbol("begunAt");
const askedFor = Symbol("askedFor");
const meteredBy = Symbol("meteredBy");
const assignedAt = Symbol("assignedAt");
const assignedTo = Symbol("assignedTo");
const bytesBefore = Symbol("bytesBefore");
const bodyBytes = Symbol("bodyBytes");
const remote = Symbol("remote");
const refusedWith = Symbol("refusedWith");
const span = Symbol("span");

/** Bytes written on a socket when a pipelined answer got it. */
const handedOverAt = Symbol("handedOverAt");

interface CountedSocket extends Socket {
  [handedOverAt]?: number;
}

interface Entered extends ServerResponse, Listed {
  [begunAt]?: number;
  /** The URL as it came: Express takes a mounted router's path off `request.url`. */
  [askedFor]?: string;
  /** The meter of its lane, when that is not the default lane. */
  [meteredBy]?: LaneMeter;
  /** When a sync worker got it, and which; a loop worker runs what it takes at once. */
  [assignedAt]?: number;
  [assignedTo]?: number;
  [bytesBefore]?: number;
  /** Of an HTTP/2 stream, whose socket is not its own. */
  [bodyBytes]?: number;
  [remote]?: string | undefined;
  [refusedWith]?: { status: number; bytes: number };
  [span]?: RequestSpan | null;
}

const arrivedVersion = Symbol("arrivedVersion");

interface Arrived extends IncomingMessage {
  [arrivedVersion]?: string;
}

/** Notes the HTTP version that a request arrived over, where its application sees another. */
export function arrivedOver(request: IncomingMessage, httpVersion: string): void {
  (request as Arrived)[arrivedVersion] = httpVersion;
}

/** How a lane's requests are run. */
interface Run {
  readonly model: "sync" | "async" | "greenlet";
  /** The worker that runs every request, or null when `assigned` tells for each. */
  readonly worker: number | null;
}

export interface LaneIdentity extends Run {
  readonly lane: string;
}

/** Model and worker are those of the default lane. */
export interface AccountOptions extends Run {
  /** Null: no access lines. */
  readonly accessLog: AccessLog | null;
  /** Null: no spans. */
  readonly tracing: RequestTracing | null;
  /** Hears the URL of each request that the application answers with 400. */
  readonly onBadRequest?: ((url: string) => void) | null;
}

export class Account {
  readonly #options: AccountOptions;
  /** Responses that are not finished, oldest first. */
  readonly #open = new LinkedList<Entered>();
  readonly #onClose: (this: ServerResponse) => void;
  readonly #defaultMeter = new LaneMeter(defaultLane);
  readonly #meters = new Map<string, LaneMeter>([[defaultLane, this.#defaultMeter]]);
  /** Of the lanes but the default one. */
  readonly #runs = new Map<LaneMeter, Run>();

  constructor(options: AccountOptions) {
    this.#options = options;
    const account = this;
    this.#onClose = function onClose() {
      account.#leave(this);
    };
  }

  /** The meter of a lane: one for each name. Hand it to `begin` with each request of that lane. */
  meter({ lane, model, worker }: LaneIdentity): LaneMeter {
    let meter = this.#meters.get(lane);
    if (meter === undefined) {
      meter = new LaneMeter(lane);
      this.#meters.set(lane, meter);
    }
    this.#runs.set(meter, { model, worker });
    return meter;
  }

  /** Enters a request that goes to the application. */
  begin(request: IncomingMessage, response: ServerResponse, meter: LaneMeter = this.#defaultMeter): void {
    meter.begun++;
    if (meter !== this.#defaultMeter) (response as Entered)[meteredBy] = meter;
    this.#open.add(response);
    (response as Entered)[begunAt] = nowMs();
    (response as Entered)[askedFor] = request.url ?? "";
    if (this.#options.accessLog !== null) this.#noteSocket(request.socket, response);
    const { tracing } = this.#options;
    if (tracing !== null) (response as Entered)[span] = tracing.begin(request, remoteOf(request));
    response.on("close", this.#onClose);
  }

  /** A request has left the queue for a worker. */
  assigned(response: Entered, worker: number, assignedMs = nowMs()): void {
    response[assignedAt] = assignedMs;
    response[assignedTo] = worker;
    this.#meterOf(response).wait.record(assignedMs - (response[begunAt] ?? assignedMs));
  }

  /** A request that was begun got this answer past its response: what came of its body was refused. */
  bodyRefused(response: ServerResponse, answer: { status: number; bytes: number }): void {
    (response as Entered)[refusedWith] = answer;
  }

  /** Counts a request that was answered before it reached the application, and writes its access line. */
  refused(status: number, { request, remote, bytes }: Refused): void {
    this.#defaultMeter.refused++;
    const { tracing, worker } = this.#options;
    if (tracing !== null && request !== null) {
      const { httpVersion } = request;
      const end = { status, outcome: "refused", lane: defaultLane, worker, waitMs: 0, runMs: 0, httpVersion } as const;
      tracing.begin(request, remote)?.end(end);
    }
    this.#options.accessLog?.record({
      // What came was no request: "-" stands where its method and path would, as elsewhere in the log's formats.
      method: request?.method ?? "-",
      path: request?.url ?? "-",
      status,
      bytes,
      waitMs: 0,
      runMs: 0,
      model: this.#options.model,
      worker: this.#options.worker,
      remote,
      httpVersion: request?.httpVersion ?? "1.1",
      referer: request?.headers.referer,
      userAgent: request?.headers["user-agent"],
    });
  }

  /**
   * Tells the clients of all answers still to begin that their connection closes after it (RFC 9112 §9.6). Of requests that
   * were pipelined that is the last. Where its answer waits, complete, for those before it, the connection will be idle.
   */
  announceClose(): void {
    const last = new Map<Socket, ServerResponse>();
    for (const response of this.#open) if (response.req.httpVersionMajor < 2) last.set(response.req.socket, response);
    for (const response of last.values()) if (!response.headersSent) closeWith(response);
  }

  counts(): RequestCounts {
    return sumOf([...this.#meters.values()].map((meter) => meter.counts()));
  }

  /** The same without requests that `assigned` tells the worker of: those that this worker runs itself. */
  countsHere(): RequestCounts {
    const here = [...this.#meters.values()].filter((meter) => this.#runOf(meter).worker !== null);
    return sumOf(here.map((meter) => meter.counts()));
  }

  /** Since the start, by lane. */
  traffic(): LaneTraffic[] {
    return [...this.#meters.values()].map((meter) => meter.traffic());
  }

  /** The oldest requests in flight. */
  oldest(count: number): RequestBrief[] {
    const oldest: RequestBrief[] = [];
    for (const response of this.#open) {
      if (oldest.length === count) break;
      oldest.push(this.brief(response));
    }
    return oldest;
  }

  brief(response: Entered): RequestBrief {
    const { method = "" } = response.req;
    const atMs = nowMs();
    return { method, path: pathOf(response[askedFor] ?? ""), ageMs: atMs - (response[begunAt] ?? atMs) };
  }

  #runOf(meter: LaneMeter): Run {
    return this.#runs.get(meter) ?? this.#options;
  }

  #meterOf(response: Entered): LaneMeter {
    return response[meteredBy] ?? this.#defaultMeter;
  }

  /** What the access line needs of the socket and can't be had when the response has closed. */
  #noteSocket(socket: CountedSocket, response: Entered): void {
    response[remote] = forwardedClient(response.req) ?? socket.remoteAddress;
    if (response.req.httpVersionMajor >= 2) {
      countHttp2Body(response);
      return;
    }
    if (response.socket !== null) {
      response[bytesBefore] = socket.bytesWritten;
      return;
    }
    // Pipelined: the answers before it are not complete, and it gets the socket when they are.
    response.once("socket", () => {
      socket[handedOverAt] = socket.bytesWritten;
      response[bytesBefore] = socket.bytesWritten;
    });
  }

  #leave(response: Entered): void {
    if (!this.#open.remove(response)) return;
    const refused = response[refusedWith];
    const isComplete = isSent(response);
    const meter = this.#meterOf(response);
    if (refused !== undefined) meter.answered++;
    else if (!isComplete) meter.aborted++;
    else if (response.statusCode >= 500) meter.failed++;
    else meter.answered++;
    if (response.statusCode === 400) this.#options.onBadRequest?.(response[askedFor] ?? "");
    const { accessLog } = this.#options;
    const { worker } = this.#runOf(meter);
    const endedMs = nowMs();
    const runFromMs = worker === null ? response[assignedAt] : response[begunAt];
    // What no worker got has not run.
    if (runFromMs !== undefined) meter.run.record(endedMs - runFromMs);
    const ended: Ended = { isComplete, endedMs, runFromMs: runFromMs ?? endedMs };
    if (accessLog !== null) this.#write(accessLog, response, ended);
    if (response[span] != null) this.#endSpan(response[span], response, ended);
  }

  #endSpan(own: RequestSpan, response: Entered, { isComplete, endedMs, runFromMs }: Ended): void {
    const request = response.req;
    const meter = this.#meterOf(response);
    const refused = response[refusedWith];
    const status = refused?.status ?? (isComplete || response.headersSent ? response.statusCode : null);
    const answered = status !== null && status >= 500 && refused === undefined ? "failed" : "answered";
    own.end({
      status,
      outcome: isComplete || refused !== undefined ? answered : "aborted",
      lane: meter.lane,
      worker: this.#runOf(meter).worker ?? response[assignedTo] ?? null,
      waitMs: runFromMs - (response[begunAt] ?? runFromMs),
      runMs: endedMs - runFromMs,
      httpVersion: (request as Arrived)[arrivedVersion] ?? request.httpVersion,
    });
  }

  #write(accessLog: AccessLog, response: Entered, { isComplete, endedMs, runFromMs }: Ended): void {
    const request = response.req;
    const meter = this.#meterOf(response);
    const { worker, model } = this.#runOf(meter);
    const refused = response[refusedWith];
    const begunMs = response[begunAt] ?? 0;
    const bytes = response[bodyBytes] ?? bytesOf(request.socket, response);
    accessLog.record({
      method: request.method ?? "",
      path: response[askedFor] ?? "",
      // 499: the client closed the request before it was answered, as nginx writes it.
      status: refused?.status ?? (isComplete || response.headersSent ? response.statusCode : 499),
      bytes: refused?.bytes ?? bytes,
      waitMs: runFromMs - begunMs,
      runMs: endedMs - runFromMs,
      model,
      lane: meter === this.#defaultMeter ? undefined : meter.lane,
      worker: worker ?? response[assignedTo] ?? null,
      remote: response[remote],
      httpVersion: (request as Arrived)[arrivedVersion] ?? request.httpVersion,
      referer: request.headers.referer,
      userAgent: request.headers["user-agent"],
    });
  }
}

/** A request that was refused, as `Listener` tells of it. */
interface Refused {
  readonly request: IncomingMessage | null;
  readonly remote: string | undefined;
  readonly bytes: number;
}

interface Ended {
  readonly isComplete: boolean;
  readonly endedMs: number;
  readonly runFromMs: number;
}

/** Bytes of the body that was sent, with the framing of its chunks. */
function bytesOf(socket: CountedSocket, response: Entered): number {
  const before = response[bytesBefore];
  if (before === undefined) return 0;
  const handedOver = socket[handedOverAt] ?? 0;
  // Where the next pipelined answer has got the socket since, that may have written already.
  const end = handedOver > before ? handedOver : socket.bytesWritten;
  return Math.max(0, end - before - headBytes(response));
}

/** Counts what is written to an HTTP/2 stream; `end` writes its last piece by `write` too. */
function countHttp2Body(response: Entered): void {
  response[bodyBytes] = 0;
  const { write } = response;
  response.write = ((...args: Parameters<typeof write>) => {
    response[bodyBytes] = (response[bodyBytes] ?? 0) + Buffer.byteLength(args[0]);
    return write.apply(response, args);
  }) as typeof write;
}

/** Bytes of the head that was sent: Node keeps its text on the response, and no public name leads to it. */
function headBytes(response: ServerResponse): number {
  const head = (response as unknown as { _header?: string | null })._header;
  return typeof head === "string" ? head.length : 0;
}
