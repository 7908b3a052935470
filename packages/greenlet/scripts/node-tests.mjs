// Runs Node's own tests of the patched functions twice each: plainly, and inside a greenlet with every patch on.
//
//   node scripts/node-tests.mjs <folder that holds Node's test/parallel, test/common and test/fixtures> [--only <part of a name>]
//
// A file that fails plainly (it needs another version, a network, a compiler) says nothing and is counted apart. Prints each file whose two
// runs end differently with what it printed, and a table for docs/node-tests.md. Exits with 1 when there is a difference that
// `expected` does not name.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const preload = fileURLToPath(new URL("./node-tests-preload.mjs", import.meta.url));
const runMs = 60_000;

const areas = {
  "child_process, blocking": /^test-child-process-.*sync/,
  "crypto, keys and random":
    /^test-crypto-(pbkdf2|scrypt|hkdf|argon2|keygen|random|prime|secret-keygen|sign-verify|dh|encap)/,
  zlib: /^test-zlib/,
  fs: /^test-fs-/,
  "node:sqlite": /^test-sqlite/,
};

/** Files that end differently, and why. */
const expected = new Map(
  Object.entries(JSON.parse(readFileSync(new URL("./node-tests-expected.json", import.meta.url), "utf8"))),
);

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string", default: "" }, jobs: { type: "string", default: "2" } },
});
if (positionals.length !== 1) {
  console.error("Name the folder of Node's test tree, the one that holds parallel, common and fixtures.");
  process.exit(2);
}
const folder = resolve(positionals[0] ?? "");

const files = readdirSync(join(folder, "parallel"))
  .filter((name) => /\.m?js$/.test(name) && name.includes(values.only))
  .flatMap((name) => {
    const area = Object.keys(areas).find((each) => areas[each].test(name));
    return area === undefined ? [] : [{ name, area }];
  });

const results = [];
await Promise.all(Array.from({ length: Number(values.jobs) }, (_, job) => work(job)));
report();

async function work(job) {
  for (let file = files.shift(); file !== undefined; file = files.shift()) {
    const plain = await run(file.name, job, []);
    const inGreenlet = plain.ending === "0" ? await run(file.name, job, ["--import", preload]) : plain;
    results.push({ ...file, plain, inGreenlet });
  }
}

/** How a file ends: its exit code, its signal, or "too long". */
async function run(name, job, args) {
  const file = join(folder, "parallel", name);
  const flags = /\/\/ Flags: (.*)/.exec(readFileSync(file, "utf8"))?.[1]?.split(/\s+/).filter(Boolean) ?? [];
  const child = spawn(process.execPath, [...flags, ...args, file], {
    cwd: folder,
    env: { ...process.env, TEST_THREAD_ID: String(job), TEST_SERIAL_ID: String(job), NODE_TEST_KNOWN_GLOBALS: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (text = (text + part).slice(-4000)));
  let isTooLong = false;
  const timer = setTimeout(() => {
    isTooLong = true;
    child.kill("SIGKILL");
  }, runMs);
  const ending = await new Promise((done) => child.once("exit", (code, signal) => done(String(code ?? signal))));
  clearTimeout(timer);
  return { ending: isTooLong ? "too long" : ending, text };
}

function report() {
  const different = results.filter(({ plain, inGreenlet }) => plain.ending !== inGreenlet.ending);
  const unexpected = different.filter(({ name }) => !expected.has(name));
  for (const { name, inGreenlet } of unexpected) console.log(`--- ${name}: ${inGreenlet.ending}\n${inGreenlet.text}\n`);
  console.log("| area | files | same | different | fail plainly here |\n|---|---|---|---|---|");
  for (const area of Object.keys(areas)) {
    const ofArea = results.filter((result) => result.area === area);
    const failing = ofArea.filter(({ plain }) => plain.ending !== "0").length;
    const differ = different.filter((result) => result.area === area).length;
    console.log(`| ${area} | ${ofArea.length} | ${ofArea.length - failing - differ} | ${differ} | ${failing} |`);
  }
  console.log(`\nNode ${process.version}. Different:`);
  for (const { name } of different) console.log(`- \`${name}\`: ${expected.get(name) ?? "not explained"}`);
  process.exitCode = unexpected.length === 0 ? 0 : 1;
}
