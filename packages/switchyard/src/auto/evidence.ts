// What one worker has seen of the routes that hold its loop, until it tells the supervisor.
//
// A route is entered when a request of it held the loop for long; from then on its other requests are counted too, so that
// the supervisor knows how many of them do. A route that has not held the loop for a while is forgotten. Bounded: a client
// that asks for a million different paths fills a table of a fixed size, and what did not fit is counted.

import type { IncomingMessage, ServerResponse } from "node:http";
import { frameworkRouteOf, type TellsRoute } from "./framework-route.ts";
import type { Hold } from "./hold-meter.ts";
import { matches, type Pattern, pathOf, patternOfPath, textOf } from "./shape.ts";

/** What was seen of one route since the last telling; plain data. */
export interface RouteEvidence {
  readonly method: string;
  readonly pattern: Pattern;
  /** The route as people know it: `/users/:name` where the framework tells, else the shape of its paths. */
  readonly route: string;
  /** The framework told which route it is. */
  readonly isFrameworks: boolean;
  /** A path of the route that was asked for. */
  readonly samplePath: string;
  readonly requests: number;
  /** Requests that held the loop for long. */
  readonly holds: number;
  /** Whether the first request of the route in its worker was one more of these, and for how long it held the loop. */
  readonly firsts: number;
  readonly firstHeldMs: number;
  /** Of `holds`, all together, in milliseconds. */
  readonly heldMs: number;
  readonly longestMs: number;
  /** How long these had waited for something else while the loop had nothing to do, in milliseconds. */
  readonly waitedMs: number;
  /** One of them answered with a stream of events. */
  readonly isEventStream: boolean;
  /** How many of them answered with a large body. */
  readonly largeAnswers: number;
}

type Entry = { -readonly [Key in keyof RouteEvidence]: RouteEvidence[Key] } & { lastHoldAtMs: number };

/** Routes that a worker keeps evidence of at a time. */
const maxRoutes = 64;
/** How long a route is counted after it last held the loop, in milliseconds. */
const forgetAfterMs = 10_000;
/** A large body of an answer, in bytes: a worker would have nothing else to do while a slow client takes it. */
const largeAnswerBytes = 1024 ** 2;
/** Characters of a path that are kept to be shown. */
const maxSample = 200;

export class Evidence {
  readonly #entries = new Map<string, Entry>();
  readonly #routeOf: TellsRoute | undefined;
  #overlooked = 0;

  /** @param routeOf Asks the application for the route of a request, where it can be asked. */
  constructor(routeOf?: TellsRoute) {
    this.#routeOf = routeOf;
  }

  /** Whether there is a route to count requests of: what `count` is called for. */
  get hasRoutes(): boolean {
    return this.#entries.size > 0;
  }

  /** Holds that were not entered, because the table was full of others. */
  get overlooked(): number {
    return this.#overlooked;
  }

  /** A request has begun; its route is counted if it is one that holds the loop. */
  count(request: IncomingMessage): void {
    const path = pathOf(request.url ?? "");
    for (const entry of this.#entries.values()) {
      if (entry.method === request.method && matches(entry.pattern, path)) entry.requests++;
    }
  }

  /** A request has held the loop for long. It was counted, if its route was known then; the first one makes it known. */
  record({ response, heldMs, waitedMs }: Hold, nowMs: number): void {
    const size = this.#entries.size;
    const entry = this.#entryOf(response.req, nowMs);
    if (entry === null) return;
    // The first time that a route runs in a worker, code is compiled and caches are filled.
    if (this.#entries.size > size) {
      entry.firsts = 1;
      entry.firstHeldMs = heldMs;
      return;
    }
    entry.holds++;
    entry.requests = Math.max(entry.requests, entry.holds);
    entry.heldMs += heldMs;
    entry.longestMs = Math.max(entry.longestMs, heldMs);
    entry.waitedMs += waitedMs;
    entry.isEventStream ||= isEventStream(headerOf(response, "content-type"));
    if (Number(headerOf(response, "content-length")) > largeAnswerBytes) entry.largeAnswers++;
    entry.lastHoldAtMs = nowMs;
  }

  /** A request that was short after all, for a worker that records every one of its own. */
  recordShort({ response }: Hold, nowMs: number): void {
    const entry = this.#entryOf(response.req, nowMs);
    if (entry !== null) entry.requests++;
  }

  /** What was seen since it was called last; empty most of the time. */
  take(nowMs: number): RouteEvidence[] {
    const taken: RouteEvidence[] = [];
    for (const [key, entry] of this.#entries) {
      const { lastHoldAtMs, ...evidence } = entry;
      if (entry.requests + entry.firsts > 0) taken.push(evidence);
      if (nowMs - lastHoldAtMs > forgetAfterMs) this.#entries.delete(key);
      else Object.assign(entry, nothingYet);
    }
    return taken;
  }

  #entryOf(request: IncomingMessage, nowMs: number): Entry | null {
    const path = originalPathOf(request);
    const own = frameworkRouteOf(request, this.#routeOf);
    const pattern = own?.pattern ?? patternOfPath(path);
    const method = request.method ?? "GET";
    const key = keyOf(method, pattern);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.samplePath = path.slice(0, maxSample);
      return known;
    }
    if (this.#entries.size >= maxRoutes) {
      this.#overlooked++;
      return null;
    }
    const entry: Entry = {
      method,
      pattern,
      route: own?.text ?? textOf(pattern),
      isFrameworks: own !== null,
      samplePath: path.slice(0, maxSample),
      ...nothingYet,
      lastHoldAtMs: nowMs,
    };
    this.#entries.set(key, entry);
    return entry;
  }
}

/** The name of a route among others. */
export function keyOf(method: string, { tokens }: Pattern): string {
  return `${method} ${tokens.join("/")}`;
}

const nothingYet = {
  ...{ requests: 0, holds: 0, firsts: 0, firstHeldMs: 0, heldMs: 0, longestMs: 0, waitedMs: 0 },
  ...{ isEventStream: false, largeAnswers: 0 },
};

/** Express takes the path of a mounted router off `url`, and keeps the whole. */
function originalPathOf(request: IncomingMessage): string {
  const { originalUrl } = request as { originalUrl?: unknown };
  return pathOf(typeof originalUrl === "string" ? originalUrl : (request.url ?? ""));
}

/** A field of an answer that has begun: what was passed to writeHead() is in the text of the head alone. */
function headerOf(response: ServerResponse, name: string): string {
  const set = response.getHeader(name);
  if (set !== undefined) return String(set);
  // Node keeps it there, and no public name leads to it.
  const head = (response as unknown as { readonly _header?: string | null })._header;
  const lines = typeof head === "string" ? head.split("\r\n") : [];
  const line = lines.find((each) => each.toLowerCase().startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim() ?? "";
}

function isEventStream(contentType: string): boolean {
  return contentType.toLowerCase().startsWith("text/event-stream");
}
