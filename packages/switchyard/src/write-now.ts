// write(2) on the stack of its caller. Under model greenlet `writeSync` itself becomes a function that suspends who calls it,
// and named imports follow that.

import { writeSync } from "node:fs";

/** Taken when a worker begins, before anything is patched. */
export const writeNow: typeof writeSync = writeSync;
