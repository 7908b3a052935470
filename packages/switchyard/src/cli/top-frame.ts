// What `switchyard top` shows at one moment, as lines of text. A calculation: the same server, history and size give the
// same lines, none longer than the terminal is wide, and no more of them than it is high.

import { loopDelayOf, type Sample } from "../control/dashboard/history.ts";
import type { SeenQueue, SeenStatus, SeenWorker } from "../control/dashboard/seen.ts";
import { readyWorkers } from "./staff.ts";
import { type Column, table } from "./table.ts";

export interface FrameOptions {
  readonly columns: number;
  readonly rows: number;
  /** Escape sequences for colours (ECMA-48: SGR), or plain text. */
  readonly isColoured: boolean;
}

type Tone = "soft" | "good" | "warn" | "bad" | "track" | "strong";

const codes: Record<Tone, string> = { soft: "2", good: "32", warn: "33", bad: "31", track: "36", strong: "1" };

/** A piece of a line: its text, and how it is shown. */
type Piece = string | readonly [Tone, string];

export function frameOf(status: SeenStatus, samples: readonly Sample[], options: FrameOptions): string[] {
  const lines: Piece[][] = [
    ...headLines(status),
    [],
    ...figureLines(status, samples.at(-1) ?? null, options.columns),
    trafficLine(samples, options.columns),
    [],
    ...laneLines(status, options.columns),
    [],
    ...workerLines(status, options.columns),
  ];
  const room = Math.max(1, options.rows);
  const shown =
    lines.length <= room ? lines : [...lines.slice(0, room - 1), [["soft", "more than fits here"] as const]];
  return shown.map((line) => inked(line, options));
}

function headLines(status: SeenStatus): Piece[][] {
  const { application, model, why, url } = status;
  return [
    [
      ["strong", "Switchyard"],
      "  ",
      conditionOf(status),
      "  ",
      `${application.description ?? "loading"} in ${application.file}`,
    ],
    [["soft", `${url}  model ${model}, ${why}`]],
  ];
}

function conditionOf(status: SeenStatus): Piece {
  const { ready } = readyWorkers(status);
  if ((status.change ?? null) !== null) return ["warn", `${status.change} under way`];
  if (status.phase === "leaving" || status.phase === "draining") return ["warn", "ending"];
  if (ready === 0) return ["bad", "no worker is ready"];
  if (ready < status.workersWanted) return ["warn", `${ready} of ${status.workersWanted} ready`];
  return ["good", "serving"];
}

/** The figures, on as many lines as they need. */
function figureLines(status: SeenStatus, latest: Sample | null, columns: number): Piece[][] {
  const inFlight = status.workers.reduce((sum, { requests }) => sum + requests.inFlight, 0);
  const figures: (readonly [string, Piece])[] = [
    ["requests/s", ["strong", latest === null ? "–" : amount(latest.answeredPerS + latest.failedPerS)]],
    ["in flight", ["strong", amount(inFlight)]],
    ["failed/s", latest !== null && latest.failedPerS > 0 ? ["bad", amount(latest.failedPerS)] : "0"],
    ...(latest === null || latest.p99Ms === null ? [] : [["p99", duration(latest.p99Ms)] as [string, Piece]]),
    ...(latest === null || latest.loopDelayMs === null
      ? []
      : [["loop delay", duration(latest.loopDelayMs)] as [string, Piece]]),
    ["memory", mebibytes(residentBytes(status))],
    ["replaced", amount(status.restarts)],
  ];
  const lines: Piece[][] = [[]];
  let length = 0;
  for (const [name, value] of figures) {
    const own = name.length + 1 + (typeof value === "string" ? value : value[1]).length;
    const isFirst = length === 0;
    const fits = isFirst || length + 3 + own <= columns;
    if (!fits) lines.push([]);
    lines.at(-1)!.push(isFirst || !fits ? "" : "   ", ["soft", `${name} `], value);
    length = isFirst || !fits ? own : length + 3 + own;
  }
  return lines;
}

/** Threads of one process show the same figure, so each process counts once. */
function residentBytes({ workers }: SeenStatus): number {
  return [...new Map(workers.map(({ pid, rssBytes }) => [pid, rssBytes])).values()].reduce(
    (sum, bytes) => sum + bytes,
    0,
  );
}

const bars = "▁▂▃▄▅▆▇█";

/** The throughput of the last minutes, a column for each second. */
function trafficLine(samples: readonly Sample[], columns: number): Piece[] {
  const rates = samples.slice(-Math.max(1, columns)).map(({ answeredPerS, failedPerS }) => answeredPerS + failedPerS);
  const highest = Math.max(1, ...rates);
  const drawn = rates.map((rate) => bars[Math.min(bars.length - 1, Math.floor((rate / highest) * bars.length))]);
  return [["track", drawn.join("")]];
}

function laneLines(status: SeenStatus, columns: number): Piece[][] {
  const { lanes = [] } = status;
  if (lanes.length === 0)
    return oneLane("all requests", { status, columns, workers: status.workers, queue: status.queue ?? null });
  return lanes.flatMap((lane) => {
    const isDefault = lane.origin === "default";
    const workers = status.workers.filter(
      (worker) => worker.lane === lane.name || (isDefault && (worker.lane ?? null) === null),
    );
    const name = isDefault
      ? lanes.length === 1
        ? "all requests"
        : "all other requests"
      : [lane.name, lane.match.join(", ")].join(" ").trimEnd();
    return oneLane(`${name}, ${lane.model}`, { status, columns, workers, queue: lane.queue });
  });
}

interface LaneParts {
  readonly status: SeenStatus;
  readonly columns: number;
  readonly workers: readonly SeenWorker[];
  readonly queue: SeenQueue | null;
}

function oneLane(name: string, { workers, queue, columns }: LaneParts): Piece[][] {
  return [
    [
      ["strong", name],
      ["soft", `  ${workers.length} ${workers.length === 1 ? "worker" : "workers"}`],
    ],
    ...(queue === null ? [] : [queueLine(queue, columns)]),
    ...(workers.length === 0 ? [] : [workers.flatMap((worker) => slotOf(worker))]),
  ];
}

function queueLine({ length, limit, refused }: SeenQueue, columns: number): Piece[] {
  const width = Math.max(4, Math.min(40, columns - 44));
  const tone: Tone = length === 0 ? "soft" : length >= limit ? "bad" : "warn";
  const filled = Math.min(width, length);
  return [
    "queue [",
    [tone, "■".repeat(filled)],
    ["soft", "·".repeat(width - filled)],
    "] ",
    [tone, `${amount(length)} waiting`],
    ["soft", `, limit ${amount(limit)}${refused > 0 ? `, ${amount(refused)} refused` : ""}`],
  ];
}

/** "[3 ■]": a worker as a slot with what it has in flight. */
function slotOf({ worker, state, model, requests: { inFlight } }: SeenWorker): Piece[] {
  const isReady = state === "ready";
  const load = inFlight === 0 ? "□" : model === "sync" ? "■" : `■${amount(inFlight)}`;
  return [
    ["soft", `[${worker} `],
    isReady ? [inFlight === 0 ? "soft" : "track", load] : ["warn", state],
    ["soft", "] "],
  ];
}

const workerColumns: readonly Column<SeenWorker>[] = [
  { head: "worker", cell: ({ worker }) => worker },
  { head: "state", cell: ({ state }) => state },
  { head: "model", cell: ({ model, isolation }) => (isolation === "thread" ? `${model}, thread` : model) },
  { head: "in flight", cell: ({ requests }) => requests.inFlight },
  { head: "answered", cell: ({ requests }) => requests.answered },
  { head: "failed", cell: ({ requests }) => requests.failed, isSpare: "zeros" },
  { head: "memory", cell: ({ rssBytes }) => mebibytes(rssBytes) },
  { head: "loop delay", cell: (worker) => delayText(loopDelayOf(worker)) },
  { head: "pid", cell: ({ pid }) => String(pid), isSpare: "always" },
];

function delayText(ms: number | null): string {
  return ms === null ? "–" : duration(ms);
}

function workerLines({ workers }: SeenStatus, columns: number): Piece[][] {
  const [head = "", ...rows] = table(workerColumns, workers, columns).trimEnd().split("\n");
  return [[["soft", head]], ...rows.map((row): Piece[] => [row])];
}

/** The line cut to the terminal's width, each piece in its colour. */
function inked(line: readonly Piece[], { columns, isColoured }: FrameOptions): string {
  let room = columns;
  let text = "";
  for (const piece of line) {
    const [tone, whole] = typeof piece === "string" ? [null, piece] : piece;
    const cut = whole.slice(0, Math.max(0, room));
    room -= cut.length;
    text += tone === null || !isColoured || cut === "" ? cut : `\x1b[${codes[tone]}m${cut}\x1b[0m`;
  }
  return isColoured ? text : text.trimEnd();
}

function amount(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function duration(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`;
}
