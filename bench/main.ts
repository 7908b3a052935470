// `npm run bench [-- options] [row ...]`: measures Switchyard and its peers in one run, prints a table and writes JSON.
//
//   --rounds N     rounds of each row (default 5)
//   --seconds N    length of each measurement, in seconds (default 5)
//   --json FILE    where the raw numbers go (default bench/results/<date>.json)
//   --readme MARK  put the tables into README.md, between the marks of that name: bench, bench-lanes
//
// Not a test: it never fails because of a figure. Run it on a machine that does nothing else.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensureWrk } from "./load.ts";
import { mixedRows, mixedTable } from "./mixed.ts";
import type { RoundResult, Row } from "./row.ts";
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
const chosen = positionals.length === 0 ? rows : rows.filter((row) => positionals.includes(row.id));

interface Measured {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly goal: Row["goal"];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly reached: boolean;
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
const file = writeJson(measured);
if (values.readme !== undefined) writeReadme(values.readme, table, file);

function summary(row: Row, each: readonly RoundResult[]): Measured {
  const figures = each.map((result) => result.figure).sort((a, b) => a - b);
  const median = figures[Math.floor(figures.length / 2)] ?? Number.NaN;
  const { id, what, unit, goal } = row;
  const reached = "atLeast" in goal ? median >= goal.atLeast : median <= goal.atMost;
  return {
    id,
    what,
    unit,
    goal,
    median,
    min: figures[0] ?? Number.NaN,
    max: figures.at(-1) ?? Number.NaN,
    reached,
    rounds: each,
  };
}

function tableOf(all: readonly Measured[]): string {
  const lines = [
    ["what", "goal", "median", "min – max", ""],
    ["---", "---", "---", "---", "---"],
    ...all.map((row) => [
      row.what,
      "atLeast" in row.goal ? `≥ ${row.goal.atLeast}` : `≤ ${row.goal.atMost}`,
      `${rounded(row.median)} ${row.unit === "ratio" ? "" : row.unit}`.trim(),
      `${rounded(row.min)} – ${rounded(row.max)}`,
      row.reached ? "reached" : "short",
    ]),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function writeReadme(mark: string, text: string, json: string): void {
  const readme = fileURLToPath(new URL("../README.md", import.meta.url));
  const before = readFileSync(readme, "utf8");
  const { machine, at } = JSON.parse(readFileSync(json, "utf8"));
  const source = relative(dirname(readme), json);
  const origin = `Node ${process.version}, ${machine.cpus} CPUs (${machine.cpu}), ${at.slice(0, 10)}; medians of ${rounds} rounds. [Raw numbers](${source}), by \`npm run bench\`.`;
  const [begin, end] = [`<!-- ${mark} -->\n`, `\n<!-- /${mark} -->`];
  const [from, to] = [before.indexOf(begin) + begin.length, before.indexOf(end)];
  if (before.indexOf(begin) === -1 || to < from - 1) throw new Error(`README.md has no marks of the name ${mark}.`);
  const after = `${before.slice(0, from)}${text}\n\n${origin}${before.slice(to)}`;
  writeFileSync(readme, after);
}

function rounded(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function writeJson(all: readonly Measured[]): string {
  const at = new Date().toISOString();
  const file =
    values.json ?? fileURLToPath(new URL(`./results/${at.slice(0, 19).replaceAll(":", "-")}.json`, import.meta.url));
  mkdirSync(dirname(file), { recursive: true });
  const machine = {
    cpus: availableParallelism(),
    cpu: cpus()[0]?.model ?? "unknown",
    kernel: release(),
    node: process.version,
    loadBefore,
  };
  const command = `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim();
  writeFileSync(file, `${JSON.stringify({ at, command, machine, rounds, seconds, rows: all }, null, 2)}\n`);
  console.log(`\nRaw numbers: ${file}`);
  return file;
}
