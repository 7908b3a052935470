// Runs random programs (test/fixtures/fuzz.ts), one seed after the other, on every backend of this machine.
//
//   node scripts/fuzz.mjs [--minutes 10] [--seed 1] [--greenlets 3000]
//
// Stops at the first that does not end as it should, prints what it said and how to run it again, and exits with 1.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { backendsHere } from "./backends.mjs";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    greenlets: { type: "string", default: "3000" },
  },
});
const program = fileURLToPath(new URL("../test/fixtures/fuzz.ts", import.meta.url));
const endAtMs = performance.now() + Number(values.minutes) * 60_000;
const available = backendsHere();
let runs = 0;
for (let seed = Number(values.seed); performance.now() < endAtMs; seed++) {
  for (const backend of available) {
    const args = ["--expose-gc", program, String(seed), values.greenlets];
    const env = { ...process.env, SWITCHYARD_GREENLET_BACKEND: backend };
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
    runs++;
    if (status === 0) continue;
    console.log(`seed ${seed} on ${backend} ended with ${signal ?? status}\n${stdout}${stderr}`);
    console.log(`again: SWITCHYARD_GREENLET_BACKEND=${backend} node ${args.join(" ")}`);
    process.exit(1);
  }
}
console.log(`${runs} programs on ${available.join(", ")}: each ended and gave everything back`);
