// Loads the addon's file, and does nothing else with it: what it can do beside greenlets needs no more (loop-watch.ts).

import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Binding } from "./addon.ts";

export const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));

/** Throws what Node says of a file that is not there or was built for another. */
export function loadBinding(): Binding {
  const load: (folder: string) => Binding = createRequire(import.meta.url)("node-gyp-build");
  return load(packageFolder);
}
