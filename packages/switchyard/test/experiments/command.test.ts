// `switchyard experiments` as a user runs it, with those experiments whose result does not depend on a machine's speed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { errorRecords } from "../../src/errors.ts";
import { folderWith } from "../config/folder.ts";

const bin = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));

function experiments(t: TestContext, ...args: string[]) {
  const cwd = folderWith(t, {});
  return { cwd, ...spawnSync(process.execPath, [bin, "experiments", ...args], { cwd, encoding: "utf8" }) };
}

test("five clients and four workers: the fifth is answered after the others, in numbers and as a picture", (t) => {
  const { status, stdout, stderr, cwd } = experiments(t, "five", "--json", "found.json", "--html", "found.html");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /Four were answered within .*; the fifth waited for a worker and took /);
  const { found } = JSON.parse(readFileSync(join(cwd, "found.json"), "utf8"));
  const latencies: number[] = found[0].pictures[0].bars.map(
    (bar: { parts: { value: number }[] }) => bar.parts[0]!.value,
  );
  assert.equal(latencies.length, 5);
  // Each waits for a tenth of a second: the fifth for its own, and before it for one of the four.
  assert.ok(latencies[4]! >= 195, `${latencies}`);
  const html = readFileSync(join(cwd, "found.html"), "utf8");
  assert.equal(html.match(/<rect /g)?.length, 5);
  assert.doesNotMatch(html, /<script|<link|https?:/);
});

test("the memory of a worker and of a request is told in numbers", { skip: process.platform !== "linux" }, (t) => {
  const { status, stdout, stderr } = experiments(t, "memory");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /sync, a process each: one more worker takes [\d.]+ MiB; [\d,]+ would fill/);
  assert.match(stdout, /async: each of 500 requests that wait at once takes \d+ KiB/);
});

test("an experiment that is not there is refused, with those that are", (t) => {
  const { status, stderr } = experiments(t, "six");
  assert.equal(status, errorRecords.SY_UNKNOWN_OPTION.exitCode);
  assert.match(stderr, /no experiment "six"[\s\S]*five, hundred-waiting/);
});
