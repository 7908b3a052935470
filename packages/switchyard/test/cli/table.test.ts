// Tables in a terminal, and what `switchyard status` says of workers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readyText } from "../../src/cli/status.ts";
import { type Column, table } from "../../src/cli/table.ts";

test("a table that is too wide leaves out its spare columns, and none that has something to say", () => {
  const columns: readonly Column<{ worker: number; failed: number; pid: string }>[] = [
    { head: "worker", cell: ({ worker }) => worker },
    { head: "failed", cell: ({ failed }) => failed, isSpare: "zeros" },
    { head: "pid", cell: ({ pid }) => pid, isSpare: "always" },
    { head: "state", cell: () => "ready" },
  ];
  const heads = (failed: number, width?: number) =>
    table(columns, [{ worker: 1, failed, pid: "12345" }], width)
      .split("\n")[0]!
      .split(/ +/);
  assert.deepEqual(heads(0), ["worker", "failed", "pid", "state"]);
  assert.deepEqual(heads(0, 24), ["worker", "pid", "state"]);
  assert.deepEqual(heads(0, 15), ["worker", "state"]);
  assert.deepEqual(heads(2, 24), ["worker", "failed", "state"]);
  assert.deepEqual(heads(2, 5), ["worker", "failed", "state"]);
});

test("as many workers as are wanted is said of the default lane's, and those of other lanes are said beside", () => {
  const worker = (lane: string | null, state: "ready" | "starting" = "ready") => ({ lane, state });
  const lanes = [
    { name: "report", origin: "config" },
    { name: "default", origin: "default" },
  ] as const;
  const said = (workers: readonly ReturnType<typeof worker>[]) => readyText({ workers, workersWanted: 2, lanes });
  assert.equal(said([worker(null), worker(null)]), "2 of 2 ready");
  assert.equal(said([worker(null), worker(null, "starting")]), "1 of 2 ready");
  assert.equal(said([worker(null), worker(null), worker("report")]), "2 of 2 ready, 1 more in lanes");
  assert.equal(said([worker("default"), worker("report")]), "1 of 2 ready, 1 more in lanes");
});
