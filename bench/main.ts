// `npm run bench [-- options] [row ...]`: measures Switchyard and its peers in one run, prints a table and writes JSON.
//
//   --rounds N     rounds of each row (default 5)
//   --seconds N    length of each measurement, in seconds (default 5)
//   --json FILE    where the raw numbers go (default bench/results/<date>.json)
//   --readme MARK  put the tables into the README that has marks of that name: bench, bench-lanes, bench-greenlet
//
// A row is named by its id; a name that ends in a dash stands for all that begin so: greenlets-
//
// Not a test: it never fails because of a figure. Run it on a machine that does nothing else.

import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { markdownTable, median, rounded, writeBlock } from "./figures.ts";
import { ensureWrk } from "./load.ts";
import { mixedRows, mixedTable } from "./mixed.ts";
import type { RoundResult, Row } from "./row.ts";
import { saveRun } from "./run-file.ts";
import { rows } from "./scenarios.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    json: { type: "string" },
    readme: { type: "string" },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const chosen =
  positionals.length === 0
    ? rows
    : rows.filter(({ id }) => positionals.some((name) => (name.endsWith("-") ? id.startsWith(name) : id === name)));

interface Measured {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly goal: Row["goal"];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly reached: boolean;
  /** Why there is no figure. */
  readonly skipped?: string;
  readonly rounds: readonly RoundResult[];
}

ensureWrk();
const loadBefore = loadavg()[0] ?? 0;
if (loadBefore > 0.5)
  process.stderr.write(`bench: this machine is busy (load ${loadBefore.toFixed(2)}), so figures will spread\n`);

const results = new Map<Row, RoundResult[]>(chosen.map((row) => [row, []]));
for (let round = 1; round <= rounds; round++) {
  const options = { seconds };
  for (const row of chosen) {
    process.stderr.write(`\rbench: round ${round} of ${rounds}, ${row.id}                    `);
    results.get(row)?.push(await row.round(options));
  }
}
process.stderr.write("\n");

const measured = [...results].map(([row, each]) => summary(row, each));
const mixed = mixedRows.map((row) => results.get(row)).find((each) => each !== undefined);
const tables = mixed === undefined ? [tableOf(measured)] : [tableOf(measured), mixedTable(mixed)];
const table = tables.join("\n\n");
console.log(table);
const json = saveRun(values.json, { loadBefore, rounds, seconds, rows: measured });
if (values.readme !== undefined) writeBlock(values.readme, { tables: table, json });

function summary(row: Row, each: readonly RoundResult[]): Measured {
  const skipped = each.find((result) => result.skipped !== undefined)?.skipped;
  const figures = each.map((result) => result.figure).sort((a, b) => a - b);
  const middle = median(figures);
  const { id, what, unit, goal } = row;
  const reached = "atLeast" in goal ? middle >= goal.atLeast : middle <= goal.atMost;
  return {
    id,
    what,
    unit,
    goal,
    median: middle,
    min: figures[0] ?? Number.NaN,
    max: figures.at(-1) ?? Number.NaN,
    reached,
    ...(skipped === undefined ? {} : { skipped }),
    rounds: each,
  };
}

function tableOf(all: readonly Measured[]): string {
  const lines = all.map((row) => {
    const goal = "atLeast" in row.goal ? `≥ ${row.goal.atLeast}` : `≤ ${row.goal.atMost}`;
    if (row.skipped !== undefined) return [row.what, goal, "", "", `not measured: ${row.skipped}`];
    return [
      row.what,
      goal,
      `${rounded(row.median)} ${row.unit === "ratio" ? "" : row.unit}`.trim(),
      `${rounded(row.min)} – ${rounded(row.max)}`,
      row.reached ? "reached" : "short",
    ];
  });
  return markdownTable(["what", "goal", "median", "min – max", ""], lines);
}
