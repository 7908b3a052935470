// Where an entry of a process or thread is: beside the module that starts it, as .js when this package is compiled, as .ts
// when its sources run directly (tests).

import { extname } from "node:path";

/** @param path relative to `from`, without its ending. */
export function siblingModule(from: string, path: string): URL {
  return new URL(path + extname(new URL(from).pathname), from);
}
