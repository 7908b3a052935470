// Runs every test of the repository, or those named: `npm test`, `npm run test:run -- packages/greenlet/test/*.test.ts`.
//
// Tests start real servers on free loopback ports and wait for them more than they compute, so files run three at a time on
// two CPUs: what they check is behaviour, and a machine that is merely slow must not fail them.

import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { installBrowser } from "./browser.mjs";

const named = process.argv.slice(2);
const files =
  named.length > 0
    ? named
    : ["packages/*/test/**/*.test.ts", "examples/*/test/*.test.ts"].flatMap((glob) => globSync(glob)).sort();
if (files.some((file) => readFileSync(file, "utf8").includes("/browser.ts"))) installBrowser();

const { status } = spawnSync(
  process.execPath,
  ["--test", "--test-concurrency=3", "--test-timeout=300000", "--test-reporter=spec", ...files],
  { stdio: "inherit", env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
);
process.exit(status ?? 1);
