// What runs to its end on the stack of its caller. Under model greenlet functions such as `writeSync` and `readFileSync` become
// ones that suspend who calls them, named imports too, and a greenlet over its slice is parked wherever it is: in the middle
// of the server's own work, other requests would meet that half done.

import { readSync, writeSync } from "node:fs";

/** Taken when a worker begins, before anything is patched. */
export const writeNow: typeof writeSync = writeSync;
export const readNow: typeof readSync = readSync;

/** Runs `work`, which suspends no greenlet that it is called in. */
export function inPlace<T>(work: () => T): T {
  // Of the package's own types, which are not known here.
  const api = greenletsOfThread() as { withoutSwitching<T>(body: () => T): T } | undefined;
  return api === undefined ? work() : api.withoutSwitching(work);
}

/** The greenlets that this thread has loaded, whichever copy of the package they are of: what that exports. */
export function greenletsOfThread(): unknown {
  // Where the package keeps the one implementation of a thread, for all copies of it (its shared-api.ts).
  return (globalThis as { [key]?: { readonly api: unknown } })[key]?.api;
}

const key = Symbol.for("@switchyard/greenlet");
