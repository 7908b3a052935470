// Spans as OTLP has them in JSON (opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).

export type Attributes = Readonly<Record<string, string | number | undefined>>;

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly traceState: string | undefined;
  readonly name: string;
  /** In milliseconds since 1970, with a fraction. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Those that are undefined are left out. Names that end in `_ms` are lengths of time with a fraction. */
  readonly attributes: Attributes;
  readonly isError: boolean;
}

/** SPAN_KIND_SERVER, STATUS_CODE_ERROR and SpanFlags of the protocol: sampled; it is known whether the parent is remote. */
const serverKind = 2;
const errorCode = 2;
const sampledFlag = 0x01;
const knownParentFlag = 0x100;
const remoteParentFlag = 0x200;

export function spanText(span: Span): string {
  const { traceId, spanId, parentSpanId, traceState, name, startedAtMs, endedAtMs, attributes, isError } = span;
  return JSON.stringify({
    traceId,
    spanId,
    parentSpanId,
    traceState,
    flags: sampledFlag | knownParentFlag | (parentSpanId === undefined ? 0 : remoteParentFlag),
    name,
    kind: serverKind,
    startTimeUnixNano: nanoseconds(startedAtMs),
    endTimeUnixNano: nanoseconds(endedAtMs),
    attributes: attributeList(attributes),
    status: isError ? { code: errorCode } : {},
  });
}

/** What stands around the spans of a message: before the first, and after the last. */
export function envelope(resource: Attributes, version: string): { readonly head: string; readonly tail: string } {
  const attributes = JSON.stringify(attributeList(resource));
  const scope = JSON.stringify({ name: "switchyard", version });
  return {
    head: `{"resourceSpans":[{"resource":{"attributes":${attributes}},"scopeSpans":[{"scope":${scope},"spans":[`,
    tail: "]}]}]}",
  };
}

function attributeList(attributes: Attributes): object[] {
  const all: object[] = [];
  for (const key in attributes) {
    const value = attributes[key];
    if (typeof value === "string") all.push({ key, value: { stringValue: value } });
    else if (value !== undefined) all.push({ key, value: numberValue(key, value) });
  }
  return all;
}

/** A whole number has 64 bits and so is text in JSON; an attribute's type stays the same whatever its value. */
function numberValue(key: string, value: number): object {
  return key.endsWith("_ms") ? { doubleValue: value } : { intValue: String(value) };
}

/** A date in nanoseconds does not fit a number; in microseconds it does. */
function nanoseconds(atMs: number): string {
  return `${Math.round(atMs * 1_000)}000`;
}
