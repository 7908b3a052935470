// Packs the package as npm would publish it, installs that into an empty folder, and uses it there with no compiler in the
// PATH and no install script run.
//
//   node scripts/packed.mjs
//
// The prebuilt addons are made anew by the package's prepack script, for the Node that runs this.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), "greenlet-packed-"));
process.once("exit", () => rmSync(folder, { recursive: true }));

const packed = run("npm", ["pack", "--json", "--pack-destination", folder], packageFolder);
// Before it, npm prints what the prepack script does.
const [{ filename, files }] = JSON.parse(packed.slice(packed.lastIndexOf("\n[") + 1));
const prebuilds = files.map(({ path }) => path).filter((path) => path.startsWith("prebuilds/"));
console.log(
  `${filename}: ${files.length} files, with ${prebuilds.map((path) => basename(dirname(path))).join(" and ")}`,
);
writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", join(folder, basename(filename))], folder);

const bin = join(folder, "bin");
mkdirSync(bin);
symlinkSync(process.execPath, join(bin, "node"));
writeFileSync(
  join(folder, "program.js"),
  `import { hub, sleep, spawn, wait } from "@switchyard/greenlet";
   const values = await Promise.all([1, 2, 3].map((n) => spawn(() => (sleep(n), wait(Promise.resolve(n))))));
   console.log(values.join(), hub.backend);\n`,
);
const installed = join(folder, "node_modules", "@switchyard", "greenlet");
if (existsSync(join(installed, "build"))) throw new Error("the package holds an addon that was compiled here");
console.log(run(join(bin, "node"), ["program.js"], folder, { ...process.env, PATH: bin }).trim());

function run(command, args, cwd, env = process.env) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}
