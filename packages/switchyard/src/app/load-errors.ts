// Turns whatever stopped a load into one error in two parts, with the file and line that the reader has to look at.
//
// The application's own error is always the `cause`. Paths are shown as from the current directory.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join, relative } from "node:path";
import { inspect } from "node:util";
import { nearest } from "../config/suggest.ts";
import { SwitchyardError } from "../errors.ts";
import { headerLocationOf, lineOf, type SourceLocation, syntaxLocationOf, throwLocationOf } from "./error-location.ts";

/** @throws {SwitchyardError} `SY_APP_MISSING` when there is no such file. */
export function checkFile(file: string): void {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats?.isFile() === true) return;
  if (stats !== undefined) {
    throw new SwitchyardError("SY_APP_MISSING", {
      saw: `${shown(file)} is a folder, and the application has to be a file.`,
      fix: `Name the file that starts it${exampleIn(file)}.`,
    });
  }
  const near = nearMatch(file);
  throw new SwitchyardError("SY_APP_MISSING", {
    saw: `${shown(file)} does not exist.`,
    fix: near === null ? "Check the path; it is taken from the current directory." : `Did you mean ${shown(near)}?`,
  });
}

/** The one error for a failed load. `file` is the application's own file, whatever module the failure was in. */
export async function loadErrorOf(error: unknown, file: string): Promise<SwitchyardError> {
  if (error instanceof SwitchyardError) return error;
  const code = codeOf(error);
  if (code === "ERR_UNKNOWN_FILE_EXTENSION") return unknownKind(error, file);
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") return missingModule(error, file);
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") return unstrippable(error, file);
  if (error instanceof SyntaxError) {
    const location = await syntaxLocationOf(error, file);
    if (location !== null) return syntaxError({ location, message: error.message, cause: error });
  }
  return threw(error, file);
}

interface SyntaxErrorParts {
  readonly location: SourceLocation;
  readonly message: string;
  readonly cause: unknown;
}

export function syntaxError({ location, message, cause }: SyntaxErrorParts): SwitchyardError {
  const source = location.line === null ? null : lineOf(location.file, location.line);
  const quoted = source === null ? sentence(message) : `${clause(message)}, in \`${source.trim()}\`.`;
  return new SwitchyardError("SY_APP_SYNTAX", {
    saw: `${shownAt(location)} has a syntax error: ${quoted}`,
    fix: "Correct it; nothing of the application has run.",
    cause,
  });
}

function threw(error: unknown, file: string): SwitchyardError {
  const location = throwLocationOf(error);
  const text = error instanceof Error ? `${error.name}: ${error.message}` : inspect(error);
  const at = location === null ? "" : ` (at ${shownAt(location)})`;
  return new SwitchyardError("SY_APP_THREW", {
    saw: `${shown(file)} failed while it was loaded${at}: ${sentence(text)}`,
    fix: "Correct that, or give the application what it asks for; --verbose shows the stack.",
    cause: error,
  });
}

/** A missing package says what to install; a missing file, what is near. */
function missingModule(error: unknown, file: string): SwitchyardError {
  const message = error instanceof Error ? error.message : String(error);
  const missing = /Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1];
  if (missing === undefined) return threw(error, file);
  const importer = /imported from (.+)$/m.exec(message)?.[1] ?? /Require stack:\n- (.+)$/m.exec(message)?.[1] ?? file;
  const folder = dirname(importer);
  const isFile =
    missing.startsWith("/") ||
    missing.startsWith("file:") ||
    missing.startsWith(".") ||
    /^[A-Za-z]:[\\/]/.test(missing);
  const what = isFile ? shown(missing.startsWith(".") ? join(folder, missing) : missing) : missing;
  return new SwitchyardError("SY_APP_THREW", {
    saw: `${shown(importer)} imports ${what}, which ${isFile ? "does not exist" : "is not installed"}.`,
    fix: isFile ? fixForFile(missing, folder) : fixForPackage(missing, folder),
    cause: error,
  });
}

function fixForFile(missing: string, folder: string): string {
  const near = nearMatch(missing.startsWith(".") ? join(folder, missing) : missing);
  return near === null ? "Correct the import, or add the file." : `Did you mean ${shown(near)}?`;
}

function fixForPackage(specifier: string, folder: string): string {
  if (/^[@~]\//.test(specifier) || specifier.startsWith("#")) {
    return `Map ${specifier.split("/")[0]} in \`paths\` of tsconfig.json, or in \`imports\` of package.json.`;
  }
  const name = packageNameOf(specifier);
  const project = projectOf(folder);
  if (project === null) return `Run \`npm install ${name}\` in ${shown(folder)}.`;
  const isDeclared = project.dependencies.includes(name);
  const isInstalled = hasPackages(project.folder);
  const install =
    isDeclared || (!isInstalled && project.dependencies.length > 0) ? "npm install" : `npm install ${name}`;
  return `Run \`${install}\` in ${shown(project.folder)}.`;
}

interface Project {
  readonly folder: string;
  readonly dependencies: readonly string[];
}

/** The nearest folder upwards that has a package.json with dependencies to declare. */
function projectOf(folder: string): Project | null {
  const file = join(folder, "package.json");
  if (existsSync(file)) {
    try {
      const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(file, "utf8"));
      return { folder, dependencies: [...Object.keys(dependencies), ...Object.keys(devDependencies)] };
    } catch {
      // A package.json that can't be read only costs us a better hint.
      return { folder, dependencies: [] };
    }
  }
  const parent = dirname(folder);
  return parent === folder ? null : projectOf(parent);
}

/** Whether anything is installed for the folder: in a workspace the packages may live some folders up. */
function hasPackages(folder: string): boolean {
  if (existsSync(join(folder, "node_modules"))) return true;
  return dirname(folder) !== folder && hasPackages(dirname(folder));
}

function packageNameOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

function unknownKind(error: unknown, file: string): SwitchyardError {
  const message = error instanceof Error ? error.message : "";
  const culprit = / for (\/.+|[A-Za-z]:\\.+)$/.exec(message)?.[1] ?? file;
  return new SwitchyardError("SY_APP_NOTHING", {
    saw: `${shown(culprit)} is not a module: Node does not load files that end in ${extname(culprit)}.`,
    fix: "Name a JavaScript or TypeScript file (.js, .mjs, .cjs, .ts, .mts, .cts).",
    cause: error,
  });
}

/** TypeScript that a JavaScript application imports is Node's to run, without our hooks (typescript.ts). */
function unstrippable(error: unknown, file: string): SwitchyardError {
  const location = error instanceof Error ? headerLocationOf(error.stack ?? "") : null;
  const message = error instanceof Error ? error.message : String(error);
  return new SwitchyardError("SY_APP_LOADER", {
    saw: `${shownAt(location ?? { file, line: null })} has TypeScript that Node can't strip: ${sentence(message)}`,
    fix: "Compile it to JavaScript, or make the application's own file TypeScript: then its project's compiler is used.",
    cause: error,
  });
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, "code") : undefined;
}

const extensions = new Set([".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"]);

function modulesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => extensions.has(extname(name)) && !name.endsWith(".d.ts"));
  } catch {
    // A folder that is missing or can't be read has nothing near to suggest.
    return [];
  }
}

/** The module in the same folder whose name is nearest: another extension first, then by spelling. */
function nearMatch(file: string): string | null {
  const folder = dirname(file);
  const stem = (name: string) => name.slice(0, name.length - extname(name).length);
  const names = modulesIn(folder);
  const wanted = basename(file);
  const sibling = names.find((name) => name !== wanted && (stem(name) === stem(wanted) || stem(name) === wanted));
  const found = sibling ?? nearest(wanted, names);
  return found === null ? null : join(folder, found);
}

function exampleIn(folder: string): string {
  const names = modulesIn(folder);
  const usual = ["server", "app", "index", "main"];
  const found = usual
    .map((stem) => names.find((name) => name.startsWith(`${stem}.`)))
    .find((name) => name !== undefined);
  return found === undefined ? "" : `, such as ${shown(join(folder, found))}`;
}

function shownAt(location: SourceLocation): string {
  return location.line === null ? shown(location.file) : `${shown(location.file)}:${location.line}`;
}

/** The path as a person would type it here. */
export function shown(file: string): string {
  const path = relative(process.cwd(), file);
  return path === "" || path.startsWith("..") ? file : path;
}

function sentence(text: string): string {
  const [first = ""] = text.split("\n");
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

function clause(text: string): string {
  return sentence(text).slice(0, -1);
}
