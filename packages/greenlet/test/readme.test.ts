// The README's first example is run, and prints what the README says.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("the README's first example prints what it says", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, code = ""] = /```js\n([^`]*?)```\n/s.exec(readme.replaceAll("`await`", "await")) ?? [];
  const [, promised = ""] = /prints dots while both wait, and then `([^`]+)`/.exec(readme) ?? [];
  const printed = execFileSync(process.execPath, ["--input-type=module", "-e", code], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    encoding: "utf8",
  });
  assert.match(printed, /^\.+ /);
  assert.equal(printed.replace(/^\.+ /, ""), `${promised}\n`);
});
