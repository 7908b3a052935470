// Which routes run in sync workers because they hold a loop, decided from what all workers have seen.
//
// A calculation: it is told evidence and moments, and answers with changes. It keeps a record for each route:
//
//   watched ──often, and long enough──► moved ──long enough there, and short by now──► watched, and more slowly next time
//      │                                  └──it waits for other things most of the time──► barred
//      └──answers with a stream of events──► barred
//
// What holds, checked by `assertInvariants`: as many records as `maxRoutes`, no barred route is moved, and a route that
// comes back stays where it was moved to twice as long the next time (hysteresis), up to an hour.

import assert from "node:assert";
import { keyOf, type RouteEvidence } from "./evidence.ts";
import { anySegment, isPattern, matches, type Pattern, textOf, widen } from "./shape.ts";

/** A route that runs in sync workers. */
export interface Move {
  readonly method: string;
  readonly pattern: Pattern;
  /** As people know it: `/users/:name`. */
  readonly route: string;
  /** Paths that the pattern takes and that are other routes of the application. */
  readonly except: readonly Pattern[];
  /** Requests of the window in which it was decided, and how many of them held a loop for long. */
  readonly requests: number;
  readonly holds: number;
  /** The longest that a request held a loop, and the mean of those that held it for long, in milliseconds. */
  readonly longestMs: number;
  readonly meanMs: number;
  readonly sinceMs: number;
}

/** Whether something that came from elsewhere is one. */
export function isMove(value: unknown): value is Move {
  if (typeof value !== "object" || value === null) return false;
  const { method, pattern, route, except, requests, holds, longestMs, meanMs } = value as Partial<Move>;
  if (typeof method !== "string" || typeof route !== "string" || !Array.isArray(except)) return false;
  const numbers = [requests, holds, longestMs, meanMs];
  return numbers.every((each) => typeof each === "number") && [pattern, ...except].every(isPattern);
}

export type Change =
  | { readonly type: "move"; readonly move: Move }
  /** `why`: it is short by now, or it waits for other things, which a worker with one request at a time is no place for. */
  | { readonly type: "back"; readonly move: Move; readonly why: "short" | "waits" };

/** Evidence is counted for this long, in milliseconds. */
const windowMs = 5_000;
/** Holds in the window that a route is moved for, at least. */
const holdsToMove = 3;
/** Holds after which sync workers are started, since they take a moment to be ready. */
const holdsToSuspect = 2;
/** At least this share of its requests must have done so: a collection of garbage may make any request a long one. */
const shareToMove = 0.05;
/** At most this share of the answers may be large. */
const maxLargeShare = 0.5;
/** What the first request of a path counts among those of a route with a value in its path. */
const shareOfFirsts = 0.125;
/** How much of its time a route may wait for other things, and still have a worker to itself meanwhile. */
const maxWaitedShare = 0.75;
/** How long a route stays in the sync workers, in milliseconds, the first time; twice as long every next time. */
const firstStayMs = 10_000;
const longestStayMs = 3_600_000;
/** Short requests in a row after which a route goes back. */
const shortToReturn = 40;
/** Requests in sync workers that are judged together for waiting. */
const requestsToBar = 20;
/** Routes that are kept. */
const maxRoutes = 256;
/** Paths that differ in one segment alone, each with evidence of its own, after which that segment is taken as a value. */
const pathsToWiden = 16;
/** Paths that a moved pattern may have to leave out; with more of them it is no route of its own. */
const maxExceptions = 32;

interface Sighting {
  readonly atMs: number;
  readonly evidence: RouteEvidence;
}

interface RouteRecord {
  readonly method: string;
  readonly pattern: Pattern;
  readonly route: string;
  readonly isFrameworks: boolean;
  sightings: Sighting[];
  lastSeenMs: number;
  move: Move | null;
  isBarred: boolean;
  stayMs: number;
  /** Of requests in sync workers: short ones in a row. */
  shortInRow: number;
  /** Of requests in sync workers that were not short, since they were judged last. */
  inPool: { holds: number; heldMs: number; waitedMs: number };
}

export class AutoPolicy {
  readonly #records = new Map<string, RouteRecord>();
  #forgotten = 0;
  #isSuspicious = false;

  get moves(): readonly Move[] {
    return [...this.#records.values()].flatMap(({ move }) => (move === null ? [] : [move]));
  }

  /** Whether a route has held a loop often enough for sync workers to be wanted soon. */
  get isSuspicious(): boolean {
    return this.#isSuspicious;
  }

  /** Routes that were forgotten because there were too many. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** Routes that the server before this one had moved are moved here too, for as long as any that is moved now. */
  adopt(moves: readonly Move[], nowMs: number): void {
    for (const move of moves.slice(0, maxRoutes)) {
      const { method, pattern, route } = move;
      if (this.#records.has(keyOf(method, pattern))) continue;
      // Which of the two ways it was known by is seen in its pattern's words.
      const isFrameworks = route !== textOf(pattern);
      const record = this.#add({ method, pattern, route, isFrameworks, sightings: [], lastSeenMs: nowMs });
      record.move = { ...move, except: move.except.slice(0, maxExceptions), sinceMs: nowMs };
    }
  }

  /** Evidence of a loop worker: what held its loop. */
  observeLoop(evidence: RouteEvidence, nowMs: number): Change[] {
    const record = this.#recordOf(evidence, nowMs);
    record.isBarred ||= evidence.isEventStream;
    // What a loop still had in flight when its route was moved says nothing new.
    if (record.isBarred || record.move !== null) return [];
    record.sightings = [...record.sightings.filter(({ atMs }) => nowMs - atMs <= windowMs), { atMs: nowMs, evidence }];
    const sum = sumOf(record);
    if (sum.holds >= holdsToSuspect) this.#isSuspicious = true;
    if (sum.holds < holdsToMove || sum.holds < shareToMove * sum.requests) return [];
    if (sum.largeAnswers > maxLargeShare * sum.holds) return [];
    if (sum.waitedMs > maxWaitedShare * (sum.waitedMs + sum.heldMs)) return [];
    return [this.#move(record, sum, nowMs)];
  }

  /** Evidence of a sync worker: what ran there, every request of it; `holds` are those that were not short. */
  observePool(evidence: RouteEvidence, nowMs: number): Change[] {
    const record = this.#movedRecordOf(evidence);
    if (record === null || record.move === null) return [];
    record.lastSeenMs = nowMs;
    const stray = strayOf(record, evidence);
    if (stray !== null) return this.#leaveOut(record, stray);
    const { inPool } = record;
    inPool.holds += evidence.holds;
    inPool.heldMs += evidence.heldMs;
    inPool.waitedMs += evidence.waitedMs;
    record.shortInRow = evidence.holds > 0 ? 0 : record.shortInRow + evidence.requests;
    if (evidence.isEventStream) return [this.#back(record, "waits")];
    if (inPool.holds >= requestsToBar) {
      const waitsShare = inPool.waitedMs / Math.max(1, inPool.waitedMs + inPool.heldMs);
      record.inPool = { holds: 0, heldMs: 0, waitedMs: 0 };
      if (waitsShare > maxWaitedShare) return [this.#back(record, "waits")];
    }
    const mayReturn = nowMs - record.move.sinceMs >= record.stayMs;
    return mayReturn && record.shortInRow >= shortToReturn ? [this.#back(record, "short")] : [];
  }

  assertInvariants(): void {
    assert(this.#records.size <= maxRoutes);
    for (const { move, isBarred, stayMs } of this.#records.values()) {
      assert(!(isBarred && move !== null));
      assert(stayMs >= firstStayMs && stayMs <= longestStayMs);
      assert(move === null || move.except.length <= maxExceptions);
    }
  }

  #move(record: RouteRecord, sum: Sum, nowMs: number): Change {
    const { method, pattern, route } = record;
    const { longestMs } = sum;
    record.move = {
      ...{ method, pattern, route, except: [], longestMs },
      requests: Math.round(sum.requests),
      holds: Math.round(sum.holds),
      meanMs: sum.heldMs / sum.holds,
      sinceMs: nowMs,
    };
    record.sightings = [];
    record.shortInRow = 0;
    record.inPool = { holds: 0, heldMs: 0, waitedMs: 0 };
    return { type: "move", move: record.move };
  }

  #back(record: RouteRecord, why: "short" | "waits"): Change {
    const move = record.move!;
    record.move = null;
    record.isBarred = why === "waits";
    record.stayMs = Math.min(longestStayMs, record.stayMs * 2);
    return { type: "back", move, why };
  }

  /** Another route of the application is taken by the pattern of a moved one, and should not be. */
  #leaveOut(record: RouteRecord, stray: Pattern): Change[] {
    const move = record.move!;
    if (move.except.length >= maxExceptions) return [];
    record.move = { ...move, except: [...move.except, stray] };
    return [{ type: "move", move: record.move }];
  }

  #recordOf(evidence: RouteEvidence, nowMs: number): RouteRecord {
    const known = this.#records.get(keyOf(evidence.method, evidence.pattern)) ?? this.#widerRecordOf(evidence);
    if (known !== null && known !== undefined) {
      known.lastSeenMs = nowMs;
      return known;
    }
    const record = this.#add({ ...evidence, sightings: [], lastSeenMs: nowMs });
    return evidence.isFrameworks ? record : this.#widen(record);
  }

  #add(
    first: Pick<RouteRecord, "method" | "pattern" | "route" | "isFrameworks" | "sightings" | "lastSeenMs">,
  ): RouteRecord {
    if (this.#records.size >= maxRoutes) this.#forgetOne();
    const { method, pattern, route, isFrameworks, sightings, lastSeenMs } = first;
    const record: RouteRecord = {
      ...{ method, pattern, route, isFrameworks, sightings, lastSeenMs },
      move: null,
      isBarred: false,
      stayMs: firstStayMs,
      shortInRow: 0,
      inPool: { holds: 0, heldMs: 0, waitedMs: 0 },
    };
    this.#records.set(keyOf(method, pattern), record);
    return record;
  }

  /** The one that was seen longest ago goes, a moved one last. */
  #forgetOne(): void {
    let oldest: [string, RouteRecord] | null = null;
    for (const each of this.#records) {
      if (each[1].move !== null) continue;
      if (oldest === null || each[1].lastSeenMs < oldest[1].lastSeenMs) oldest = each;
    }
    // As many moved routes as there may be records: the first to come is taken, so that the bound holds.
    const key = oldest?.[0] ?? this.#records.keys().next().value!;
    this.#records.delete(key);
    this.#forgotten++;
  }

  /** One that values were found in by `#widen`. */
  #widerRecordOf({ method, pattern, isFrameworks }: RouteEvidence): RouteRecord | null {
    if (isFrameworks) return null;
    for (const record of this.#records.values()) {
      if (record.method !== method || record.isFrameworks || !hasAnyValue(record.pattern)) continue;
      const wider = widen(record.pattern, pattern);
      if (wider !== null && keyOf(method, wider) === keyOf(method, record.pattern)) return record;
    }
    return null;
  }

  /** Where many paths differ in one segment, that is a value, and they are one route. The first segment never is. */
  #widen(record: RouteRecord): RouteRecord {
    const likes = new Map<string, { pattern: Pattern; records: RouteRecord[] }>();
    for (const other of this.#records.values()) {
      if (other === record || other.method !== record.method || other.isFrameworks || other.move !== null) continue;
      const pattern = widen(record.pattern, other.pattern);
      if (pattern === null || pattern.tokens[0] !== record.pattern.tokens[0]) continue;
      const key = keyOf(record.method, pattern);
      const group = likes.get(key) ?? { pattern, records: [record] };
      group.records.push(other);
      likes.set(key, group);
    }
    for (const { pattern, records } of likes.values()) {
      if (records.length < pathsToWiden) continue;
      for (const each of records) this.#records.delete(keyOf(each.method, each.pattern));
      return this.#add({
        ...{ method: record.method, pattern, route: textOf(pattern), isFrameworks: false },
        sightings: records.flatMap(({ sightings }) => sightings),
        lastSeenMs: record.lastSeenMs,
      });
    }
    return record;
  }

  /** The moved route for which a sync worker ran these. */
  #movedRecordOf({ method, pattern, samplePath }: RouteEvidence): RouteRecord | null {
    const same = this.#records.get(keyOf(method, pattern));
    if (same !== undefined && same.move !== null) return same;
    for (const record of this.#records.values()) {
      if (record.move !== null && record.method === method && matches(record.pattern, samplePath)) return record;
    }
    return null;
  }
}

interface Sum {
  readonly requests: number;
  readonly holds: number;
  readonly heldMs: number;
  readonly longestMs: number;
  readonly waitedMs: number;
  readonly largeAnswers: number;
}

function sumOf({ sightings, pattern, isFrameworks }: RouteRecord): Sum {
  const sum = { requests: 0, holds: 0, heldMs: 0, longestMs: 0, waitedMs: 0, largeAnswers: 0 };
  // Where a route was found to have a value in its path, many of its paths are asked for once, and each is a first one.
  const firstsShare = !isFrameworks && hasAnyValue({ tokens: pattern.tokens }) ? shareOfFirsts : 0;
  for (const { evidence } of sightings) {
    const firsts = evidence.firsts * firstsShare;
    sum.requests += firsts;
    sum.holds += firsts;
    sum.heldMs += evidence.firstHeldMs * firstsShare;
    if (firsts > 0) sum.longestMs = Math.max(sum.longestMs, evidence.firstHeldMs);
    sum.largeAnswers += evidence.largeAnswers;
    sum.requests += evidence.requests;
    sum.holds += evidence.holds;
    sum.heldMs += evidence.heldMs;
    sum.longestMs = Math.max(sum.longestMs, evidence.longestMs);
    sum.waitedMs += evidence.waitedMs;
  }
  return sum;
}

/** The pattern to leave out of a moved route, when the framework took another route than that and it is short. */
function strayOf({ isFrameworks, pattern }: RouteRecord, evidence: RouteEvidence): Pattern | null {
  if (!isFrameworks || !evidence.isFrameworks || evidence.holds > 0) return null;
  // One that takes as much as the moved route itself would leave nothing of it.
  return valuesIn(evidence.pattern) < valuesIn(pattern) ? evidence.pattern : null;
}

function valuesIn({ tokens }: Pattern): number {
  return tokens.filter((token) => !token.startsWith("=")).length;
}

function hasAnyValue({ tokens }: Pattern): boolean {
  return tokens.includes(anySegment);
}
