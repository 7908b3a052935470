// A child process that ends by a syntax error, so that Node prints where it is: `syntax-probe <file> <message>`.
//
// It follows the static imports from the application's file, and `import("./x.js")` with a literal, inside the project. It
// compiles each module and runs none. At the one whose syntax error has the given message it lets that error end it.

import { existsSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";

const [entry = "", wantedMessage = ""] = process.argv.slice(2);

// @types/node has vm.SourceTextModule only as an experimental class with a larger surface than is used here.
const seen = new Set<string>();
const waiting = [pathToFileURL(entry).href];
for (let url = waiting.shift(); url !== undefined; url = waiting.shift()) {
  if (seen.has(url)) continue;
  seen.add(url);
  waiting.push(...importsOf(url));
}

function importsOf(url: string): string[] {
  const source = sourceOf(fileURLToPath(url));
  if (source === null) return [];
  const specifiers = Array.from(source.matchAll(/\bimport\(\s*["'](\.[^"']+)["']/g), (match) => match[1] ?? "");
  const module = compiled(source, url);
  if (module !== null) specifiers.push(...module.dependencySpecifiers);
  return specifiers.flatMap((specifier) => fileFor(specifier, url) ?? []);
}

/** Compiles the module. Null when it fails in another way than is looked for, as a CommonJS module may. */
function compiled(source: string, url: string): vm.SourceTextModule | null {
  try {
    return new vm.SourceTextModule(source, { identifier: url });
  } catch (error) {
    if (!(error instanceof Error) || error.message !== wantedMessage) return null;
  }
  // Once more, and not caught: Node prints the place only of an error that it was the first to see.
  return new vm.SourceTextModule(source, { identifier: url });
}

function sourceOf(file: string): string | null {
  const isTypeScript = /\.m?ts$/.test(file);
  if (!isTypeScript && !/\.m?js$/.test(file)) return null;
  try {
    const source = readFileSync(file, "utf8");
    return isTypeScript ? stripTypeScriptTypes(source) : source;
  } catch {
    // Unreadable, or TypeScript that can't be stripped: not where an ES module's syntax error is.
    return null;
  }
}

function fileFor(specifier: string, from: string): string | null {
  if (!specifier.startsWith(".")) return null;
  const exact = new URL(specifier, from).href;
  const tries = [exact, exact.replace(/\.(m?)js$/, ".$1ts"), `${exact}.ts`, `${exact}/index.ts`];
  return tries.find((url) => existsSync(fileURLToPath(url))) ?? null;
}
