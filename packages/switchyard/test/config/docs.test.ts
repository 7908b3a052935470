import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { eachOption } from "../../src/config/options.ts";
import { errorRecords } from "../../src/errors.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

test("docs/options.md and docs/errors.md are what the code says", () => {
  const { status, stderr } = spawnSync(process.execPath, [`${root}scripts/print-docs.ts`, "--check"], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
});

test("docs/errors.md lists exactly the codes that exist", () => {
  const listed = readFileSync(`${root}docs/errors.md`, "utf8").matchAll(/^\| `(SY_\w+)`/gm);
  assert.deepEqual(
    Array.from(listed, ([, code]) => code),
    Object.keys(errorRecords),
  );
});

test("every option's prose is whole sentences, and no two options share a flag", () => {
  const flags = new Set<string>();
  for (const { record } of eachOption()) {
    assert.match(record.prose, /^[A-Z].*\.$/, record.flag);
    for (const flag of [record.flag, record.offFlag].filter((name) => name !== undefined)) {
      assert.ok(!flags.has(flag), flag);
      flags.add(flag);
    }
  }
});
