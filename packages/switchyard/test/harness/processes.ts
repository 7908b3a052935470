// What the operating system says of the processes of a server, for tests that must leave none behind. Linux only: it reads
// /proc.

import { readdirSync, readFileSync } from "node:fs";

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

/** Resolves when all of them have ended. A process has nobody else to tell of its end but its parent, so this asks. */
export async function waitUntilEnded(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Resolves when the process has read or slept its way to a wait in the kernel, "S", or runs, "R". */
export async function waitForState(pid: number, wanted: string): Promise<void> {
  while (stateOf(pid)?.state !== wanted) await new Promise((resolve) => setTimeout(resolve, 20));
}

function stateOf(pid: number): { state: string; parent: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold anything.
    const [state = "", parent = ""] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? null : { state, parent: Number(parent) };
  } catch {
    return null;
  }
}
