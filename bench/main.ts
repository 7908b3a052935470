// `npm run bench [-- options] [row ...]`: measures Switchyard and its peers in one run, prints a table and writes JSON.
//
//   --rounds N     rounds of each row (default 5; 3 for peers)
//   --seconds N    length of each measurement, in seconds (default 5; 1 for peers)
//   --json FILE    where the raw numbers go (default bench/results/<date>.json)
//   --readme MARK  put the tables into the document that has marks of that name: bench, bench-lanes, bench-greenlet, bench-peers,
//                  bench-operate
//
// A row is named by its id; a name that ends in a dash stands for all that begin so: greenlets-, operate-
// `peers` is a table of its own, of servers for Node and for Python; names after it choose from it by a part of their name.
//
// Not a test: it never fails because of a figure. Run it on a machine that does nothing else.

import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { markdownTable, median, rounded, writeBlock } from "./figures.ts";
import { ensureWrk } from "./load.ts";
import { mixedRows, mixedTable } from "./mixed.ts";
import { measurePeers, peersTables } from "./peers-run.ts";
import type { RoundResult, Row } from "./row.ts";
import { saveRun } from "./run-file.ts";
import { rows } from "./scenarios.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string" },
    seconds: { type: "string" },
    json: { type: "string" },
    readme: { type: "string" },
  },
});
const isPeers = positionals[0] === "peers";
const rounds = Number(values.rounds ?? (isPeers ? 3 : 5));
const seconds = Number(values.seconds ?? (isPeers ? 1 : 5));

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

const { measured, tables } = isPeers ? await runPeers(positionals.slice(1)) : await runRows(positionals);
console.log(tables);
const json = saveRun(values.json, { loadBefore, rounds, seconds, rows: measured });
if (values.readme !== undefined) writeBlock(values.readme, { tables, json });

async function runPeers(words: readonly string[]) {
  const measured = await measurePeers(words, { rounds, seconds });
  return { measured, tables: peersTables(measured) };
}

async function runRows(names: readonly string[]) {
  const isNamed = ({ id }: Row) => names.some((name) => (name.endsWith("-") ? id.startsWith(name) : id === name));
  const chosen = rows.filter((row) => (names.length === 0 ? row.isOnlyNamed !== true : isNamed(row)));
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
  return { measured, tables: tables.join("\n\n") };
}

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
