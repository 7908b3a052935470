// Replaces blocking functions of the standard library by ones that suspend the greenlet that calls them.
//
// Patch before the application is loaded: a function that a module has taken out of its library before
// (`const { readFileSync } = require("fs")`) stays the original. Named imports of ES modules follow the patch.

import { syncBuiltinESMExports } from "node:module";
import { GreenletError } from "../errors.ts";
import { atomicsPatches } from "./atomics.ts";
import { childProcessPatches } from "./child-process.ts";
import { type LibraryFunction, moduleLoadPatch, type Patch } from "./cooperation.ts";
import { cryptoPatches } from "./crypto.ts";
import { fsPatches } from "./fs.ts";

const libraries = {
  fs: fsPatches,
  child_process: childProcessPatches,
  crypto: cryptoPatches,
  atomics: atomicsPatches,
} satisfies Record<string, () => Patch[]>;

export type PatchName = keyof typeof libraries;
/** Which libraries to patch. Default: each of them. */
export type PatchOptions = Partial<Record<PatchName, boolean>>;

interface Applied {
  readonly patch: Patch;
  readonly original: LibraryFunction;
}

const applied = new Map<PatchName | "modules", Applied[]>();

class Monkey {
  /** Patches every library that is not set to `false`. Those that are patched already stay as they are. */
  patchAll(options: PatchOptions = {}): void {
    for (const name of names()) if (options[name] !== false) apply(name, libraries[name]());
    apply("modules", [moduleLoadPatch]);
    syncBuiltinESMExports();
  }

  /** Patches one library. @throws {GreenletError} `ERR_INVALID_ARGUMENT` for a name that is none of `PatchName`. */
  patch(name: PatchName): void {
    assertName(name);
    apply(name, libraries[name]());
    apply("modules", [moduleLoadPatch]);
    syncBuiltinESMExports();
  }

  /** Puts the originals of one library back, or of all. Calls under way end as they would have. */
  unpatch(name?: PatchName): void {
    if (name !== undefined) assertName(name);
    for (const each of name === undefined ? names() : [name]) takeBack(each);
    if (names().every((each) => !applied.has(each))) takeBack("modules");
    syncBuiltinESMExports();
  }

  isPatched(name: PatchName): boolean {
    assertName(name);
    return applied.has(name);
  }
}

export type { Monkey };
export const monkey = new Monkey();

function apply(name: PatchName | "modules", patches: Patch[]): void {
  if (applied.has(name)) return;
  applied.set(name, patches.map(applyOne));
}

function applyOne(patch: Patch): Applied {
  const original: LibraryFunction = Reflect.get(patch.holder, patch.name);
  const patched = patch.make(original);
  Object.defineProperty(patched, "name", { value: original.name, configurable: true });
  Object.defineProperty(patched, "length", { value: original.length, configurable: true });
  Reflect.set(patch.holder, patch.name, patched);
  return { patch, original };
}

function takeBack(name: PatchName | "modules"): void {
  for (const { patch, original } of applied.get(name) ?? []) Reflect.set(patch.holder, patch.name, original);
  applied.delete(name);
}

function names(): PatchName[] {
  return Object.keys(libraries) as PatchName[]; // the keys of the record above
}

function assertName(name: string): void {
  if (Object.hasOwn(libraries, name)) return;
  throw new GreenletError("ERR_INVALID_ARGUMENT", {
    saw: `${JSON.stringify(name)} names nothing that can be patched.`,
    fix: `Use one of ${names().join(", ")}.`,
  });
}
