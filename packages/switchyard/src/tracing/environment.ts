// Whether the environment asks for spans: all that is looked at where it does not.

export type Env = Readonly<Record<string, string | undefined>>;

/** Whether there is an address to send spans to, and nobody has forbidden it. */
export function asksForSpans(env: Env): boolean {
  if (isSet(env.OTEL_SDK_DISABLED) && env.OTEL_SDK_DISABLED.trim().toLowerCase() === "true") return false;
  return isSet(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) || isSet(env.OTEL_EXPORTER_OTLP_ENDPOINT);
}

/** An empty variable counts as none, by the specification. */
export function isSet(value: string | undefined): value is string {
  return value !== undefined && value.trim() !== "";
}
