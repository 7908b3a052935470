// What the patches reach and what they don't, for a person who wonders why a program still blocks.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { inspect } from "node:util";
import { plainDatabases } from "./sqlite-database.ts";

export interface MonkeyReport {
  readonly patched: readonly { readonly library: string; readonly functions: readonly string[] }[];
  /** CommonJS modules that took functions out of their libraries before these were patched: they keep the originals. */
  readonly captured: readonly { readonly file: string; readonly names: readonly string[] }[];
  /** What blocks all the same, and why. */
  readonly blocking: readonly { readonly what: string; readonly why: string }[];
  toString(): string;
}

const alwaysBlocking = [
  { what: "require() and what a module does while it is loaded", why: "others would see half of the module" },
  { what: "writes to standard output and error", why: "their order is kept" },
  {
    what: "fs.opendirSync, Dir.readSync, mkdtempSync, cpSync, globSync, fs.Utf8Stream",
    why: "their other form differs",
  },
  {
    what: "createHash, createCipheriv, JSON, regular expressions, loops",
    why: "they compute; hub.onBlocked() shows them",
  },
  { what: "vm scripts, WebAssembly.Module, v8.writeHeapSnapshot", why: "they have no other form" },
];

const ofLibrary: Record<string, { readonly what: string; readonly why: string }> = {
  fs: { what: "fs", why: "patched only where asked for: monkey.patch('fs', 'large' | 'all')" },
  atomics: { what: "Atomics.wait", why: "patched only where asked for: monkey.patch('atomics')" },
};

function sqliteRow(patched: MonkeyReport["patched"]): MonkeyReport["blocking"][number] {
  if (!patched.some(({ functions }) => functions.includes("DatabaseSync"))) {
    return { what: "node:sqlite", why: "patched only where asked for: monkey.patch('sqlite', 'worker')" };
  }
  const count = plainDatabases();
  return {
    what: "node:sqlite with functions, aggregates, an authorizer, sessions, extensions, limits, serialize() or backup()",
    why: `such a database is in no thread (${count} ${count === 1 ? "is" : "are"} not)`,
  };
}

const loadedBefore = new Set<string>();
let hasLooked = false;

/** Called before the first patch. */
export function rememberLoadedModules(): void {
  if (hasLooked) return;
  hasLooked = true;
  for (const file of Object.keys(createRequire(import.meta.url).cache)) loadedBefore.add(file);
}

export function reportOf(patched: MonkeyReport["patched"], unpatched: readonly string[]): MonkeyReport {
  const report = {
    patched,
    captured: [...loadedBefore].flatMap((file) => {
      const names = capturedBy(file, new Set(patched.flatMap(({ functions }) => functions)));
      return names.length > 0 ? [{ file, names }] : [];
    }),
    blocking: [
      ...unpatched.map((name) => ofLibrary[name] ?? { what: name, why: "it is not patched" }),
      sqliteRow(patched),
      ...alwaysBlocking,
    ],
  };
  const text = { value: () => textOf(report) };
  Object.defineProperties(report, { toString: text, [inspect.custom]: text });
  return report;
}

/** The patched functions that a module's source takes out of a library by destructuring, or by name. */
function capturedBy(file: string, functions: ReadonlySet<string>): string[] {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch {
    return [];
  }
  const taken = [
    ...Array.from(source.matchAll(/\{([^{}]*)\}\s*=\s*require\(\s*["'](?:node:)?\w+["']\s*\)/g), ([, list]) =>
      (list ?? "").split(",").map((part) => part.split(":")[0]?.trim() ?? ""),
    ),
    ...Array.from(source.matchAll(/=\s*require\(\s*["'](?:node:)?\w+["']\s*\)\.(\w+)/g), ([, name]) => [name ?? ""]),
  ].flat();
  return taken.filter((name) => functions.has(name));
}

function textOf({ patched, captured, blocking }: Omit<MonkeyReport, "toString">): string {
  const list = (lines: string[]) => (lines.length > 0 ? lines.map((line) => `  ${line}`).join("\n") : "  nothing");
  return [
    "Patched:",
    list(patched.map(({ library, functions }) => `${library}: ${functions.join(", ")}`)),
    "Taken before the patch, and still blocking there:",
    list(captured.map(({ file, names }) => `${file}: ${names.join(", ")}`)),
    "Blocking:",
    list(blocking.map(({ what, why }) => `${what}: ${why}`)),
  ].join("\n");
}
