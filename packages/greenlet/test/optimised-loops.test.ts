// What V8's optimizing compilers make of loops that are interrupted. The backend makes no difference to it, so this runs on
// the machine's own only.

import assert from "node:assert/strict";
import { test } from "node:test";
import { flagsForMaglev } from "../src/preemption.ts";
import { assertEnded, runFixture } from "./child.ts";

const runs = [
  { name: "every compiler", when: "cold", nodeArgs: [] },
  { name: "every compiler", when: "warm", nodeArgs: [] },
  { name: "Maglev alone", when: "cold", nodeArgs: ["--max-opt=2"] },
  { name: "Turbofan alone", when: "warm", nodeArgs: ["--no-maglev"] },
];

for (const { name, when, nodeArgs } of runs) {
  test(`a loop that was interrupted sees what others changed: ${name}, ${when}`, async () => {
    const ending = await runFixture("shared-in-loops.ts", { nodeArgs, args: [when] });
    assertEnded(ending, 0);
    assert.match(ending.stdout, /^(\d+) of \1 loops saw what was changed\n$/);
  });
}

test("Maglev stays on in the versions of V8 in which it was tried, and in no other", () => {
  assert.deepEqual(flagsForMaglev("13.6.233.17-node.56"), ["--no-maglev-loop-peeling"]);
  assert.deepEqual(flagsForMaglev("14.6.202.34-node.34"), ["--no-maglev-loop-peeling"]);
  for (const other of ["13.7.1", "14.5.2", "15.0.3"]) assert.equal(flagsForMaglev(other)[0], "--no-maglev");
});
