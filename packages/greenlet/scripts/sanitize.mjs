// Runs the tests with AddressSanitizer in the addon, on every backend of this machine; then a short program under valgrind,
// where that is installed.
//
//   node scripts/sanitize.mjs [test/behaviour/<file>.ts ...]
//
// Compiles the addon with -fsanitize=address into a folder of its own and loads the sanitizer's library before Node, which is
// not compiled for it. So it follows what the addon reads and writes, and every malloc and free of the process; not what
// V8 does in its own heap, nor Node's own accesses. Two of its checks can't follow a stack that is changed under them and
// are off: use after return, and leaks (what a parked stack alone points to looks lost).
//
// Valgrind follows every instruction, V8's too, but not V8's compiled code (--jitless), and it does not know FSGSBASE: the
// addon finds that out and takes the handoff backend, so it says nothing of the other two. Read uninitialised memory and
// writes outside of what was allocated are what it is there for.

import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { backendsHere } from "./backends.mjs";

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));
const headers = join(dirname(dirname(realpathSync(process.execPath))), "include", "node");
const flags =
  "-std=c++20 -O1 -g -fPIC -shared -pthread -fno-exceptions -fno-rtti -fno-omit-frame-pointer -fsanitize=address " +
  "-fvisibility=hidden -fvisibility-inlines-hidden -DNODE_GYP_MODULE_NAME=greenlet -DBUILDING_NODE_EXTENSION";
const behaviours = [
  "spawn",
  "wait",
  "kill",
  "suspension",
  "async-context",
  "limits",
  "misuse",
  "process",
  "pinning",
  "fuzz",
];

const folder = mkdtempSync(join(tmpdir(), "greenlet-asan-"));
process.once("exit", () => rmSync(folder, { recursive: true }));
const library = spawnSync("g++", ["-print-file-name=libasan.so"], { encoding: "utf8" }).stdout.trim();
const copy = compile();
const named = process.argv.slice(2);
const files = named.length > 0 ? named : behaviours.map((name) => join("test", "behaviour", `${name}.ts`));
let failed = 0;
for (const backend of backendsHere()) {
  for (const file of files) {
    if (whyNotFollowed(backend, file)) {
      console.log(`${backend} ${file}: left out, ${whyNotFollowed(backend, file)}`);
      continue;
    }
    const env = {
      ...process.env,
      LD_PRELOAD: library,
      ASAN_OPTIONS: "detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1",
      PREBUILDS_ONLY: "1",
      SWITCHYARD_GREENLET_BACKEND: backend,
    };
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", "--test", file], {
      cwd: copy,
      env,
      encoding: "utf8",
    });
    const isClean = status === 0 && !/AddressSanitizer/.test(stdout + stderr);
    console.log(`${backend} ${file}: ${isClean ? "clean" : `\n${stdout}${stderr}`}`);
    if (!isClean) failed++;
  }
}
if (named.length === 0 && !isCleanUnderValgrind()) failed++;
process.exit(failed === 0 ? 0 : 1);

/** Stacks of the light backend are left with frames on them; the marks of those frames stay where a worker's stack comes to lie. */
function whyNotFollowed(backend, file) {
  if (backend !== "impersonation-light" || !file.endsWith("process.ts")) return "";
  return "the sanitizer takes a new thread's stack for one of those that were given back";
}

function isCleanUnderValgrind() {
  if (spawnSync("valgrind", ["--version"]).status !== 0) {
    console.log("valgrind: left out, it is not installed");
    return true;
  }
  const options = ["--smc-check=all-non-file", "--error-exitcode=9", "--soname-synonyms=somalloc=nouserintercepts"];
  const script = (name) => join(packageFolder, "scripts", name);
  const args = [
    ...options,
    `--suppressions=${script("valgrind.supp")}`,
    realpathSync(process.execPath),
    "--jitless",
    script("short-program.mjs"),
  ];
  const { status, stdout, stderr } = spawnSync("valgrind", args, { encoding: "utf8" });
  console.log(`valgrind: ${stdout.trim()}, ${status === 0 ? "clean" : `\n${stderr}`}`);
  return status === 0;
}

/** A copy of the package whose only addon is the one with the sanitizer. */
function compile() {
  const target = join(folder, "packages", "greenlet");
  mkdirSync(target, { recursive: true });
  for (const part of ["src", "dist", "test", "package.json"])
    cpSync(join(packageFolder, part), join(target, part), { recursive: true });
  symlinkSync(join(packageFolder, "..", "..", "node_modules"), join(folder, "node_modules"));
  const output = join(target, "prebuilds", `${process.platform}-${process.arch}`);
  mkdirSync(output, { recursive: true });
  const name = `greenlet.node.abi${process.versions.modules}.glibc.node`;
  const sources = globSync(join(packageFolder, "native", "*.{cc,S}"));
  const args = [...flags.split(" "), `-I${headers}`, ...sources, "-o", join(output, name)];
  if (spawnSync("g++", args, { stdio: "inherit" }).status !== 0) process.exit(1);
  return target;
}
