// Sends the requests of one stream: in a closed loop (each client sends when it is answered) or an open one (at a rate,
// whatever becomes of them).
//
// The open loop is free of coordinated omission (Gil Tene, "How NOT to Measure Latency", 2013): a request is due when the
// timetable says so, a server that is slow does not put off the next, and the time for which a request waits for a connection
// is part of its latency. A timer that fires late moves the requests that are due by then, and that is reported as well.

import { createHistogram } from "node:perf_hooks";
import { nowMs } from "../../clock.ts";
import { type Answered, Connection, requestFor } from "./connection.ts";
import { latencyQuantiles, type Stream, type StreamResult, type Target } from "./orders.ts";

/** More connections than this are not made for an open loop: requests wait for one, and that wait counts. */
const mostConnections = 2_000;
/** Before a connection that broke is made again, so that a server that is gone is not asked in a tight loop. */
const pauseAfterBreakMs = 10;

export interface RunningStream {
  /** Sends nothing more. */
  stop(): void;
  /** Whether anything is still on its way. */
  isWaiting(): boolean;
  /** Closes its connections and says what happened. */
  finish(): StreamResult;
  /** How far it was behind its timetable at the worst. */
  readonly behindMs: number;
  /** Clients of a closed loop, which each begin when they are told to. */
  readonly clients: number;
  beginClient(): void;
}

/**
 * Begins all streams, and the clients of closed ones in turn, evenly mixed. Clients of one stream that connect one after
 * another may all be accepted by the same loop: then the requests that hold a loop held one of two in half of the runs, and
 * both in the other half.
 */
export function startStreams(target: Target, streams: readonly Stream[]): RunningStream[] {
  const running = streams.map((stream) => streamOf(target, stream));
  const turns = running.flatMap((each) =>
    Array.from({ length: each.clients }, (_, client) => ({ each, place: (client + 0.5) / each.clients })),
  );
  for (const { each } of turns.sort((a, b) => a.place - b.place)) each.beginClient();
  return running;
}

function streamOf(target: Target, stream: Stream): RunningStream {
  const { arrivals } = stream;
  return arrivals.kind === "closed"
    ? new ClosedStream(target, stream, arrivals.clients)
    : new OpenStream(target, stream, arrivals.perSecond);
}

/** What both kinds count. */
class Counts {
  readonly #expected: number | undefined;
  readonly #latencies = createHistogram({ figures: 3 });
  readonly #statuses = new Map<number, number>();
  #answered = 0;
  #sumMs = 0;
  #count = 0;
  #bytes = 0;
  isCounting = true;
  broken = 0;

  constructor({ expected }: Stream) {
    this.#expected = expected;
  }

  answer({ status, bytes }: Answered, latencyMs: number): void {
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    this.#bytes += bytes;
    if (this.isCounting) this.#answered++;
    // A refusal is quick, and no answer to what was asked.
    if (this.#expected === undefined || status === this.#expected) this.#record(latencyMs);
  }

  #record(latencyMs: number): void {
    this.#count++;
    this.#sumMs += latencyMs;
    this.#latencies.record(Math.max(1, Math.round(latencyMs * 1_000)));
  }

  result({ path, arrivals }: Stream, waitedMs: readonly number[]): StreamResult {
    for (const each of waitedMs) this.#record(each);
    return {
      path,
      arrivals,
      answered: this.#answered,
      statuses: Object.fromEntries(this.#statuses),
      broken: this.broken,
      unanswered: waitedMs.length,
      bytes: this.#bytes,
      meanMs: this.#count === 0 ? 0 : this.#sumMs / this.#count,
      quantilesMs: latencyQuantiles.map((quantile) => this.#quantileMs(quantile)),
    };
  }

  #quantileMs(quantile: number): number {
    if (this.#count === 0) return 0;
    if (quantile === 0) return this.#latencies.min / 1_000;
    return this.#latencies.percentile(quantile * 100) / 1_000;
  }
}

class ClosedStream implements RunningStream {
  readonly behindMs = 0;
  readonly #stream: Stream;
  readonly #request: Buffer;
  readonly #counts: Counts;
  readonly #connections: Connection[];
  #begun = 0;
  /** When each client's request was sent; absent while it has none. */
  readonly #sentAtMs = new Map<Connection, number>();

  constructor(target: Target, stream: Stream, clients: number) {
    this.#stream = stream;
    this.#counts = new Counts(stream);
    this.#request = requestFor(target, stream.path);
    const events = {
      onAnswer: (connection: Connection, answered: Answered) => {
        this.#counts.answer(answered, nowMs() - (this.#sentAtMs.get(connection) ?? 0));
        this.#sentAtMs.delete(connection);
        this.#send(connection);
      },
      onBroken: (connection: Connection) => {
        this.#counts.broken++;
        this.#sentAtMs.delete(connection);
        setTimeout(() => this.#send(connection), pauseAfterBreakMs);
      },
    };
    this.#connections = Array.from({ length: clients }, () => new Connection(target, events));
  }

  get clients(): number {
    return this.#connections.length;
  }

  beginClient(): void {
    this.#send(this.#connections[this.#begun++]!);
  }

  #send(connection: Connection): void {
    if (!this.#counts.isCounting) return;
    this.#sentAtMs.set(connection, nowMs());
    connection.send(this.#request);
  }

  stop(): void {
    this.#counts.isCounting = false;
  }

  isWaiting(): boolean {
    return this.#sentAtMs.size > 0;
  }

  finish(): StreamResult {
    for (const connection of this.#connections) connection.close();
    const endedAtMs = nowMs();
    return this.#counts.result(
      this.#stream,
      Array.from(this.#sentAtMs.values(), (sentAtMs) => endedAtMs - sentAtMs),
    );
  }
}

class OpenStream implements RunningStream {
  behindMs = 0;
  readonly clients = 0;
  readonly #stream: Stream;
  readonly #target: Target;
  readonly #request: Buffer;
  readonly #counts: Counts;
  readonly #idle: Connection[] = [];
  readonly #all: Connection[] = [];
  /** When the request on each connection was due. */
  readonly #dueAtMs = new Map<Connection, number>();
  /** Due, and without a connection: the oldest first. */
  #waiting: number[] = [];
  readonly #beganAtMs = nowMs();
  readonly #gapMs: number;
  #due = 0;
  #timer: NodeJS.Timeout;

  constructor(target: Target, stream: Stream, perSecond: number) {
    this.#target = target;
    this.#stream = stream;
    this.#counts = new Counts(stream);
    this.#request = requestFor(target, stream.path);
    this.#gapMs = 1_000 / perSecond;
    this.#timer = setTimeout(() => this.#tick(), 1);
  }

  beginClient(): void {}

  #tick(): void {
    const now = nowMs();
    const due = Math.floor((now - this.#beganAtMs) / this.#gapMs);
    if (due > this.#due) {
      const firstAtMs = this.#beganAtMs + (this.#due + 1) * this.#gapMs;
      this.behindMs = Math.max(this.behindMs, now - firstAtMs);
    }
    for (; this.#due < due; this.#due++) this.#sendDue(now);
    this.#timer = setTimeout(() => this.#tick(), 1);
  }

  #sendDue(dueAtMs: number): void {
    const connection = this.#idle.pop() ?? this.#newConnection();
    if (connection === null) this.#waiting.push(dueAtMs);
    else this.#send(connection, dueAtMs);
  }

  #send(connection: Connection, dueAtMs: number): void {
    this.#dueAtMs.set(connection, dueAtMs);
    connection.send(this.#request);
  }

  #newConnection(): Connection | null {
    if (this.#all.length >= mostConnections) return null;
    const connection = new Connection(this.#target, {
      onAnswer: (each, answered) => {
        this.#counts.answer(answered, nowMs() - (this.#dueAtMs.get(each) ?? 0));
        this.#free(each);
      },
      onBroken: (each) => {
        this.#counts.broken++;
        this.#free(each);
      },
    });
    this.#all.push(connection);
    return connection;
  }

  #free(connection: Connection): void {
    this.#dueAtMs.delete(connection);
    const dueAtMs = this.#waiting.shift();
    if (dueAtMs === undefined) this.#idle.push(connection);
    else this.#send(connection, dueAtMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#counts.isCounting = false;
  }

  isWaiting(): boolean {
    return this.#dueAtMs.size > 0;
  }

  finish(): StreamResult {
    for (const connection of this.#all) connection.close();
    const endedAtMs = nowMs();
    const unanswered = [...this.#dueAtMs.values(), ...this.#waiting].map((dueAtMs) => endedAtMs - dueAtMs);
    return this.#counts.result(this.#stream, unanswered);
  }
}
