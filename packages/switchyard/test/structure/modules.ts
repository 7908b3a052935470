// The modules of a source folder and what each of them imports, read from their text.
//
// What the text says is what is meant: with `verbatimModuleSyntax` an `import type` leaves nothing behind and every other
// import is a real one, so a regular expression tells the two apart as well as the compiler does.

import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";

export interface Import {
  /** As it is written: "../errors.ts", "node:http", "pino". */
  readonly specifier: string;
  /** The module's path in the folder, or null when it is not a file of the folder. */
  readonly target: string | null;
  /** It vanishes when the types are stripped. */
  readonly isType: boolean;
}

export interface Module {
  /** Relative to the folder, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  /** Modules that it starts as a process or thread of their own. */
  readonly starts: readonly string[];
}

export function readModules(folder: URL): Map<string, Module> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".ts"));
  return new Map(paths.sort().map((path) => [path, moduleOf(path, readFileSync(new URL(path, folder), "utf8"))]));
}

/** Every module that is loaded, at once or later, by the one at `entry`, itself included; processes it starts are not. */
export function loadedBy(modules: ReadonlyMap<string, Module>, entry: string): Set<string> {
  const loaded = new Set<string>();
  const visit = (path: string) => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const { target, isType } of modules.get(path)?.imports ?? []) if (target !== null && !isType) visit(target);
  };
  visit(entry);
  return loaded;
}

const declaration = /^(?:import|export)\s+(type\s)?[^;"'`()=]*?from\s+"([^"]+)"|^import\s+"([^"]+)"/gm;
/** With `typeof` before it or a member after it, `import()` names a type. */
const expression = /(typeof\s+)?\bimport\("([^"]+)"\)(\.\w+)?/g;
const start = /siblingModule\(import\.meta\.url, "([^"]+)"\)|new URL\(`([^`$]+)\$\{extname/g;

function moduleOf(path: string, text: string): Module {
  const folder = posix.dirname(path);
  const code = text.replaceAll(/^\s*(?:\/\/|\*|\/\*\*).*$/gm, "");
  const importOf = (specifier: string, isType: boolean): Import => ({
    specifier,
    target: specifier.startsWith(".") ? posix.join(folder, specifier) : null,
    isType,
  });
  return {
    path,
    text,
    imports: [
      ...Array.from(code.matchAll(declaration), ([, type, from, bare]) =>
        importOf((from ?? bare)!, type !== undefined),
      ),
      ...Array.from(code.matchAll(expression), ([, type, from, member]) =>
        importOf(from!, type !== undefined || (member !== undefined && member !== ".then")),
      ),
    ],
    starts: Array.from(code.matchAll(start), ([, to, beside]) => posix.join(folder, `${to ?? beside}.ts`)),
  };
}
