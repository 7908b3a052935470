// Runs every test of the repository, or those named: `npm test`, `npm run test:run -- packages/greenlet/test/*.test.ts`.
//
// Tests start real servers on free loopback ports and wait for them more than they compute, so files run four at a time on
// two CPUs: what they check is behaviour, and a machine that is merely slow must not fail them. Those that hold a measurement
// against a promise can't tell anything beside other work: *.alone.test.ts run after the rest, one file at a time.

import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { installBrowser } from "./browser.mjs";

const named = process.argv.slice(2);
const files =
  named.length > 0
    ? named
    : ["packages/*/test/**/*.test.ts", "examples/*/test/*.test.ts"].flatMap((glob) => globSync(glob)).sort();
if (files.some((file) => readFileSync(file, "utf8").includes("/browser.ts"))) installBrowser();

const isAlone = (file) => file.endsWith(".alone.test.ts");
const codes = [
  run(
    files.filter((file) => !isAlone(file)),
    4,
  ),
  run(files.filter(isAlone), 1),
];
process.exit(codes.find((code) => code !== 0) ?? 0);

/** The exit code of the runner: 0 when every test passed. */
function run(those, atOnce) {
  if (those.length === 0) return 0;
  const { status } = spawnSync(
    process.execPath,
    ["--test", `--test-concurrency=${atOnce}`, "--test-timeout=300000", "--test-reporter=spec", ...those],
    { stdio: "inherit", env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
  );
  return status ?? 1;
}
