// A run's raw numbers, kept as JSON with what a reader needs to judge them: when, on which machine, by which command.

import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

export interface Run {
  /** Processes that ran or wanted to, on average over the minute before. */
  readonly loadBefore: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly rows: readonly unknown[];
}

/** Writes it to this file, or to one in results/ that has the date for its name, and returns where. */
export function saveRun(asked: string | undefined, { loadBefore, rounds, seconds, rows }: Run): string {
  const at = new Date().toISOString();
  const name = `./results/${at.slice(0, 19).replaceAll(":", "-")}.json`;
  const file = asked ?? fileURLToPath(new URL(name, import.meta.url));
  const machine = {
    cpus: availableParallelism(),
    cpu: cpus()[0]?.model ?? "unknown",
    kernel: release(),
    node: process.version,
    loadBefore,
  };
  const command = `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ at, command, machine, rounds, seconds, rows }, null, 2)}\n`);
  console.log(`\nRaw numbers: ${file}`);
  return file;
}
