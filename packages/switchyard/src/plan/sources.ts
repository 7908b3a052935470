// Where service times come from when they are not given by hand: an access log in our JSON form, or the JSON of a compare
// run. Nothing is trusted: lines that are not access lines are passed over and counted, and a file without any is refused.

import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { SwitchyardError } from "../errors.ts";
import { seededRandom } from "./random.ts";
import { measuredServices, type ServiceTimes } from "./service.ts";

/** Times kept of a log; of more lines, an even choice of as many (Vitter, "Random Sampling with a Reservoir", 1985). */
const samplesKept = 200_000;

export interface LogReading {
  readonly service: ServiceTimes;
  readonly requests: number;
  /** Requests in a second between the first line and the last, or null when there is no such time. */
  readonly perSecond: number | null;
  /** The models of the lines. */
  readonly models: readonly string[];
  /** Lines that are no access lines of a request that ran. */
  readonly skipped: number;
}

/**
 * Reads run times from an access log.
 *
 * @param path only requests for this path, its query aside; null for all.
 * @throws {SwitchyardError} `SY_PLAN_SOURCE` when the file can't be read or has no such line.
 */
export async function readAccessLog(file: string, path: string | null): Promise<LogReading> {
  const random = seededRandom(1);
  const timesMs: number[] = [];
  const models = new Set<string>();
  let requests = 0;
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
    models.add(entry.model);
    firstAtMs = Math.min(firstAtMs, entry.atMs);
    lastAtMs = Math.max(lastAtMs, entry.atMs);
    if (timesMs.length < samplesKept) timesMs.push(entry.runMs);
    else {
      const place = random.below(requests);
      if (place < samplesKept) timesMs[place] = entry.runMs;
    }
  }
  if (requests === 0) throw noLines(file, path, skipped);
  const lengthMs = lastAtMs - firstAtMs;
  return {
    service: measuredServices(timesMs, null),
    requests,
    perSecond: lengthMs > 0 && requests > 1 ? ((requests - 1) / lengthMs) * 1_000 : null,
    models: [...models],
    skipped,
  };
}

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
  readonly runMs: number;
  readonly model: string;
  readonly atMs: number;
}

/** A request that ran in a worker and was answered, or null. */
function accessEntry(line: string): Entry | null {
  const value = parsed(line);
  if (value === null || value.component !== "access") return null;
  const { path, runMs, model, time, status, worker } = value;
  if (typeof path !== "string" || typeof runMs !== "number" || typeof model !== "string") return null;
  if (typeof time !== "string" || typeof status !== "number" || status === 499 || typeof worker !== "number")
    return null;
  const atMs = Date.parse(time);
  return Number.isNaN(atMs) || !(runMs >= 0) ? null : { path, runMs, model, atMs };
}

/**
 * Reads the service times of one path from a compare run's JSON.
 *
 * @throws {SwitchyardError} `SY_PLAN_SOURCE` when it is no such file, or has no such path.
 */
export async function readCompareRun(
  file: string,
  path: string | null,
): Promise<{ path: string; service: ServiceTimes }> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw unreadable(file, error);
  });
  const services = servicesIn(parsed(text));
  if (services.length === 0) {
    throw new SwitchyardError("SY_PLAN_SOURCE", {
      saw: `${file} is not the JSON of a compare run, or none of its paths could be measured.`,
      fix: 'Make it with "switchyard compare app.ts --path /search --json run.json".',
    });
  }
  const found = path === null && services.length === 1 ? services[0] : services.find((each) => each.path === path);
  if (found !== undefined) return found;
  throw new SwitchyardError("SY_PLAN_SOURCE", {
    saw: path === null ? `${file} has more than one path.` : `${file} has no path ${path}.`,
    fix: `Choose one of them: ${services.map((each) => `--path "${each.path}"`).join(", ")}.`,
  });
}

/** What a compare run writes for each path whose requests could be timed one by one. */
export interface MeasuredService {
  readonly path: string;
  /** Times of requests that were alone in a sync worker, in milliseconds: evenly spaced quantiles. */
  readonly quantilesMs: readonly number[];
  readonly cpuMs: number;
}

function servicesIn(run: Readonly<Record<string, unknown>> | null): { path: string; service: ServiceTimes }[] {
  const list = run?.services;
  if (!Array.isArray(list)) return [];
  return list.filter(isMeasuredService).map(({ path, quantilesMs, cpuMs }) => {
    const service = measuredServices(quantilesMs, cpuMs);
    // CPU time is a mean of other requests than the quantiles are of: it may come out a little larger than the whole.
    return { path, service: { ...service, cpuMs: Math.min(cpuMs, service.meanMs) } };
  });
}

function isMeasuredService(value: unknown): value is MeasuredService {
  if (typeof value !== "object" || value === null) return false;
  const { path, quantilesMs, cpuMs } = value as Partial<Record<keyof MeasuredService, unknown>>;
  const isTime = (each: unknown) => typeof each === "number" && Number.isFinite(each) && each >= 0;
  return (
    typeof path === "string" &&
    isTime(cpuMs) &&
    Array.isArray(quantilesMs) &&
    quantilesMs.length > 0 &&
    quantilesMs.every(isTime)
  );
}

function parsed(text: string): Readonly<Record<string, unknown>> | null {
  if (!text.startsWith("{")) return null;
  try {
    return JSON.parse(text);
  } catch {
    // Half a line, or a program's own output that begins alike.
    return null;
  }
}

function noLines(file: string, path: string | null, skipped: number): SwitchyardError {
  return new SwitchyardError("SY_PLAN_SOURCE", {
    saw: `${file} has no access line${path === null ? "" : ` of ${path}`}; ${skipped} of its lines are none.`,
    fix: "Plan reads the lines that --access-log json writes, each with its runMs.",
  });
}

function unreadable(file: string, cause: unknown): SwitchyardError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  return new SwitchyardError("SY_PLAN_SOURCE", {
    saw: `The file ${file} can't be read (${code}).`,
    fix: "Correct the path.",
    cause,
  });
}
