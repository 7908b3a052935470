// Compiles the addon for the npm package: one file for each Node version and processor, in prebuilds/, where node-gyp-build
// finds the one that fits. No install script is needed where one does.
//
//   node scripts/prebuild.mjs [<folder with include/node of a Node version>]...
//
// Without a folder, the headers beside the Node that runs this are used. Needs g++ 12 or later; for arm64, Debian's
// g++-aarch64-linux-gnu. What there is no compiler for is named and left out. (docs/decisions/greenlet-addon.md)

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));
const native = join(packageFolder, "native");
const targets = [
  { folder: "linux-x64", compiler: "x86_64-linux-gnu-g++" },
  { folder: "linux-arm64", compiler: "aarch64-linux-gnu-g++" },
];
// As binding.gyp and Node's own common.gypi have them; the C++ library is linked in, because the machine's may be older.
const flags = (
  "-std=c++20 -O3 -fPIC -shared -pthread -fno-exceptions -fno-rtti -fno-omit-frame-pointer -fvisibility=hidden " +
  "-fvisibility-inlines-hidden -static-libstdc++ -static-libgcc -DNODE_GYP_MODULE_NAME=greenlet -DBUILDING_NODE_EXTENSION"
).split(" ");

const sources = readdirSync(native)
  .filter((name) => /\.(cc|S)$/.test(name))
  .map((name) => join(native, name));
const given = process.argv.slice(2);
const prefixes = given.length > 0 ? given : [dirname(dirname(realpathSync(process.execPath)))];
for (const prefix of prefixes) {
  const headers = join(prefix, "include", "node");
  const abi = /#define NODE_MODULE_VERSION (\d+)/.exec(readFileSync(join(headers, "node_version.h"), "utf8"))?.[1];
  for (const { folder, compiler } of targets) {
    if (spawnSync(compiler, ["--version"]).status !== 0) {
      console.log(`${folder}: left out, there is no ${compiler}`);
      continue;
    }
    mkdirSync(join(packageFolder, "prebuilds", folder), { recursive: true });
    const file = join("prebuilds", folder, `greenlet.node.abi${abi}.glibc.node`);
    const args = [...flags, `-I${headers}`, ...sources, "-o", join(packageFolder, file)];
    const { status } = spawnSync(compiler, args, { stdio: "inherit" });
    if (status !== 0) process.exit(1);
    console.log(file);
  }
}
