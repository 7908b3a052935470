// `switchyard status`, `workers` and `lanes`: what a running server says of itself, as a table or as JSON.

import { isatty } from "node:tty";
import { toggle } from "../config/values.ts";
import { ask, findSocket } from "../control/client.ts";
import type { LaneSnapshot, ServerStatus, WorkerSnapshot } from "../metrics/snapshot.ts";
import { flagsHelp, parseCommandLine } from "./command-flags.ts";
import { columnsOf, printText } from "./print.ts";
import { readyWorkers, type Staff } from "./staff.ts";
import { controlFlag, noArguments } from "./steer.ts";
import { type Column, table } from "./table.ts";

const flags = {
  json: { kind: toggle(), prose: "Prints JSON: everything that the server tells, on one line." },
  watch: { kind: toggle(), prose: "Prints it again every second, until you press Ctrl-C." },
  ...controlFlag,
} as const;

type View = "status" | "workers" | "lanes";

const views: Record<View, { shows: (status: ServerStatus) => string; json: (status: ServerStatus) => unknown }> = {
  status: { shows: statusText, json: (status) => status },
  workers: { shows: workersText, json: ({ workers }) => workers },
  lanes: { shows: lanesText, json: ({ lanes }) => lanes },
};

const prose: Record<View, string> = {
  status: "Shows the server that was started in this folder: what it serves, its requests and its workers.",
  workers: "Lists the workers of the server that was started in this folder.",
  lanes: "Lists the lanes of the server that was started in this folder.",
};

export function statusHelp(view: View): string {
  return `Usage: switchyard ${view} [options]

${prose[view]}

${flagsHelp(flags)}`;
}

/** Prints a view and returns the exit code. */
export async function runStatus(view: View, args: readonly string[]): Promise<number> {
  const { values, positionals, help } = parseCommandLine(view, { args, flags });
  if (help) return printText(statusHelp(view));
  noArguments(view, positionals);
  const socket = await findSocket(values["control-socket"]);
  for (;;) {
    const { status } = await ask(socket, { command: "status" });
    const text = values.json ? `${JSON.stringify(views[view].json(status))}\n` : views[view].shows(status);
    printText(values.watch && !values.json && isatty(1) ? `${clearScreen}${text}` : text);
    if (!values.watch) return 0;
    await new Promise((resolve) => setTimeout(resolve, watchEveryMs));
  }
}

const watchEveryMs = 1_000;
/** To the upper left, then everything after it erased (ECMA-48: CUP, ED). */
const clearScreen = "\x1b[H\x1b[2J";

function statusText(status: ServerStatus): string {
  const { application, totals, queue } = status;
  const facts = [
    ["serves", `${application.description ?? "nothing yet"} in ${application.file}`],
    ["at", status.url],
    ["model", `${status.model}: ${status.why}`],
    ["state", status.change === null ? status.phase : `${status.phase}; ${status.change} under way`],
    ["process", String(status.pid)],
    ["workers", `${readyText(status)}; ${status.restarts} replaced, ${status.reloads} reloads`],
    ["requests", requestsText(totals)],
    ...(queue === null
      ? []
      : [
          [
            "queue",
            `${queue.length} of ${queue.limit}; ${queue.refused} refused, ${queue.abandoned} left by their client`,
          ],
        ]),
  ];
  const lines = facts.map(([name, value]) => `${name!.padEnd(8)}  ${value}`);
  return `${lines.join("\n")}\n\n${workersText(status)}`;
}

/** "2 of 2 ready, 3 more in lanes" */
export function readyText(status: Staff & { readonly workersWanted: number }): string {
  const { ready, inLanes } = readyWorkers(status);
  return `${ready} of ${status.workersWanted} ready${inLanes > 0 ? `, ${inLanes} more in lanes` : ""}`;
}

function requestsText(counts: ServerStatus["totals"]): string {
  const of = (name: keyof typeof counts) => counts[name].toLocaleString("en-US");
  return `${of("inFlight")} in flight; ${of("answered")} answered, ${of("failed")} failed, ${of("aborted")} aborted, ${of("refused")} refused`;
}

const workerColumns: readonly Column<WorkerSnapshot>[] = [
  { head: "worker", cell: ({ worker }) => worker },
  { head: "state", cell: ({ state }) => state },
  { head: "model", cell: ({ model, isolation }) => (isolation === "thread" ? `${model}, thread` : model) },
  { head: "in flight", cell: ({ requests }) => requests.inFlight },
  { head: "answered", cell: ({ requests }) => requests.answered },
  { head: "failed", cell: ({ requests }) => requests.failed, isSpare: "zeros" },
  { head: "aborted", cell: ({ requests }) => requests.aborted, isSpare: "zeros" },
  { head: "refused", cell: ({ requests }) => requests.refused, isSpare: "zeros" },
  { head: "memory", cell: ({ rssBytes }) => `${Math.round(rssBytes / 1024 ** 2)} MiB` },
  { head: "pid", cell: ({ pid }) => String(pid) },
];

function workersText({ workers }: ServerStatus): string {
  return table(workerColumns, workers, columnsOf(process.stdout));
}

const laneColumns: readonly Column<LaneSnapshot>[] = [
  { head: "lane", cell: ({ name }) => name },
  { head: "model", cell: ({ model }) => model },
  { head: "workers", cell: ({ workers }) => (workers === null ? "the loops" : `${workers.live}`) },
  { head: "queued", cell: ({ queue }) => queue?.length ?? 0 },
  { head: "in flight", cell: ({ requests }) => requests.inFlight },
  { head: "answered", cell: ({ requests }) => requests.answered },
  { head: "failed", cell: ({ requests }) => requests.failed },
  { head: "from", cell: ({ origin }) => origin },
  { head: "match", cell: ({ methods, match }) => [...(methods ?? []), ...match].join(" ") },
];

function lanesText({ lanes }: ServerStatus): string {
  return table(laneColumns, lanes, columnsOf(process.stdout));
}
