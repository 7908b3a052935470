// Runs every test of the repository, or those named: `npm test`, `npm run test:run -- packages/greenlet/test/*.test.ts`,
// and of these the tests whose names fit --test-name-pattern.
//
// Tests start real servers on free loopback ports and wait for them more than they compute, so files run six at a time on
// two CPUs: what they check is behaviour, and a machine that is merely slow must not fail them. Those that hold a measurement
// against a promise can't tell anything beside other work: *.alone.test.ts run after the rest, one file at a time.
//
// The files that take longest are begun first, or the run would end with one of them alone on the machine.
//
// Most of the computing is Node's, which starts some two thousand times: what it has compiled once, TypeScript above all, is
// kept for the others of the run (module.enableCompileCache). That takes a third off the CPU time of the greenlets' tests and
// an eighth off a server's start (2026-11).

import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { installBrowser } from "./browser.mjs";

/** Those that took longest when it was measured last (2026-11), the longest first. */
const longest = [
  "handoff",
  "impersonation-light",
  "grid/grid",
  "impersonation",
  "observe/blocked",
  "protocol/large-bodies",
  "compare/command",
  "supervisor/load-failures",
  "auto/moves",
  "supervisor/stopping",
  "control/reload",
  "serve/models",
  "observe/deaths",
  "dashboard/dashboard",
  "control/command",
  "lanes/changes",
  "faults/sync-worker-death",
  "experiments/command",
  "observe/metrics",
  "lanes/lanes",
  "protocol/access-log",
  "protocol/http2",
  "app/errors",
  "app/adopt",
  "app/contract",
  "app/typescript",
];

/** A test that takes longer than this hangs, in milliseconds. */
const timeout = 300_000;

const { values, positionals: named } = parseArgs({
  options: { "test-name-pattern": { type: "string", multiple: true, default: [] } },
  allowPositionals: true,
});
const files =
  named.length > 0
    ? named
    : ["packages/*/test/**/*.test.ts", "examples/*/test/*.test.ts"].flatMap((glob) => globSync(glob)).sort();
if (files.some((file) => readFileSync(file, "utf8").includes("/browser.ts"))) installBrowser();

// The runner would take itself for one of the files of another that has started it.
delete process.env.NODE_TEST_CONTEXT;

const compiled = mkdtempSync(join(tmpdir(), "switchyard-compiled-"));
process.env.NODE_COMPILE_CACHE = compiled;
// A process that is only just ending may still write to it.
process.once("exit", () => rmSync(compiled, { recursive: true, force: true, maxRetries: 5 }));

const isAlone = (file) => file.endsWith(".alone.test.ts");
await runAll(
  files.filter((file) => !isAlone(file)).sort((one, other) => rank(one) - rank(other)),
  6,
);
await runAll(files.filter(isAlone), 1);

function rank(file) {
  const at = longest.findIndex((name) => file.endsWith(`test/${name}.test.ts`));
  return at === -1 ? longest.length : at;
}

/** Prints how each test ended; the exit code is 1 when one has failed. */
async function runAll(those, concurrency) {
  if (those.length === 0) return;
  const events = run({
    files: those.map((file) => resolve(file)),
    concurrency,
    timeout,
    testNamePatterns: values["test-name-pattern"],
  });
  events.on("test:fail", () => {
    process.exitCode = 1;
  });
  for await (const text of events.compose(new spec())) process.stdout.write(text);
}
