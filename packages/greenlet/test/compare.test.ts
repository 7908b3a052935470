// Patched functions give what the originals give, for arguments that a generator has chosen: the same ones in each run.
//
// `node test/fixtures/compare-patches.ts child_process 1000 7` tries others.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertEnded, runFixture } from "./child.ts";

for (const [area, calls, seed] of [
  ["child_process", 60, 1],
  ["crypto", 150, 1],
  ["zlib", 150, 1],
] as const) {
  test(`in a greenlet, ${calls} calls of ${area} with arguments of all kinds give what the originals give`, async () => {
    const ending = await runFixture("compare-patches.ts", { args: [area, String(calls), String(seed)] });
    assert.equal(ending.stdout, `${calls} calls, 0 differences\n`);
    assertEnded(ending, 0);
  });
}
