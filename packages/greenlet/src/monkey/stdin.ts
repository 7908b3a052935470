// Reading standard input: fs.readSync(0, ...) and fs.readFileSync(0), which readline-sync and prompt-sync are made of.
//
// The read itself sits in a thread of Node's pool of four until there is input, and can't be taken back: a greenlet that is
// killed meanwhile leaves it there, and what is typed then is lost.

import fs from "node:fs";
import { cooperative, type LibraryFunction, type Patch } from "./cooperation.ts";

const stdinFd = 0;

export function stdinPatches(): Patch[] {
  const library = fs as unknown as Record<string, LibraryFunction>; // looked up by name
  return ["read", "readFile"].map((name) => ({
    holder: fs,
    name: `${name}Sync`,
    make: (original) =>
      cooperative(original, {
        twin: library[name] as LibraryFunction, // each has both forms
        keepsOriginal: ([source]) => source !== stdinFd && source !== "/dev/stdin",
      }),
  }));
}
