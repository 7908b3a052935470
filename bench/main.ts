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
const file = writeJson(measured);
if (values.readme !== undefined) writeReadme(values.readme, table, file);

function summary(row: Row, each: readonly RoundResult[]): Measured {
  const skipped = each.find((result) => result.skipped !== undefined)?.skipped;
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
    ...(skipped === undefined ? {} : { skipped }),
    rounds: each,
  };
}

function tableOf(all: readonly Measured[]): string {
  const lines = [
    ["what", "goal", "median", "min – max", ""],
    ["---", "---", "---", "---", "---"],
    ...all.map((row) => {
      const goal = "atLeast" in row.goal ? `≥ ${row.goal.atLeast}` : `≤ ${row.goal.atMost}`;
      if (row.skipped !== undefined) return [row.what, goal, "", "", `not measured: ${row.skipped}`];
      return [
        row.what,
        goal,
        `${rounded(row.median)} ${row.unit === "ratio" ? "" : row.unit}`.trim(),
        `${rounded(row.min)} – ${rounded(row.max)}`,
        row.reached ? "reached" : "short",
      ];
    }),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function writeReadme(mark: string, text: string, json: string): void {
  const [begin, end] = [`<!-- ${mark} -->\n`, `\n<!-- /${mark} -->`];
  const readme = ["../README.md", "../packages/greenlet/README.md"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => readFileSync(path, "utf8").includes(begin));
  if (readme === undefined) throw new Error(`No README has marks of the name ${mark}.`);
  const before = readFileSync(readme, "utf8");
  const { machine, at } = JSON.parse(readFileSync(json, "utf8"));
  const source = relative(dirname(readme), json);
  const origin = `Node ${process.version}, ${machine.cpus} CPUs (${machine.cpu}), ${at.slice(0, 10)}; medians of ${rounds} rounds. [Raw numbers](${source}), by \`npm run bench\`.`;
  const [from, to] = [before.indexOf(begin) + begin.length, before.indexOf(end)];
  if (to < from - 1) throw new Error(`The marks of the name ${mark} have no end in ${readme}.`);
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
