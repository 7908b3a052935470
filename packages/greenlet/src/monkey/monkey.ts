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
import { type MonkeyReport, rememberLoadedModules, reportOf } from "./report.ts";
import { sqlitePatches } from "./sqlite.ts";
import { stdinPatches } from "./stdin.ts";
import { type ZlibOptions, zlibPatches } from "./zlib.ts";

const libraries = {
  child_process: (_option: true) => childProcessPatches(),
  crypto: cryptoPatches,
  zlib: (option: true | ZlibOptions) => zlibPatches(option === true ? {} : option),
  stdin: (_option: true) => stdinPatches(),
  sqlite: sqlitePatches,
  fs: fsPatches,
  atomics: (_option: true) => atomicsPatches(),
};

export type PatchName = keyof typeof libraries;

/** What to patch. `false`: not; `true`: as by default. */
export interface PatchOptions {
  /** execSync, execFileSync, spawnSync. Default `true`. */
  readonly child_process?: boolean;
  /** Key derivation and generation. Default `true`; "all": also randomBytes, randomInt, sign, verify and the like. */
  readonly crypto?: boolean | "all";
  /** Compression of inputs from 64 kB. Default `true`. */
  readonly zlib?: boolean | ZlibOptions;
  /** Reading standard input. Default `true`. */
  readonly stdin?: boolean;
  /**
   * Runs the functions that are given to node:sqlite with switching forbidden. Default `true`, where Node does not warn of it.
   * "worker": also, databases that are made from then on have their connection in a thread, and a query parks its greenlet.
   */
  readonly sqlite?: boolean | "worker";
  /** Files. Default `false`, because a cached file is read faster than a thread is asked; "large": from 1 MB only. */
  readonly fs?: boolean | "all" | "large";
  /** Atomics.wait, for synckit and its like. Default `false`. */
  readonly atomics?: boolean;
}

const defaults: Required<PatchOptions> = {
  child_process: true,
  crypto: true,
  zlib: true,
  stdin: true,
  // Before Node 26, loading node:sqlite prints a warning, also in programs that never use it.
  sqlite: Number.parseInt(process.versions.node, 10) >= 26,
  fs: false,
  atomics: false,
};

interface Applied {
  readonly patch: Patch;
  readonly original: LibraryFunction;
}

interface Layer {
  readonly name: PatchName | "modules";
  readonly patches: Patch[];
  applied: Applied[];
}

/** In the order in which they were applied: one may lie over another's function. */
let layers: Layer[] = [];

class Monkey {
  /** Patches what the options say. What is patched already stays as it is. */
  patchAll(options: PatchOptions = {}): void {
    for (const name of Object.keys(options)) assertName(name);
    const wanted = { ...defaults, ...options };
    for (const name of names()) if (wanted[name]) patchOne(name, wanted[name]);
    patchModules();
  }

  /**
   * Patches one library.
   *
   * @param option As in `PatchOptions`. Default `true`.
   * @throws {GreenletError} `ERR_INVALID_ARGUMENT` for a name that is none of `PatchName`.
   */
  patch<N extends PatchName>(name: N, option: PatchOptions[N] = true): void {
    assertName(name);
    if (option) patchOne(name, option);
    patchModules();
  }

  /** Puts the originals of one library back, or of all. Calls under way end as they would have. */
  unpatch(name?: PatchName): void {
    if (name !== undefined) assertName(name);
    for (const layer of layers.toReversed()) takeBack(layer);
    layers = layers.filter((layer) => name !== undefined && layer.name !== name);
    if (layers.every((layer) => layer.name === "modules")) layers = [];
    for (const layer of layers) layer.applied = layer.patches.map(applyOne);
    syncBuiltinESMExports();
  }

  isPatched(name: PatchName): boolean {
    assertName(name);
    return has(name);
  }

  /** The function that patches have replaced, such as `original(fs, "readFileSync")`; `holder[name]` where none has. */
  original(holder: object, name: string): LibraryFunction {
    for (const { applied } of layers) {
      const first = applied.find(({ patch }) => patch.holder === holder && patch.name === name);
      if (first !== undefined) return first.original;
    }
    return Reflect.get(holder, name);
  }

  /** What is patched, which modules had taken originals before, and what still blocks. Print it: it is also text. */
  report(): MonkeyReport {
    return reportOf(
      layers.flatMap(({ name, patches }) =>
        name === "modules" ? [] : [{ library: name, functions: patches.map((patch) => patch.name) }],
      ),
      names().filter((name) => !has(name)),
    );
  }
}

export type { Monkey };
export const monkey = new Monkey();

function patchOne(name: PatchName, option: PatchOptions[PatchName]): void {
  if (has(name)) return;
  rememberLoadedModules();
  // The option is that of the library that is named.
  const patches = (libraries[name] as (option: unknown) => Patch[])(option);
  add(name, patches);
}

function patchModules(): void {
  if (layers.length > 0 && !has("modules")) add("modules", [moduleLoadPatch]);
  syncBuiltinESMExports();
}

function add(name: PatchName | "modules", patches: Patch[]): void {
  layers.push({ name, patches, applied: patches.map(applyOne) });
}

function has(name: PatchName | "modules"): boolean {
  return layers.some((layer) => layer.name === name);
}

function applyOne(patch: Patch): Applied {
  const original: LibraryFunction = Reflect.get(patch.holder, patch.name);
  const patched = patch.make(original);
  Object.defineProperty(patched, "name", { value: original.name, configurable: true });
  Object.defineProperty(patched, "length", { value: original.length, configurable: true });
  Reflect.set(patch.holder, patch.name, patched);
  return { patch, original };
}

function takeBack(layer: Layer): void {
  for (const { patch, original } of layer.applied.toReversed()) Reflect.set(patch.holder, patch.name, original);
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
