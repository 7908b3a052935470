// What the standard environment variables of OpenTelemetry say about sending spans.
//
// Pure: reads only the `env` it is given. As the specification has it, a value that makes no sense is warned of and its
// default taken; only without an address to send to, or with a protocol that is not ours, are there no spans.
// (opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables, and /docs/specs/otel/protocol/exporter.)

import type { SamplerName, SamplerSettings } from "./context.ts";
import { samplerNames } from "./context.ts";
import { asksForSpans, type Env, isSet } from "./environment.ts";

export interface TracingSettings {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** How long one sending may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long a span waits for others at most, in milliseconds. */
  readonly delayMs: number;
  /** Spans that may wait or be on their way; more are dropped. */
  readonly queueLimit: number;
  /** Spans in one sending. */
  readonly batchLimit: number;
  readonly sampler: SamplerSettings;
  /** What the spans say of where they come from. */
  readonly resource: Readonly<Record<string, string>>;
}

/** With `settings` null there are no spans. `warnings` are sentences for the log. */
export interface ReadTracing {
  readonly settings: TracingSettings | null;
  readonly warnings: readonly string[];
}

export function readTracing(env: Env): ReadTracing {
  const warnings: string[] = [];
  const none = (warning?: string): ReadTracing => ({
    settings: null,
    warnings: warning === undefined ? [] : [warning],
  });
  if (!asksForSpans(env)) return none();
  const exporters = list(env.OTEL_TRACES_EXPORTER);
  if (exporters.length > 0 && !exporters.includes("otlp")) {
    if (exporters.includes("none")) return none();
    return none(
      `OTEL_TRACES_EXPORTER is ${exporters.join(",")}: Switchyard sends spans by otlp alone, so it sends none.`,
    );
  }
  const protocol = own(env, "PROTOCOL");
  if (protocol !== undefined && !protocol.startsWith("http/")) {
    return none(
      `The exporter's protocol is ${protocol}: Switchyard sends spans over HTTP alone, so it sends none. Set ` +
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json and the address of the collector's HTTP receiver (port 4318).",
    );
  }
  const url = addressOf(env);
  if (url === null)
    return none("The address in OTEL_EXPORTER_OTLP_ENDPOINT is no http or https URL: no spans are sent.");

  const number = (name: string, text: string | undefined, otherwise: number, least = 1): number => {
    if (!isSet(text)) return otherwise;
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= 2 ** 31 - 1) return value;
    warnings.push(`${name} is ${text}, which is no such number: ${otherwise} is used.`);
    return otherwise;
  };
  const queueLimit = number("OTEL_BSP_MAX_QUEUE_SIZE", env.OTEL_BSP_MAX_QUEUE_SIZE, 2048);
  const batchLimit = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", env.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, 512);
  const settings: TracingSettings = {
    url,
    headers: pairs(own(env, "HEADERS")),
    timeoutMs: number("OTEL_EXPORTER_OTLP_TIMEOUT", own(env, "TIMEOUT"), 10_000),
    delayMs: number("OTEL_BSP_SCHEDULE_DELAY", env.OTEL_BSP_SCHEDULE_DELAY, 5_000),
    queueLimit,
    batchLimit: Math.min(batchLimit, queueLimit),
    sampler: samplerOf(env, warnings),
    resource: resourceOf(env),
  };
  return { settings, warnings };
}

/** A setting of the exporter: the one for traces, or the one for all signals. */
function own(env: Env, name: string): string | undefined {
  return [env[`OTEL_EXPORTER_OTLP_TRACES_${name}`], env[`OTEL_EXPORTER_OTLP_${name}`]].find(isSet)?.trim();
}

/** The address for traces is used as it is, the one for all signals gets the path of traces. */
function addressOf(env: Env): URL | null {
  const exact = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  const text = isSet(exact) ? exact.trim() : (env.OTEL_EXPORTER_OTLP_ENDPOINT ?? "").trim();
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  if (!isSet(exact)) url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/traces`;
  return url;
}

function samplerOf(env: Env, warnings: string[]): SamplerSettings {
  const standard: SamplerSettings = { name: "parentbased_always_on", ratio: 1 };
  const name = env.OTEL_TRACES_SAMPLER;
  if (!isSet(name)) return standard;
  const wanted = name.trim();
  if (!isSampler(wanted)) {
    warnings.push(
      `OTEL_TRACES_SAMPLER is ${name}, which is none of ${samplerNames.join(", ")}: all requests get spans.`,
    );
    return standard;
  }
  const argument = env.OTEL_TRACES_SAMPLER_ARG;
  const ratio = isSet(argument) ? Number(argument) : 1;
  const isRatio = ratio >= 0 && ratio <= 1;
  if (!isRatio) warnings.push(`OTEL_TRACES_SAMPLER_ARG is ${argument}, which is no number from 0 to 1: 1 is used.`);
  return { name: wanted, ratio: isRatio ? ratio : 1 };
}

function isSampler(name: string): name is SamplerName {
  return (samplerNames as readonly string[]).includes(name);
}

function resourceOf(env: Env): Record<string, string> {
  const attributes = pairs(env.OTEL_RESOURCE_ATTRIBUTES);
  const name = isSet(env.OTEL_SERVICE_NAME) ? env.OTEL_SERVICE_NAME.trim() : attributes["service.name"];
  return { ...attributes, "service.name": name ?? "unknown_service:node" };
}

function list(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** `a=b,c=d`, percent-encoded, as in W3C Baggage. What has no name or no value is left out. */
function pairs(text: string | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of list(text)) {
    const at = entry.indexOf("=");
    if (at > 0) found[decoded(entry.slice(0, at).trim())] = decoded(entry.slice(at + 1).trim());
  }
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
