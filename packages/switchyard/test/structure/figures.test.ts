// Measured figures in the documents come from a committed run and are not written by hand: a block between `<!-- bench -->` marks
// names its file of raw numbers, and every row of its table is that file's.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { rounded } from "../../../../bench/figures.ts";
import { mixedRows, mixedTable } from "../../../../bench/mixed.ts";
import { type PeerRow, peersTables } from "../../../../bench/peers-run.ts";
import type { RoundResult } from "../../../../bench/row.ts";

const root = new URL("../../../../", import.meta.url);
const readme = readFileSync(new URL("README.md", root), "utf8");
const peers = readFileSync(new URL("docs/peers.md", root), "utf8");

interface Run {
  readonly at: string;
  readonly command: string;
  readonly machine: { readonly cpus: number; readonly cpu: string; readonly node: string };
  readonly rows: readonly {
    id: string;
    what: string;
    unit: string;
    median: number;
    min: number;
    max: number;
    reached: boolean;
    rounds: RoundResult[];
  }[];
}

const blocks = [...readme.matchAll(/<!-- (bench[a-z-]*) -->\n([\s\S]*?)\n<!-- \/\1 -->/g)].map((match) => match[2]!);

test("the README's tables of figures are what the committed runs that they name say, row for row", () => {
  assert.ok(blocks.length > 0, "the README has marked blocks");
  for (const block of blocks) {
    const run = runOf(block);
    const rows = block
      .split("\n\n", 1)[0]!
      .split("\n")
      .slice(2)
      .map((line) => line.split("|").map((cell) => cell.trim()));
    assert.deepEqual(
      rows.map(([, what, , median, spread, reached]) => ({ what, median, spread, reached })),
      run.rows.map(({ what, unit, median, min, max, reached }) => ({
        what,
        median: `${rounded(median)} ${unit === "ratio" ? "" : unit}`.trim(),
        spread: `${rounded(min)} – ${rounded(max)}`,
        reached: reached ? "reached" : "short",
      })),
    );
    const mixed = run.rows.find(({ id }) => mixedRows.some((row) => row.id === id));
    if (mixed !== undefined) assert.ok(block.includes(mixedTable(mixed.rounds)), "the table of all servers");
  }
});

test("a block of figures says the machine, the date and the command of its run", () => {
  for (const block of blocks) {
    const { machine, at } = runOf(block);
    for (const said of [machine.node, `${machine.cpus} CPUs`, machine.cpu, at.slice(0, 10), "`npm run bench`"]) {
      assert.ok(block.includes(said), said);
    }
  }
});

test("the table of peers is what the committed run that it names says", () => {
  const [, block] = /<!-- bench-peers -->\n([\s\S]*?)<!-- \/bench-peers -->/.exec(peers) ?? [];
  assert.ok(block !== undefined, "docs/peers.md has a marked block");
  const file = /\[Raw numbers\]\(([^)]+)\)/.exec(block)?.[1];
  if (file === undefined) {
    assert.doesNotMatch(block, /\|/, "a table without the run that it comes from");
    return;
  }
  const run: { rows: PeerRow[] } = JSON.parse(readFileSync(new URL(file, new URL("docs/", root)), "utf8"));
  assert.equal(block.split("\n\nNode v")[0], peersTables(run.rows));
});

test("outside of the marked blocks the README states no measured rate or ratio", () => {
  const rest = readme.replaceAll(/<!-- (bench[a-z-]*) -->[\s\S]*?<!-- \/\1 -->/g, "").replaceAll(/```[\s\S]*?```/g, "");
  assert.deepEqual(rest.match(/\d[\d,.]* ?(?:requests\/s|req\/s|times (?:faster|as (?:many|fast)))/g) ?? [], []);
});

function runOf(text: string): Run {
  const file = /\[Raw numbers\]\(([^)]+)\)/.exec(text)?.[1];
  assert.ok(file !== undefined && existsSync(new URL(file, root)), "the file of raw numbers is committed");
  return JSON.parse(readFileSync(new URL(file, root), "utf8"));
}
