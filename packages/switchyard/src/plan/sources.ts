// Service times from the JSON of a compare run. Nothing in it is trusted.

import { readFile } from "node:fs/promises";
import { SwitchyardError } from "../errors.ts";
import { measuredServices, type ServiceTimes } from "./service.ts";

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

/** An object in JSON, or null. */
export function parsed(text: string): Readonly<Record<string, unknown>> | null {
  if (!text.startsWith("{")) return null;
  try {
    return JSON.parse(text);
  } catch {
    // Half a line, or a program's own output that begins alike.
    return null;
  }
}

export function unreadable(file: string, cause: unknown): SwitchyardError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  return new SwitchyardError("SY_PLAN_SOURCE", {
    saw: `The file ${file} can't be read (${code}).`,
    fix: "Correct the path.",
    cause,
  });
}
