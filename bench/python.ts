// Python, where it is installed: which interpreter sees Debian's packages, and what its switches cost.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Nanoseconds; null for what is not installed. All null where there is no Python. */
export interface PythonSwitches {
  /** CPython's greenlet: into another greenlet and back, with `switch()`. */
  readonly greenletRoundTripNs: number | null;
  /** `gevent.sleep(0)`: to the hub and back. */
  readonly geventSleepNs: number | null;
  /** `await asyncio.sleep(0)` on asyncio's own event loop. */
  readonly asyncioSleepNs: number | null;
  /** The same on uvloop's. */
  readonly uvloopSleepNs: number | null;
}

const nothing: PythonSwitches = {
  greenletRoundTripNs: null,
  geventSleepNs: null,
  asyncioSleepNs: null,
  uvloopSleepNs: null,
};

/** Measures Python's switches in a process of its own, in about two seconds, during which this thread waits. */
export function pythonSwitches(): PythonSwitches {
  const python = pythonWith("greenlet") ?? pythonWith("asyncio");
  if (python === null) return nothing;
  const script = fileURLToPath(new URL("./apps/switches.py", import.meta.url));
  const { stdout, status, stderr } = spawnSync(python, [script], { encoding: "utf8" });
  if (status !== 0) throw new Error(`apps/switches.py failed:\n${stderr}`);
  // The script's own output.
  return JSON.parse(stdout) as PythonSwitches;
}

/** Debian's own comes first: one that a version manager put on the path does not see Debian's packages. */
const interpreters = ["/usr/bin/python3", "python3"];
const known = new Map<string, string | null>();

/** An interpreter that can import this module, or null. */
export function pythonWith(module: string): string | null {
  const before = known.get(module);
  if (before !== undefined) return before;
  const code = `import importlib.util, sys; sys.exit(importlib.util.find_spec(${JSON.stringify(module)}) is None)`;
  const found = interpreters.find((python) => spawnSync(python, ["-c", code]).status === 0) ?? null;
  known.set(module, found);
  return found;
}
