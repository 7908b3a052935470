// Runs the test files of the package fibers, unmodified, with `fibers` and `future` being this package's.
//
//   node scripts/fibers-tests.mjs [<folder of the package fibers>]
//
// Without a folder, the package is fetched from npm, into a temporary folder: its files are no part of this one, and none of
// its own scripts is run. A file passes as its own runner has it: it prints "pass", nothing else, and exits with 0. Runs on
// the Node and the backend (SWITCHYARD_GREENLET_BACKEND) that it is started with. Exits with 1 when a file fails.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const version = "5.0.3";
const ours = join(dirname(dirname(fileURLToPath(import.meta.url))), "dist", "fibers");

const folder = mkdtempSync(join(tmpdir(), "greenlet-fibers-"));
try {
  const theirs = process.argv[2] === undefined ? fetched() : resolve(process.argv[2]);
  const modules = join(folder, "modules");
  mkdirSync(join(modules, "fibers"), { recursive: true });
  const reexport = (name, file) =>
    writeFileSync(join(modules, name), `module.exports = require(${JSON.stringify(file)});\n`);
  reexport("fibers.js", join(ours, "fiber.js"));
  reexport("future.js", join(ours, "future.js"));
  reexport("fibers/future.js", join(ours, "future.js"));
  const files = readdirSync(join(theirs, "test")).filter((name) => name.endsWith(".js"));
  const failed = files.filter((file) => !passes(join(theirs, "test", file), modules));
  console.log(`${files.length - failed.length} of ${files.length} pass on Node ${process.version}`);
  process.exitCode = failed.length === 0 && files.length > 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}

function fetched() {
  execFileSync("npm", ["pack", `fibers@${version}`, "--silent"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  execFileSync("tar", ["-xzf", `fibers-${version}.tgz`, "package/test"], { cwd: folder });
  return join(folder, "package");
}

function passes(file, modules) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], {
    encoding: "utf8",
    env: { ...process.env, NODE_PATH: modules },
    timeout: 60_000,
  });
  const hasPassed = stdout === "pass\n" && stderr === "" && status === 0;
  if (!hasPassed) console.log(`${file}: exit code ${status}\n${stdout}${stderr}`);
  return hasPassed;
}
