// Which trace a request belongs to, and whether it gets a span: W3C Trace Context and OpenTelemetry's samplers.
//
// Calculations; new numbers come from `random`. (w3.org/TR/trace-context, opentelemetry.io/docs/specs/otel/trace/sdk.)

export const samplerNames = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;
export type SamplerName = (typeof samplerNames)[number];

export interface SamplerSettings {
  readonly name: SamplerName;
  /** The share of traces, 0 to 1, of the samplers by ratio. */
  readonly ratio: number;
}

/** The caller's span. */
export interface ParentSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Null for what is no traceparent: then the request begins a trace of its own. */
export function parentOf(traceparent: string | undefined): ParentSpan | null {
  const found = traceparent === undefined ? null : form.exec(traceparent);
  if (found === null) return null;
  const [, version, traceId = "", spanId = "", flags = "", rest] = found;
  // Later versions may say more after these fields, the first says nothing.
  if (version === "00" && rest !== undefined) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Whether a request gets a span. */
export function isSampled({ name, ratio }: SamplerSettings, traceId: string, parent: ParentSpan | null): boolean {
  if (parent !== null && name.startsWith("parentbased_")) return parent.isSampled;
  if (name.endsWith("always_on")) return true;
  if (name.endsWith("always_off")) return false;
  // The end of a trace's number is random whoever made it; 52 bits of it are a number without loss.
  return Number.parseInt(traceId.slice(-13), 16) < ratio * 2 ** 52;
}
