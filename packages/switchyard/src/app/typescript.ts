// Runs TypeScript that Node's own type stripping can't: enums, namespaces, parameter properties, decorators, JSX, imports
// without an extension or with .js for .ts, and `paths` of tsconfig.json.
//
// Node does by itself all that it can. For an application in TypeScript two hooks stand behind it: `resolve` finds the file
// that an import means in TypeScript, and `load` compiles a file that can't be stripped, with the compiler that the
// application's project has (transpilers.ts). A project whose tsconfig.json sets `experimentalDecorators` or
// `emitDecoratorMetadata` (Nest) is compiled as a whole, so that all its modules are of one format. Packages in
// node_modules are never touched.
//
// The hooks are synchronous and run in this thread (module.registerHooks), so nothing is loaded twice.

import { existsSync, readFileSync, statSync } from "node:fs";
import { findPackageJSON, registerHooks, stripTypeScriptTypes } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { SwitchyardError } from "../errors.ts";
import type { LoadRequest } from "./application.ts";
import { shown, syntaxError } from "./load-errors.ts";
import {
  findTranspiler,
  type TranspileOptions,
  type Transpiler,
  transpileOptionsOf,
  transpilerPackages,
} from "./transpilers.ts";

/** What tsconfig.json says, as far as it matters here. */
interface Project {
  readonly options: TranspileOptions;
  /** The module format that tsc would write, in tsconfig's words; empty when it does not say. */
  readonly module: string;
  readonly isCompiledWhole: boolean;
  /** The files that an import may mean by `paths` or `baseUrl`, without their extension. */
  readonly mapped: (specifier: string) => readonly string[];
}

const switchyardFolder = new URL("..", import.meta.url).href;

type ModuleFormat = "module" | "commonjs";

/** Puts the hooks in place when the application is in TypeScript; does nothing for JavaScript. */
export async function prepareTypeScript(request: LoadRequest): Promise<void> {
  if (!isTypeScript(request.file)) return;
  const project = await projectOf(request);
  const compiler = new Compiler(request, project);
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const parent = context.parentURL;
      if (parent === undefined || !isOwnTypeScript(parent)) return nextResolve(specifier, context);
      const mapped = project.mapped(specifier).map(fileMeant).find(isFound);
      if (mapped !== undefined) return resolvedTo(mapped);
      try {
        return nextResolve(specifier, context);
      } catch (error) {
        const meant = isRelative(specifier) ? fileMeant(resolve(dirname(fileURLToPath(parent)), specifier)) : null;
        if (meant === null) throw error;
        return resolvedTo(meant);
      }
    },
    load(url, context, nextLoad) {
      if (!isOwnTypeScript(url)) return nextLoad(url, context);
      const file = fileURLToPath(url);
      const code = readFileSync(file, "utf8");
      if (!compiler.isNeededFor(file, code)) return nextLoad(url, context);
      const format = formatOf(file, code, project);
      return { format, source: compiler.compile({ code, file, format }), shortCircuit: true };
    },
  });
}

class Compiler {
  private transpiler: Transpiler | null | undefined;
  private readonly request: LoadRequest;
  private readonly project: Project;

  constructor(request: LoadRequest, project: Project) {
    this.request = request;
    this.project = project;
  }

  isNeededFor(file: string, code: string): boolean {
    if (this.project.isCompiledWhole && this.find() !== null) return true;
    return reasonToCompile(file, code) !== null;
  }

  compile(source: { code: string; file: string; format: ModuleFormat }): string {
    const transpiler = this.find();
    if (transpiler === null) throw this.noTranspiler(source.file, source.code);
    try {
      return transpiler.transpile(source);
    } catch (error) {
      throw syntaxErrorIn(source.file, source.code, error);
    }
  }

  /** Looked for when the first file needs it, because loading a compiler costs a start 20 to 300 ms. */
  private find(): Transpiler | null {
    if (this.transpiler !== undefined) return this.transpiler;
    this.transpiler = findTranspiler(this.request.file, this.project.options);
    if (this.transpiler !== null) {
      process.setSourceMapsEnabled(true);
      this.request.notice(`The application's TypeScript is compiled by its project's ${this.transpiler.name}.`);
    }
    return this.transpiler;
  }

  private noTranspiler(file: string, code: string): SwitchyardError {
    const reason = reasonToCompile(file, code);
    const isMetadata = this.project.options.emitDecoratorMetadata === true;
    const known = transpilerPackages
      .filter((name) => !isMetadata || name === "@swc/core" || name === "typescript")
      .map((name) => (name === "typescript" ? "typescript before 7" : name));
    // What `npm init` writes: nearly always the author of an ES module has not noticed.
    const type = reason === importInCommonJs ? 'Set "type": "module" in the nearest package.json, or run' : "Run";
    return new SwitchyardError("SY_APP_LOADER", {
      saw: `${shown(file)} has TypeScript that Node can't strip (${reason}), and its project has no compiler for it.`,
      fix: `${type} \`npm install --save-dev @swc/core\` in the project (looked for: ${known.join(", ")}), or name the compiled .js file.`,
    });
  }
}

async function projectOf({ file, notice }: LoadRequest): Promise<Project> {
  // Not imported at the top: an application in JavaScript does not wait for it.
  const { createPathsMatcher, getTsconfig } = await import("get-tsconfig");
  try {
    const tsconfig = getTsconfig(file);
    const compilerOptions: TranspileOptions & { module?: string } = tsconfig?.config.compilerOptions ?? {};
    const options = transpileOptionsOf(compilerOptions);
    const match = tsconfig === null ? null : createPathsMatcher(tsconfig);
    return {
      options,
      module: compilerOptions.module ?? "",
      isCompiledWhole: options.experimentalDecorators === true || options.emitDecoratorMetadata === true,
      mapped: (specifier) => (match === null || isRelative(specifier) ? [] : match(specifier)),
    };
  } catch (error) {
    notice(`tsconfig.json is not used, because it can't be read: ${error instanceof Error ? error.message : error}.`);
    return { options: {}, module: "", isCompiledWhole: false, mapped: () => [] };
  }
}

/**
 * The module format of a compiled file: its extension, then the nearest package.json's `type`. Without a `type`, a project
 * that is compiled as a whole follows tsconfig's `module` as tsc does; a single file its own syntax, as Node does.
 */
function formatOf(file: string, code: string, project: Project): ModuleFormat {
  if (file.endsWith(".mts")) return "module";
  if (file.endsWith(".cts")) return "commonjs";
  const type = packageTypeOf(file);
  if (type !== null) return type;
  if (!project.isCompiledWhole) return hasModuleSyntax(code) ? "module" : "commonjs";
  return /^(?:es|preserve)/i.test(project.module) ? "module" : "commonjs";
}

function packageTypeOf(file: string): ModuleFormat | null {
  const manifest = findPackageJSON(pathToFileURL(file));
  if (manifest === undefined) return null;
  try {
    const { type } = JSON.parse(readFileSync(manifest, "utf8"));
    return type === "module" || type === "commonjs" ? type : null;
  } catch {
    // Node itself reports a package.json that is not JSON, with its path, when it resolves the first import.
    return null;
  }
}

/** The file that TypeScript means by a path: itself, with an extension, .ts in place of .js, or the index of a folder. */
function fileMeant(path: string): string | null {
  const asTypeScript = path.replace(/\.([mc]?)js(x?)$/, ".$1ts$2");
  const tries = [
    path,
    ...(asTypeScript === path ? [] : [asTypeScript]),
    ...[".ts", ".tsx", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"].map((extension) => path + extension),
    ...["index.ts", "index.tsx", "index.js"].map((index) => join(path, index)),
  ];
  return tries.find((file) => existsSync(file) && statSync(file).isFile()) ?? null;
}

/** The end of a resolution, for import and require() alike: the latter would not take a URL for a next step. */
function resolvedTo(file: string): { readonly url: string; readonly shortCircuit: true } {
  return { url: pathToFileURL(file).href, shortCircuit: true };
}

function isFound(file: string | null): file is string {
  return file !== null;
}

function isRelative(specifier: string): boolean {
  return /^\.{0,2}\//.test(specifier) || specifier === "." || specifier === "..";
}

function isTypeScript(file: string): boolean {
  return /\.(?:[mc]?ts|tsx)$/.test(file);
}

/** The application's own TypeScript: not its packages', and not Switchyard's when that runs from its sources. */
function isOwnTypeScript(url: string): boolean {
  if (!url.startsWith("file:") || url.includes("/node_modules/") || url.startsWith(switchyardFolder)) return false;
  return isTypeScript(url.split("?", 1)[0] ?? "");
}

const importInCommonJs = "import or export in a CommonJS package";

/** Why Node can't run the file by itself, in a few words; null when it can. */
function reasonToCompile(file: string, code: string): string | null {
  if (file.endsWith(".tsx")) return "JSX";
  if (
    hasModuleSyntax(code) &&
    (file.endsWith(".cts") || (file.endsWith(".ts") && packageTypeOf(file) === "commonjs"))
  ) {
    return importInCommonJs;
  }
  return unsupportedSyntax(code) ?? (hasDecorators(code) ? "decorators" : null);
}

/** Whether a line begins with an import or export declaration, which tsc would turn into CommonJS where that is asked for. */
function hasModuleSyntax(code: string): boolean {
  return /^\s*(?:import\s*[\w{*"']|export\b)/m.test(code);
}

/** What of TypeScript Node can't strip from this source, in Node's own words; null when it can, or finds a plain error. */
function unsupportedSyntax(code: string): string | null {
  const error = stripError(code);
  if (error === null || Reflect.get(error, "code") !== "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") return null;
  return error.message.replace(/^TypeScript /, "").replace(/ (?:is|are) not supported in strip-only mode$/, "");
}

/**
 * Whether a line of the source begins with a decorator. Stripping leaves decorators in place, and V8 does not know them;
 * a comment that begins so is only compiled without need. CSS in a template literal has rules that begin so too.
 */
function hasDecorators(code: string): boolean {
  for (const [, name] of code.matchAll(/^\s*(?:export\s+(?:default\s+)?)?@([A-Za-z_$][\w$-]*)/gm)) {
    if (name !== undefined && !cssRules.has(name)) return true;
  }
  return false;
}

const cssRules = new Set("charset container font-face import keyframes layer media page property supports".split(" "));

/** A compiler's complaint, with the line that Node's own parser finds for it where it finds one. */
function syntaxErrorIn(file: string, code: string, cause: unknown): SwitchyardError {
  const stripped = stripError(code);
  const message = stripped?.message ?? (cause instanceof Error ? cause.message.trim() : String(cause));
  const line = /^.*?:(\d+)$/m.exec(stripped?.stack ?? "")?.[1] ?? /:(\d+):\d+\]?/.exec(message)?.[1];
  return syntaxError({ location: { file, line: line === undefined ? null : Number(line) }, message, cause });
}

function stripError(code: string): Error | null {
  const { emitWarning } = process;
  // Some versions of Node call this function experimental, to the user of a program who has never called it.
  process.emitWarning = () => {};
  try {
    stripTypeScriptTypes(code, { mode: "strip" });
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    process.emitWarning = emitWarning;
  }
}
