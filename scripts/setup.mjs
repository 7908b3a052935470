// Makes a fresh clone ready to run: installs the locked dependencies, builds the addon, compiles the TypeScript.
//
// Runs on any Node from 20 on, before anything is installed, so it uses nothing but Node itself. Each step leaves a stamp
// of what it was made from and is skipped while that has not changed, so a second run takes a fraction of a second.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");
const stamps = join(root, "node_modules", ".setup");

install();
const node = pinnedNode();
buildAddon();
compile();

/** Installs what the lock file says, when it or a package.json has changed since the last time. */
function install() {
  const manifests = ["package.json", "package-lock.json", ...workspaceManifests()];
  const key = hashOf(manifests.map((file) => join(root, file)));
  if (isDone("install", key)) return;
  say("installing the locked dependencies");
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []];
  run(
    command,
    [...args, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
    "Read npm's message above. A registry must be reachable.",
  );
  done("install", key);
}

/** Compiles the C++ addon for the pinned Node, when its sources or that Node have changed. */
function buildAddon() {
  const folder = join(root, "packages", "greenlet");
  const sources = [
    join(folder, "binding.gyp"),
    ...filesBelow(join(folder, "native")),
    ...filesBelow(join(folder, "scripts")),
  ];
  const key = hashOf(sources) + versionOf(node);
  if (isDone("addon", key) && existsSync(join(folder, "build", "Release"))) return;
  say("building the greenlet addon");
  run(
    node,
    [join(folder, "scripts", "build-addon.mjs")],
    "A C++20 compiler, make and Python 3 are needed (Debian: apt-get install g++ make python3).",
  );
  done("addon", key);
}

/** Compiles TypeScript to each package's dist; the compiler itself skips what is up to date. */
function compile() {
  const key = hashOf([
    ...filesBelow(join(root, "packages", "switchyard", "dashboard")),
    ...["greenlet", "switchyard"].flatMap((name) => [
      ...filesBelow(join(root, "packages", name, "src")),
      join(root, "packages", name, "tsconfig.json"),
    ]),
    join(root, "tsconfig.base.json"),
  ]);
  const built = ["greenlet", "switchyard"].every((name) =>
    existsSync(join(root, "packages", name, "dist", "index.js")),
  );
  if (built && isDone("compile", key)) return;
  say("compiling TypeScript");
  for (const name of ["greenlet", "switchyard"])
    rmSync(join(root, "packages", name, "dist"), { recursive: true, force: true });
  run(node, [join(root, "node_modules", "typescript", "bin", "tsc"), "-b"], "Mend the type errors above.");
  done("compile", key);
}

function pinnedNode() {
  const pinned = join(bin, "node");
  if (existsSync(pinned)) return pinned;
  if (Number(process.versions.node.split(".")[0]) >= 24) return process.execPath;
  fail(
    `no Node 26 package exists for ${process.platform} ${process.arch}, and this Node is ${process.version}.`,
    "Install Node 24 or later.",
  );
}

function run(command, args, fix) {
  const env = { ...process.env, PATH: bin + delimiter + (process.env.PATH ?? "") };
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], env });
  if (status !== 0)
    fail(
      `\`${[command, ...args].join(" ")}\` ${error ? `did not start: ${error.message}` : `ended with ${status}`}.`,
      fix,
    );
}

function workspaceManifests() {
  return ["packages", "examples"].flatMap((parent) =>
    existsSync(join(root, parent))
      ? readdirSync(join(root, parent))
          .map((name) => join(parent, name, "package.json"))
          .filter((file) => existsSync(join(root, file)))
      : [],
  );
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((file) => statSync(file).isFile())
    .sort();
}

function hashOf(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(file.slice(root.length)).update(existsSync(file) ? readFileSync(file) : "");
  return hash.digest("hex");
}

function versionOf(command) {
  return spawnSync(command, ["--version"], { encoding: "utf8" }).stdout.trim();
}

function isDone(step, key) {
  const stamp = join(stamps, step);
  return existsSync(stamp) && readFileSync(stamp, "utf8") === key;
}

function done(step, key) {
  mkdirSync(stamps, { recursive: true });
  writeFileSync(join(stamps, step), key);
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function fail(saw, fix) {
  process.stderr.write(`setup: ${saw}\n       ${fix}\n`);
  process.exit(1);
}
