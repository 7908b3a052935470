// Python, where it is installed: an interpreter that has a module, and what its switches cost.

import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The module that each figure of apps/greenlet-peers.py needs. Debian's packages are python3-<module>. */
export const moduleOf = { switch: "greenlet", gevent: "gevent", asyncio: "asyncio", uvloop: "uvloop" } as const;

/** CPython's greenlet into another and back; `gevent.sleep(0)`; `await asyncio.sleep(0)` on asyncio's loop and on uvloop's. */
export type PythonSwitch = keyof typeof moduleOf;

const run = promisify(execFile);
const script = fileURLToPath(new URL("./apps/greenlet-peers.py", import.meta.url));

/** Microseconds for one of `count`, in a process of its own. It must be there: `pythonFor`. */
export async function pythonMicros(what: PythonSwitch, count: number): Promise<number> {
  const { stdout } = await run(pythonFor(what) ?? "python3", [script, what, String(count)]);
  return JSON.parse(stdout).micros;
}

/** The interpreter that can measure it, or null. */
export function pythonFor(what: PythonSwitch): string | null {
  return pythonWith(moduleOf[what]);
}

/** Debian's own comes first: one that a version manager put on the path does not see Debian's packages. */
const interpreters = ["/usr/bin/python3", "python3"];
const known = new Map<string, string | null>();

/** An interpreter that has all of these modules, or null. */
export function pythonWith(...modules: readonly string[]): string | null {
  const key = modules.join(" ");
  const before = known.get(key);
  if (before !== undefined) return before;
  const code = `import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, ${JSON.stringify(modules)})))`;
  const found = interpreters.find((python) => spawnSync(python, ["-c", code]).status === 0) ?? null;
  known.set(key, found);
  return found;
}
