// A compare run for a terminal: what each path is, a table of what each variant answered, and the advice.

import { ms, rate } from "../plan/plan.ts";
import { alignedRows } from "../plan/print.ts";
import type { Advice } from "./advice.ts";
import { configText } from "./config-text.ts";
import { latencyQuantiles, type RequestShape } from "./load/orders.ts";
import { type Gain, gainsIn, promisesIn } from "./mixed.ts";
import type { CompareRun, Measurement, MixedLoad } from "./run.ts";
import { type Spread, spreadOf } from "./statistics.ts";
import { levelsOf, type PathVerdict, servedAtOnce, verdicts } from "./verdict.ts";

/** @param columns that the terminal has; a table that is wider is printed in two parts. */
export function compareText(run: CompareRun, advice: Advice | null, columns = Number.POSITIVE_INFINITY): string {
  return [
    machineText(run),
    ...verdicts(run).map((verdict) => pathText(run, verdict, columns)),
    failuresText(run),
    warningsText(run),
    advice === null ? "" : adviceText(run, advice),
  ]
    .filter((text) => text !== "")
    .join("\n");
}

export function machineText({ machine, at, lengthMs, request }: CompareRun): string {
  const quota = machine.quota === null ? "" : `, quota ${machine.quota}`;
  return `Measured at ${at.slice(0, 16).replace("T", " ")} in ${Math.round(lengthMs / 1_000)} s: ${machine.cpus} CPUs${quota} (${machine.cpu}), Node ${machine.node}, load before ${machine.loadBefore.toFixed(1)}.${requestText(request)}\n`;
}

/** Nothing for a plain GET. Values of headers may be secrets, and are not shown. */
function requestText({ method, headers, body }: RequestShape): string {
  if (method === "GET" && headers.length === 0) return "";
  const named = headers.length === 0 ? "" : `, with ${headers.map(({ name }) => name).join(", ")}`;
  return ` Each request: ${method}${named}${body === "" ? "" : `, ${Buffer.byteLength(body)} bytes`}.`;
}

function pathText(run: CompareRun, verdict: PathVerdict, columns: number): string {
  const lines = [`${verdict.path}`, `  ${verdictText(verdict)}`];
  const clients = [
    ...new Set(
      run.variants.flatMap(({ variant }) => [
        ...levelsOf(run.measurements, { variant: variant.name, path: verdict.path }).keys(),
      ]),
    ),
  ].sort((a, b) => a - b);
  if (clients.length > 0) lines.push(tableText(run, verdict, { clients, columns }));
  for (const each of verdict.excluded) lines.push(`  ${each}`);
  return `${lines.join("\n")}\n`;
}

/** What a path is bound by, the evidence, and what follows from it. */
export function verdictText(verdict: PathVerdict): string {
  const { kind, wallMs, cpuMs, ranking, status } = verdict;
  if (ranking.length === 0 && status > 0 && status < 500)
    return "Nothing of it was answered in the time that there was.";
  if (ranking.length === 0) return `Not measured: it answers ${verdict.status || "nothing"}.`;
  const evidence = `alone it takes ${ms(wallMs)}${cpuMs === null ? "" : `, ${ms(cpuMs)} of CPU time`}`;
  switch (kind) {
    case "cpu":
      return `Bound by the CPU: ${evidence}. No model answers more of it than the cores can do.`;
    case "waiting":
      return `Bound by waiting: ${evidence}. ${atOnceText(verdict)}`;
    case "mixed":
      return `It computes and waits: ${evidence}.`;
    case "light":
      return `Light: ${evidence}. What is measured is mostly the server itself.`;
    case "unknown":
      return `Whether it computes or waits is not known here: ${evidence}.`;
  }
}

function atOnceText(verdict: PathVerdict): string {
  const served = verdict.ranking.map(({ variant }) => `${variant} ${Math.round(servedAtOnce(verdict, variant) ?? 0)}`);
  return `Served at once: ${served.join(", ")}.`;
}

function tableText(
  run: CompareRun,
  verdict: PathVerdict,
  { clients, columns }: { clients: readonly number[]; columns: number },
): string {
  const { path } = verdict;
  const rows = run.variants
    .map(({ variant }) => ({ variant, levels: levelsOf(run.measurements, { variant: variant.name, path }) }))
    .filter(({ levels }) => levels.size > 0);
  // The most that all of them had: latencies at different numbers of clients are no comparison.
  const most = clients.findLast((count) => rows.every(({ levels }) => levels.has(count))) ?? clients.at(-1)!;
  const names = ["", ...rows.map(({ variant }) => variant.name)];
  const rates = clients.map((count) => [
    `${count} client${count === 1 ? "" : "s"}`,
    ...rows.map(({ levels }) => rateText(spreadOf((levels.get(count) ?? []).map(({ perSecond }) => perSecond)))),
  ]);
  const atMost = rows.map(({ levels }) => levels.get(most) ?? []);
  const others = [
    [`p50 at ${most}`, ...atMost.map((those) => quantileText(those, 0.5))],
    [`p99 at ${most}`, ...atMost.map((those) => quantileText(those, 0.99))],
    [`CPU at ${most}`, ...atMost.map(cpuText)],
    ["", ...rows.map(({ variant }) => markOf(verdict, variant.name))],
  ];
  const whole = columnsText([names, ...rates, ...others]);
  if (whole.split("\n").every(({ length }) => length <= columns)) return whole;
  return `${columnsText([names, ...rates])}\n${columnsText([names, ...others])}`;
}

function columnsText(columns: readonly (readonly string[])[]): string {
  return alignedRows(columns[0]!.map((_, row) => columns.map((column) => column[row]!)));
}

function cpuText(measurements: readonly Measurement[]): string {
  const cpu = spreadOf(measurements.flatMap(({ cpuMs }) => cpuMs ?? []));
  return cpu === null ? "?" : ms(cpu.median);
}

function markOf({ best, ranking }: PathVerdict, variant: string): string {
  if (!best.includes(variant) || ranking.length === 1) return "";
  return best.length === 1 ? "best" : "best *";
}

/** "1,250/s ±4%", or "46/s (9 to 502)" where the rounds are so far apart that a share of the median says nothing. */
function rateText(spread: Spread | null): string {
  if (spread === null) return "-";
  const { median, min, max, count } = spread;
  if (count === 1) return `${rate(median)}/s`;
  const half = (max - min) / 2;
  if (half > median / 2) return `${rate(median)}/s (${rate(min)} to ${rate(max)})`;
  return `${rate(median)}/s ±${median === 0 ? 0 : Math.round((half / median) * 100)}%`;
}

export function quantileOf(measurements: readonly Measurement[], quantile: number): Spread | null {
  const place = (latencyQuantiles as readonly number[]).indexOf(quantile);
  return spreadOf(measurements.map(({ stream }) => stream.quantilesMs[place]!));
}

function quantileText(measurements: readonly Measurement[], quantile: number): string {
  const spread = quantileOf(measurements, quantile);
  return spread === null ? "-" : ms(spread.median);
}

function failuresText({ variants }: CompareRun): string {
  return variants
    .flatMap(({ variant, failure }) =>
      failure === null ? [] : [`${variant.name} failed: ${failure.saw}\n  ${failure.fix}\n`],
    )
    .join("");
}

function warningsText({ warnings }: CompareRun): string {
  return warnings.map((warning) => `! ${warning}\n`).join("");
}

function adviceText(run: CompareRun, advice: Advice): string {
  const config = configText(advice.config);
  const gains = gainsIn(run);
  return [
    advice.sentence,
    ...advice.reasons.map((reason) => `  ${reason}`),
    ...gainsText(run, gains),
    ...promisesIn(gains, advice).map((sentence, index) => `${index === 0 ? "Promised: " : "  "}${sentence}`),
    config === null ? "That is what serve does by itself: no config is needed." : `switchyard.config.ts:\n${config}`,
    "",
  ].join("\n");
}

/** What was measured with all paths at once, in the order in which it was. */
function gainsText({ mixed }: CompareRun, gains: readonly Gain[]): string[] {
  if (gains.length === 0) return [];
  const lines = [`All paths at once (${clientsText(mixed[0]!)}):`];
  let last = "";
  for (const gain of gains) {
    const what = momentText(gain);
    if (what !== last) lines.push(`  ${what}`);
    last = what;
    const { path, perSecond, p99Ms } = gain;
    lines.push(
      `    ${path}: ${rateText(perSecond.before)} → ${rateText(perSecond.advised)}, p99 ${ms(p99Ms.before.median)} → ${ms(p99Ms.advised.median)}${gain.isDifference ? "" : ", no difference"}`,
    );
  }
  return lines;
}

/** "8 clients on /search, 4 on /report" */
export function clientsText({ streams }: Pick<MixedLoad, "streams">): string {
  return streams
    .map(({ path, arrivals }, index) => {
      const clients = arrivals.kind === "closed" ? arrivals.clients : 0;
      return `${clients}${index === 0 ? " clients" : ""} on ${path}`;
    })
    .join(", ");
}

/** What is held against what is advised, and when. */
export function momentText({ against, when, lengthMs }: Gain): string {
  if (against === "without lanes") return "without lanes → advised";
  const moment = when === "at start" ? `the first ${Math.round(lengthMs / 1_000)} s after a start` : "after that";
  return `default → advised, ${moment}`;
}
