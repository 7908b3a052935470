// What this machine lets the server use, read where it is needed, once.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type Cpus, countCpus } from "../config/cpus.ts";

export function readCpus(): Cpus {
  return countCpus({ availableParallelism: availableParallelism(), readFile });
}

function readFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // A file that is not there sets no limit.
    return null;
  }
}
