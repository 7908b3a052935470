// Opens tracing where the environment asks for it; where it does not, nothing of it is loaded.

import type { Log } from "../log/log.ts";
import { asksForSpans } from "./environment.ts";
import type { RequestTracing } from "./tracing.ts";

export type { RequestSpan, RequestTracing } from "./tracing.ts";

export interface OpenOptions {
  readonly log: Log;
  /** Whether what is wrong with the settings is said here, of all the workers that read the same. */
  readonly warns: boolean;
}

/** Null: no request gets a span. Call it before the application is loaded: what that does to its environment is its own. */
export async function openTracing({ log, warns }: OpenOptions): Promise<RequestTracing | null> {
  if (!asksForSpans(process.env)) return null;
  const { readTracing } = await import("./settings.ts");
  const { settings, warnings } = readTracing(process.env);
  if (warns) for (const warning of warnings) log.warn({}, warning);
  if (settings === null) return null;
  const { createTracing } = await import("./tracing.ts");
  return createTracing(settings, log);
}
