// What an access log tells of a load: when requests came, and, in our JSON form, how long each ran. Nothing is trusted: lines
// that are not access lines are passed over and counted, and a file without any is refused.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { SwitchyardError } from "../errors.ts";
import { seededRandom } from "./random.ts";
import { measuredServices, type ServiceTimes } from "./service.ts";
import { parsed, unreadable } from "./sources.ts";

/** Times kept of a log; of more lines, an even choice of as many (Vitter, "Random Sampling with a Reservoir", 1985). */
const samplesKept = 200_000;

export interface LogReading {
  /** Null when its lines have no times: those of the common and the combined form. */
  readonly service: ServiceTimes | null;
  readonly requests: number;
  /** Requests in a second between the first line and the last, or null when there is no such time. */
  readonly perSecond: number | null;
  /** The models of the lines. */
  readonly models: readonly string[];
  /** Requests in a second of its busiest minute, or null when it is shorter than two. */
  readonly busiestPerSecond: number | null;
  /** Lines that are no access lines of a request that ran. */
  readonly skipped: number;
}

/**
 * Reads when requests came, and how long they ran, from an access log.
 *
 * @param path only requests for this path, its query aside; null for all.
 * @throws {SwitchyardError} `SY_PLAN_SOURCE` when the file can't be read or has no such line.
 */
export async function readAccessLog(file: string, path: string | null): Promise<LogReading> {
  const random = seededRandom(1);
  const timesMs: number[] = [];
  const models = new Set<string>();
  const byMinute = new Map<number, number>();
  let requests = 0;
  let timed = 0;
  let skipped = 0;
  let firstAtMs = Number.POSITIVE_INFINITY;
  let lastAtMs = Number.NEGATIVE_INFINITY;
  for await (const line of linesOf(file)) {
    const entry = accessEntry(line);
    if (entry === null) {
      skipped++;
      continue;
    }
    if (path !== null && entry.path.split("?", 1)[0] !== path.split("?", 1)[0]) continue;
    requests++;
    const minute = Math.floor(entry.atMs / msPerMinute);
    byMinute.set(minute, (byMinute.get(minute) ?? 0) + 1);
    firstAtMs = Math.min(firstAtMs, entry.atMs);
    lastAtMs = Math.max(lastAtMs, entry.atMs);
    if (entry.run === null) continue;
    timed++;
    models.add(entry.run.model);
    if (timesMs.length < samplesKept) timesMs.push(entry.run.ms);
    else {
      const place = random.below(timed);
      if (place < samplesKept) timesMs[place] = entry.run.ms;
    }
  }
  if (requests === 0) throw noLines(file, path, skipped);
  const lengthMs = lastAtMs - firstAtMs;
  return {
    service: timed === 0 ? null : measuredServices(timesMs, null),
    requests,
    perSecond: lengthMs > 0 && requests > 1 ? ((requests - 1) / lengthMs) * 1_000 : null,
    busiestPerSecond: byMinute.size < 2 ? null : Math.max(...byMinute.values()) / 60,
    models: [...models],
    skipped,
  };
}

const msPerMinute = 60_000;

async function* linesOf(file: string): AsyncGenerator<string> {
  const stream = createReadStream(file, "utf8");
  try {
    yield* createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  } catch (error) {
    throw unreadable(file, error);
  } finally {
    stream.destroy();
  }
}

interface Entry {
  readonly path: string;
  readonly atMs: number;
  /** How long it ran, and under which model; null where the form does not say. */
  readonly run: { readonly ms: number; readonly model: string } | null;
}

/** A request that was answered, or null. */
function accessEntry(line: string): Entry | null {
  return line.startsWith("{") ? jsonEntry(line) : commonEntry(line);
}

/** Of JSON lines those alone that ran in a worker. */
function jsonEntry(line: string): Entry | null {
  const value = parsed(line);
  if (value === null || value.component !== "access") return null;
  const { path, runMs, model, time, status, worker } = value;
  if (typeof path !== "string" || typeof runMs !== "number" || typeof model !== "string") return null;
  if (typeof time !== "string" || typeof status !== "number" || status === 499 || typeof worker !== "number")
    return null;
  const atMs = Date.parse(time);
  return Number.isNaN(atMs) || !(runMs >= 0) ? null : { path, atMs, run: { ms: runMs, model } };
}

/**
 * `127.0.0.1 - - [10/Oct/2026:13:55:36 +0200] "GET /search?q=paris HTTP/1.1" 200 2326`, and whatever follows: the common and the
 * combined form of Apache's, nginx's and our own logs.
 */
const commonForm =
  /^\S+ \S+ .*?\[(\d\d)\/(\w{3})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)\] "[A-Z]+ (\S+)(?: HTTP\/[\d.]+)?" (\d{3}) /;
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function commonEntry(line: string): Entry | null {
  // Longer ones are no lines of an access log, and a search in them might take long.
  const match = line.length > longestLine ? null : commonForm.exec(line);
  if (match === null) return null;
  const [, day, month, year, clock, zoneHours, zoneMinutes, path, status] = match;
  const place = months.indexOf(month!) + 1;
  const atMs = Date.parse(`${year}-${String(place).padStart(2, "0")}-${day}T${clock}${zoneHours}:${zoneMinutes}`);
  return Number.isNaN(atMs) || status === "499" ? null : { path: path!, atMs, run: null };
}

const longestLine = 65_536;

function noLines(file: string, path: string | null, skipped: number): SwitchyardError {
  return new SwitchyardError("SY_PLAN_SOURCE", {
    saw: `${file} has no access line${path === null ? "" : ` of ${path}`}; ${skipped} of its lines are none.`,
    fix: "Plan reads the lines that --access-log writes in each of its forms, and the common and combined forms of other servers.",
  });
}
