// Two minutes of everything that greenlets do at once: whether memory grows.
//
// Too long for a table that is made in a few minutes, so it is measured when it is named:
// npm run bench -- --rounds 1 greenlet-soak

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Row } from "./row.ts";

const program = fileURLToPath(new URL("../packages/greenlet/scripts/soak.mjs", import.meta.url));
const soakSeconds = 120;
const run = promisify(execFile);

export const soakRows: readonly Row[] = [
  {
    id: "greenlet-soak",
    what: "2,000 greenlets for two minutes (fetch, SQLite, children, forced collections): memory in the last quarter over that in the first after warming up",
    unit: "ratio",
    goal: { atMost: 1.05 },
    isOnlyNamed: true,
    round: async () => {
      const { stdout } = await run(process.execPath, ["--expose-gc", program, "--seconds", String(soakSeconds)]);
      const { growth, backend: _, ...parts } = JSON.parse(stdout);
      return { figure: growth, parts };
    },
  },
];
