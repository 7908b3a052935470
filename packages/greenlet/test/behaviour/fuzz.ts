// Random programs. For longer runs: node scripts/fuzz.mjs --minutes 10

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertEnded, runFixture } from "../child.ts";

for (const seed of ["1", "3"]) {
  test(`a random program leaves nothing behind and loses no wake-up (seed ${seed})`, async () => {
    const ending = await runFixture("fuzz.ts", { nodeArgs: ["--expose-gc"], args: [seed, "300"] });
    assertEnded(ending, 0);
    assert.equal(ending.stdout, "everything ended and was given back\n");
  });
}
