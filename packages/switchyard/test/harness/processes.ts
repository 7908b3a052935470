// What the operating system says of the processes of a server, for tests that must leave none behind. Linux only: it reads
// /proc.

import { readdirSync, readFileSync } from "node:fs";
import { until } from "./patience.ts";

export function isAlive(pid: number): boolean {
  return stateOf(pid) !== null;
}

/** All that descend from a process, itself not included, and are not zombies. */
export function descendantsOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const state = /^\d+$/.test(name) ? stateOf(Number(name)) : null;
    if (state !== null) parents.set(Number(name), state.parent);
  }
  const isBelow = (each: number): boolean => {
    const parent = parents.get(each);
    return parent !== undefined && (parent === pid || isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow);
}

/** The process that started it, or null when it has ended. */
export function parentOf(pid: number): number | null {
  return stateOf(pid)?.parent ?? null;
}

/** Resolves when all of them have ended. A process has nobody else to tell of its end but its parent, so this asks. */
export async function waitUntilEnded(pids: readonly number[]): Promise<void> {
  await until(
    () => !pids.some(isAlive),
    () => `alive: ${pids.filter(isAlive).map((pid) => `${pid} (${commandOf(pid)})`)}`,
  );
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "it has ended since";
  }
}

/** The session that a process is in: a terminal's Ctrl-C reaches the processes of its own session only. */
export function sessionOf(pid: number): number | null {
  return stateOf(pid)?.session ?? null;
}

function stateOf(pid: number): { state: string; parent: number; session: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold anything.
    const [state = "", parent = "", , session = ""] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    if (state === "X" || (state === "Z" && !hasThreads(pid))) return null;
    return { state, parent: Number(parent), session: Number(session) };
  } catch {
    return null;
  }
}

/** A killed process is a zombie as soon as its first thread has ended; while others are ending, it still has its files. */
function hasThreads(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).length > 1;
}
