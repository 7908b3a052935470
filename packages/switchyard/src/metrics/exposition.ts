// The server's status in the text form that Prometheus reads, version 0.0.4.
// (github.com/prometheus/docs, "Exposition formats")
//
// Written here because the counts are kept elsewhere, by processes that come and go: a metrics library keeps counts of its
// own, and has no way to be handed a histogram. (docs/decisions/metrics.md)

import { type HistogramSample, type Labels, type MetricDefinition, metricDefinitions } from "./definitions.ts";
import { boundsMs, countOf } from "./histogram.ts";
import type { ServerStatus } from "./snapshot.ts";

export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

export function exposition(status: ServerStatus): string {
  return metricDefinitions.map((definition) => metricText(definition, status)).join("");
}

function metricText(definition: MetricDefinition, status: ServerStatus): string {
  const { name, help, type } = definition;
  const head = `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`;
  const lines =
    definition.type === "histogram"
      ? definition.read(status).flatMap((sample) => histogramLines(name, sample))
      : definition.read(status).map(({ labels, value }) => line(name, labels, value));
  return head + lines.join("");
}

function histogramLines(name: string, { labels, histogram }: HistogramSample): string[] {
  const lines: string[] = [];
  let below = 0;
  for (const [index, bound] of boundsMs.entries()) {
    below += histogram.counts[index] ?? 0;
    if (isPublished(index)) lines.push(line(`${name}_bucket`, { ...labels, le: seconds(bound) }, below));
  }
  const count = countOf(histogram);
  lines.push(line(`${name}_bucket`, { ...labels, le: "+Inf" }, count));
  lines.push(line(`${name}_sum`, labels, Number(seconds(histogram.sumMs))));
  lines.push(line(`${name}_count`, labels, count));
  return lines;
}

/** Every second bound: each bucket is a time series, and three in each power of ten are enough to draw. */
function isPublished(index: number): boolean {
  return index % 2 === 0;
}

/** Without the noise in the last digits that a division by 1,000 leaves. */
function seconds(ms: number): string {
  return String(Number((ms / 1_000).toPrecision(12)));
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(
    ([label, text]) => `${label}="${escaped(String(text)).replaceAll('"', '\\"')}"`,
  );
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
