// The report of a compare run: one HTML file with all in it, for people who would rather look than read. It asks nothing of
// any other file or host, and runs no script.

import { ms, rate } from "../../plan/plan.ts";
import type { Advice } from "../advice.ts";
import { configText } from "../config-text.ts";
import { latencyQuantiles } from "../load/orders.ts";
import { type Gain, gainsIn, promisesIn } from "../mixed.ts";
import { clientsText, machineText, verdictText } from "../print.ts";
import type { CompareRun, Measurement } from "../run.ts";
import { type Spread, spreadOf } from "../statistics.ts";
import { clientsOf, levelsOf, type PathVerdict, verdicts } from "../verdict.ts";
import { style } from "./style.ts";
import { type Bar, barChart, escaped, lineChart, type Point, type Series, shape } from "./svg.ts";

export function reportHtml(run: CompareRun, advice: Advice | null): string {
  const title = `Which model ${run.app.slice(run.app.lastIndexOf("/") + 1)} needs`;
  const paths = verdicts(run).map((verdict) => pathSection(run, verdict));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<p class="soft">${escaped(machineText(run))} <code>${escaped(run.command)}</code></p>
${advice === null ? "" : adviceSection(run, advice)}
${warningsSection(run)}
${legend(run)}
${paths.join("\n")}
${serversSection(run)}
</body>
</html>
`;
}

function adviceSection(run: CompareRun, advice: Advice): string {
  const config = configText(advice.config);
  return `<section class="advice"><strong>${escaped(advice.sentence)}</strong>
<ul>${advice.reasons.map((reason) => `<li>${escaped(reason)}</li>`).join("")}</ul>
${config === null ? "<p>That is what serve does by itself: no config is needed.</p>" : `<pre>${escaped(config)}</pre>`}
</section>${gainsSection(run, advice)}`;
}

/** All paths at once, under the default, without lanes, and as is advised. */
function gainsSection(run: CompareRun, advice: Advice): string {
  const gains = gainsIn(run);
  if (gains.length === 0) return "";
  const promises = promisesIn(gains, advice).map((sentence) => `<li>${escaped(sentence)}</li>`);
  const figures = run.mixed[0]!.streams.flatMap(({ path }) => {
    const own = gains.filter((gain) => gain.path === path);
    return [
      figure(
        `${path}: answers in a second`,
        sidesChart(`${path}, answers in a second`, own, perSecondText),
        "More is better.",
      ),
      figure(`${path}: 99% were answered within`, sidesChart(`${path}, p99`, own, ms), "Less is better."),
    ];
  });
  return `<h2>All paths at once: what the advice promises</h2>
<p class="soft">${escaped(clientsText(run.mixed[0]!))}. Each server was measured from its first request on, and then again.</p>
<ul>${promises.join("")}</ul><div class="charts">${figures.join("\n")}</div>`;
}

/** A bar for each config and moment: what is advised comes last. */
function sidesChart(title: string, gains: readonly Gain[], format: (value: number) => string): string {
  const side = ({ perSecond, p99Ms }: Gain) => (format === ms ? p99Ms : perSecond);
  const bar = (name: string, place: number, { median, min, max, count }: Spread): Bar => ({
    ...{ name, place, parts: [{ value: median, kind: "" }] },
    said:
      count === 1 ? format(median) : `${format(median)} (${Number(min.toPrecision(3))}-${Number(max.toPrecision(3))})`,
  });
  const bars = (["at start", "later"] as const).flatMap((when) => {
    const those = gains.filter((gain) => gain.when === when);
    const label = (name: string) => (when === "at start" ? `${name}, at start` : `${name}, later`);
    const before = those.map((gain) =>
      bar(
        label(gain.against === "default" ? "default" : "no lane"),
        gain.against === "default" ? 1 : 2,
        side(gain).before,
      ),
    );
    return those[0] === undefined ? [] : [...before, bar(label("advised"), 3, side(those[0]).advised)];
  });
  return barChart({ title, bars });
}

function warningsSection({ warnings }: CompareRun): string {
  if (warnings.length === 0) return "";
  return `<section class="warnings"><h3>What to keep in mind</h3><ul>${warnings.map((warning) => `<li>${escaped(warning)}</li>`).join("")}</ul></section>`;
}

function legend(run: CompareRun): string {
  const entries = run.variants.map(
    ({ variant }, place) =>
      `<span class="s${place}"><svg viewBox="-8 -8 16 16" aria-hidden="true">${shape(place)}</svg>${escaped(variant.name)}</span>`,
  );
  return `<div class="legend">${entries.join("")}</div>`;
}

const kindNames = {
  cpu: "bound by the CPU",
  waiting: "bound by waiting",
  mixed: "computes and waits",
  light: "light",
  unknown: "not known",
} as const;

function pathSection(run: CompareRun, verdict: PathVerdict): string {
  const { path, kind } = verdict;
  const head = `<section><h2><code>${escaped(path)}</code> <span class="kind ${kind}">${kindNames[kind]}</span></h2>
<p>${escaped(verdictText(verdict))}</p>${verdict.excluded.map((each) => `<p class="soft">${escaped(each)}</p>`).join("")}`;
  if (verdict.ranking.length === 0) return `${head}</section>`;
  return `${head}<div class="charts">
${figure(
  "Answers in a second",
  closedChart(run, path, "Answers in a second", ({ perSecond }) => perSecond, perSecondText),
  "Closed loop: each client sends when it is answered. A line through a point is the spread of its rounds.",
)}
${figure("Latency: half (p50) of the requests", closedChart(run, path, "p50", at(0.5), timeText, "log"), "")}
${figure("Latency: all but one in a hundred (p99)", closedChart(run, path, "p99", at(0.99), timeText, "log"), "")}
${openFigures(run, path).join("\n")}
${timeFigure(run, path)}
${switchesFigure(run, path)}
${turnsFigure(run, path)}
</div></section>`;
}

function figure(title: string, chart: string, caption: string): string {
  const below = caption === "" ? "" : `<figcaption>${escaped(caption)}</figcaption>`;
  return `<figure><h3>${escaped(title)}</h3>${chart}${below}</figure>`;
}

function at(quantile: number): (measurement: Measurement) => number {
  const place = (latencyQuantiles as readonly number[]).indexOf(quantile);
  return ({ stream }) => stream.quantilesMs[place]!;
}

function closedChart(
  run: CompareRun,
  path: string,
  title: string,
  value: (measurement: Measurement) => number,
  format: (value: number) => string,
  scale: "linear" | "log" = "linear",
): string {
  const levels = run.variants.map(({ variant }) => levelsOf(run.measurements, { variant: variant.name, path }));
  const clients = [...new Set(levels.flatMap((each) => [...each.keys()]))].sort((a, b) => a - b);
  const series = run.variants.map(
    ({ variant }, place): Series => ({
      name: variant.name,
      place,
      points: clients.map((count) => pointOf((levels[place]!.get(count) ?? []).map(value), `${count} clients`, format)),
    }),
  );
  return lineChart({
    title: `${title} by clients, ${path}`,
    stepsName: "clients at once",
    steps: clients.map(String),
    series,
    scale,
    format,
  });
}

function pointOf(values: readonly number[], step: string, format: (value: number) => string): Point | null {
  const spread = spreadOf(values);
  if (spread === null) return null;
  return { value: spread.median, min: spread.min, max: spread.max, said: `${format(spread.median)} at ${step}` };
}

const shownQuantiles = [0.1, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999] as const;

/** The latencies at each constant rate, from the fastest requests to the slowest. */
function openFigures(run: CompareRun, path: string): string[] {
  const open = run.measurements.filter((each) => each.path === path && clientsOf(each) === null);
  const rates = [...new Set(open.map(rateOf))].sort((a, b) => a - b);
  return rates.map((perSecond) => {
    const series = run.variants.map(
      ({ variant }, place): Series => ({
        name: variant.name,
        place,
        points: shownQuantiles.map((quantile) =>
          pointOf(
            open.filter((each) => each.variant === variant.name && rateOf(each) === perSecond).map(at(quantile)),
            percentText(quantile),
            ms,
          ),
        ),
      }),
    );
    const chart = lineChart({
      title: `Latencies at ${perSecond} requests a second, ${path}`,
      stepsName: "this share of the requests was answered within",
      steps: shownQuantiles.map(percentText),
      series,
      scale: "log",
      format: timeText,
    });
    return figure(
      `Latencies at ${rate(perSecond)} requests/s`,
      chart,
      "Open loop: sent at this rate, whatever becomes of the answers. Of what was refused or failed nothing is drawn.",
    );
  });
}

function rateOf({ stream }: Measurement): number {
  return stream.arrivals.kind === "open" ? stream.arrivals.perSecond : 0;
}

function percentText(quantile: number): string {
  return `${Number((quantile * 100).toFixed(1))}%`;
}

/** One request alone: how much of its time is CPU. */
function timeFigure(run: CompareRun, path: string): string {
  const bars = barsOf(run, path, 1, (rounds) => {
    const wall = spreadOf(rounds.map(({ stream }) => stream.meanMs))!.median;
    const cpu = spreadOf(rounds.flatMap(({ cpuMs }) => cpuMs ?? []));
    if (cpu === null) return null;
    const shown = Math.min(cpu.median, wall);
    return {
      parts: [
        { value: shown, kind: "cpu" },
        { value: wall - shown, kind: "wait" },
      ],
      said: cpu.median >= wall ? `all of ${ms(wall)}` : `${ms(cpu.median)} of ${ms(wall)}`,
    };
  });
  return bars.length === 0
    ? ""
    : figure(
        "Where the time of one request goes",
        barChart({ title: `CPU and waiting, ${path}`, bars }),
        "Orange is CPU time, grey is waiting. One client.",
      );
}

function mostClients(run: CompareRun, path: string): number {
  return Math.max(0, ...run.measurements.filter((each) => each.path === path).map((each) => clientsOf(each) ?? 0));
}

/** Context switches of one request under the most clients. */
function switchesFigure(run: CompareRun, path: string): string {
  const clients = mostClients(run, path);
  const bars = barsOf(run, path, clients, (rounds) => {
    const voluntary = spreadOf(rounds.flatMap(({ switches }) => switches?.voluntary ?? []));
    const involuntary = spreadOf(rounds.flatMap(({ switches }) => switches?.involuntary ?? []));
    if (voluntary === null || involuntary === null) return null;
    return {
      parts: [
        { value: voluntary.median, kind: "wait" },
        { value: involuntary.median, kind: "cpu" },
      ],
      said: `${voluntary.median.toPrecision(2)} + ${involuntary.median.toPrecision(2)}`,
    };
  });
  return bars.length === 0
    ? ""
    : figure(
        "Context switches for one request",
        barChart({ title: `Context switches, ${path}`, bars }),
        `Counted by the kernel, ${clientsOfText(clients)}. Grey, voluntary: a thread had nothing to do and gave up its CPU. Orange, involuntary: the kernel took the CPU from a thread that had something to do.`,
      );
}

/** What the workers did within themselves for one request under the most clients. */
function turnsFigure(run: CompareRun, path: string): string {
  const clients = mostClients(run, path);
  const bars = barsOf(run, path, clients, (rounds) => {
    const loop = spreadOf(rounds.flatMap(({ turns }) => turns?.loop ?? []));
    const greenlet = spreadOf(rounds.flatMap(({ turns }) => turns?.greenlet ?? []));
    if (loop === null || greenlet === null) return null;
    return {
      parts: [
        { value: loop.median, kind: "wait" },
        { value: greenlet.median, kind: "cpu" },
      ],
      said: `${loop.median.toPrecision(2)} + ${greenlet.median === 0 ? "0" : greenlet.median.toPrecision(2)}`,
    };
  });
  return bars.length === 0
    ? ""
    : figure(
        "Loop turns and greenlet switches for one request",
        barChart({ title: `Loop turns and greenlet switches, ${path}`, bars }),
        `Counted by the workers, ${clientsOfText(clients)}. Grey, loop turns: a worker's event loop went once round its timers and sockets; below one, a turn served several requests. Orange, greenlet switches: a greenlet's stack was entered, to start it or to resume it.`,
      );
}

function clientsOfText(clients: number): string {
  return `${clients} client${clients === 1 ? "" : "s"}`;
}

function barsOf(
  run: CompareRun,
  path: string,
  clients: number,
  bar: (rounds: readonly Measurement[]) => Pick<Bar, "parts" | "said"> | null,
): Bar[] {
  return run.variants.flatMap(({ variant }, place): Bar[] => {
    const rounds = levelsOf(run.measurements, { variant: variant.name, path }).get(clients);
    const drawn = rounds === undefined ? null : bar(rounds);
    return drawn === null ? [] : [{ name: variant.name, place, ...drawn }];
  });
}

/** Memory, start and what failed, for each variant. */
function serversSection(run: CompareRun): string {
  const rows = run.variants.map(({ variant, failure, startMs, workers, idleBytes, restarts }) => {
    if (failure !== null)
      return `<tr><td>${escaped(variant.name)}</td><td colspan="6" style="text-align:left">failed: ${escaped(failure.saw)} ${escaped(failure.fix)}</td></tr>`;
    const perTask = bytesPerTask(run, variant.name);
    const cells = [
      workers ?? "?",
      startMs === null ? "?" : ms(startMs),
      idleBytes === null ? "?" : mebibytes(idleBytes),
      idleBytes === null || workers === null ? "?" : mebibytes(idleBytes / workers),
      perTask === null ? "?" : `${Math.round(perTask / 1024)} KiB`,
      restarts,
    ];
    return `<tr><td>${escaped(variant.name)}</td>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
  });
  return `<section><h2>The servers</h2><div class="table"><table>
<tr><th></th><th>workers</th><th>start</th><th>memory, idle</th><th>for each worker</th><th>for each request at once</th><th>workers replaced</th></tr>
${rows.join("\n")}</table></div>
<p class="soft">Memory is that of all processes of the server, what they share counted once. That of a request is what the most clients on a waiting path add to one client, and no more than an estimate.</p></section>`;
}

/** What each more request at once adds in memory, on the path that waits longest; null where none does. */
function bytesPerTask(run: CompareRun, variant: string): number | null {
  const waiting = verdicts(run)
    .filter(({ kind }) => kind === "waiting")
    .sort((a, b) => b.wallMs - a.wallMs)[0];
  if (waiting === undefined) return null;
  const levels = levelsOf(run.measurements, { variant, path: waiting.path });
  const most = Math.max(...levels.keys(), 1);
  const memory = (clients: number) =>
    spreadOf((levels.get(clients) ?? []).flatMap(({ memoryBytes }) => memoryBytes ?? []))?.median;
  const [few, many] = [memory(1), memory(most)];
  return few === undefined || many === undefined || most === 1 || many <= few ? null : (many - few) / (most - 1);
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`;
}

/** "200 ms", "5 s": for the ends of an axis. */
function timeText(value: number): string {
  return value >= 1_000 ? `${Number((value / 1_000).toPrecision(3))} s` : ms(value);
}

function perSecondText(value: number): string {
  return `${rate(value)}/s`;
}
