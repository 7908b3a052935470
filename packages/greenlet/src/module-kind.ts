// Whether Node loads a program as an ES module: by its name, by its package, or else by its syntax.

import { readFileSync } from "node:fs";
import Module, { createRequire, stripTypeScriptTypes } from "node:module";
import { basename, extname, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { compileFunction } from "node:vm";

export function isEsModule(path: string): boolean {
  const extension = extname(path);
  if (/^\.m[jt]s$/.test(extension)) return true;
  if (!["", ".js", ".ts"].includes(extension)) return false;
  const type = packageTypeOf(path);
  if (type === "module") return true;
  // In node_modules Node looks at no syntax.
  if (type === "commonjs" || path.includes(`${sep}node_modules${sep}`)) return false;
  return hasModuleSyntax(readFileSync(path, "utf8"), extension === ".ts");
}

function packageTypeOf(path: string): unknown {
  const manifest = Module.findPackageJSON(pathToFileURL(path));
  // Where there is none, Node gives the file itself back.
  if (manifest === undefined || basename(manifest) !== "package.json") return undefined;
  return (createRequire(path)(manifest) as { type?: unknown }).type; // any JSON
}

/** As Node tells: it is no CommonJS module, for a reason that an ES module would not have. */
function hasModuleSyntax(source: string, isTypeScript: boolean): boolean {
  try {
    const text = isTypeScript ? withoutTypes(source) : source;
    compileFunction(text.replace(/^#!.*/, ""), ["exports", "require", "module", "__filename", "__dirname"]);
    return false;
  } catch (error) {
    const reasons = /outside a module|Unexpected token 'export'|await is only valid/;
    return error instanceof SyntaxError && reasons.test(error.message);
  }
}

function withoutTypes(source: string): string {
  const { emitWarning } = process;
  // It warns that it is experimental; that Node strips the program's types is Node's doing, and told by Node.
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}
