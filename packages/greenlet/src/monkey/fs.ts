// The blocking functions of node:fs, by way of their callback forms.
//
// Standard input, output and error stay blocking: their order would change. Errors are the originals': the two forms
// differ where a comment says so.

import fs from "node:fs";
import { type CooperativeForm, cooperative, type LibraryFunction, type Patch } from "./cooperation.ts";
import { byteLengthOf } from "./zlib.ts";

/** Named as their blocking forms, without "Sync". */
const plain = [
  ...[
    "access",
    "appendFile",
    "chmod",
    "chown",
    "copyFile",
    "fchmod",
    "fchown",
    "fdatasync",
    "fstat",
    "fsync",
    "ftruncate",
  ],
  ...[
    "futimes",
    "lchown",
    "link",
    "lutimes",
    "mkdir",
    "readdir",
    "readlink",
    "readv",
    "rename",
    "rm",
    "rmdir",
    "statfs",
  ],
  ...["symlink", "truncate", "unlink", "utimes", "writeFile", "writev", "close", "read", "write"],
];

const special: Record<string, Omit<CooperativeForm, "twin">> = {
  // A descriptor that nobody will get is closed.
  open: { abandon: (fd) => fs.close(fd as number) }, // what open() calls back with
  readFile: { failure: readOfDirectory },
  stat: { failure: absentFor(["ENOENT", "ENOTDIR"]) },
  lstat: { failure: absentFor(["ENOENT"]) },
  // The loader of CommonJS modules passes a cache that only the original knows.
  realpath: { keepsOriginal: (args) => hasSymbolKey(args[1]) },
};

/** Below this a thread costs more than the file does. */
const largeBytes = 1024 * 1024;

/** For large files only: whether the arguments are about little. */
const isSmall: Record<string, (args: unknown[]) => boolean> = {
  readFile: ([file]) => sizeOf(file) < largeBytes,
  copyFile: ([file]) => sizeOf(file) < largeBytes,
  writeFile: ([, content]) => byteLengthOf(content) < largeBytes,
  appendFile: ([, content]) => byteLengthOf(content) < largeBytes,
  read: ([, buffer]) => byteLengthOf(buffer) < largeBytes,
  write: ([, content]) => byteLengthOf(content) < largeBytes,
  rm: ([, options]) => !(options as { recursive?: unknown } | undefined)?.recursive, // whatever was given
};

export function fsPatches(which: true | "all" | "large" = true): Patch[] {
  const all: Record<string, Omit<CooperativeForm, "twin">> = {
    ...Object.fromEntries(plain.map((name) => [name, {}])),
    ...special,
  };
  const forms = which === "large" ? largeOnly(all) : all;
  const library = fs as unknown as Record<string, LibraryFunction>; // looked up by name
  const patches = Object.entries(forms).map(([name, form]): Patch => {
    const twin = library[name] as LibraryFunction; // each has both forms, in every Node that runs greenlets
    return {
      holder: fs,
      name: `${name}Sync`,
      make: (original) => withNative(original, cooperative(original, { ...keepStandardStreams(form), twin })),
    };
  });
  return which === "large" ? patches : [...patches, existsPatch];
}

function largeOnly(all: Record<string, Omit<CooperativeForm, "twin">>): typeof all {
  const forms = Object.entries(isSmall).map(([name, keepsOriginal]) => [name, { ...all[name], keepsOriginal }]);
  return Object.fromEntries(forms);
}

/** A file's size in bytes; 0 where that can't be told, so that the original says why. */
function sizeOf(file: unknown): number {
  try {
    return typeof file === "number" ? fs.fstatSync(file).size : fs.statSync(file as fs.PathLike).size; // or it throws
  } catch {
    return 0;
  }
}

const existsPatch: Patch = {
  holder: fs,
  name: "existsSync",
  make: (original) =>
    cooperative(original, {
      // existsSync() is false for what is no path; the original decides what is one.
      keepsOriginal: ([path]) => typeof path !== "string" && !(path instanceof URL) && !Buffer.isBuffer(path),
      twin: (path: fs.PathLike, done: (error: null, exists: boolean) => void) =>
        fs.access(path, (error) => done(null, error === null)),
    }),
};

function keepStandardStreams(form: Omit<CooperativeForm, "twin">): Omit<CooperativeForm, "twin"> {
  return {
    ...form,
    keepsOriginal: (args) => (typeof args[0] === "number" && args[0] <= 2) || form.keepsOriginal?.(args) === true,
  };
}

/** realpathSync carries a second function, which asks the system instead of walking the path itself. */
function withNative(original: LibraryFunction, patched: LibraryFunction): LibraryFunction {
  if (!("native" in original)) return patched;
  const native = cooperative(original.native as LibraryFunction, { twin: fs.realpath.native }); // a function by Node's documentation
  return Object.assign(patched, { native });
}

/** stat and lstat return undefined for what does not exist when they are asked to; their callback forms fail. */
function absentFor(absentCodes: string[]): NonNullable<CooperativeForm["failure"]> {
  return (error, [, options]) => {
    const mayBeAbsent =
      typeof options === "object" &&
      options !== null &&
      "throwIfNoEntry" in options &&
      options.throwIfNoEntry === false;
    return mayBeAbsent && absentCodes.includes(codeOf(error)) ? { value: undefined } : undefined;
  };
}

/** Since Node 26 readFile's error for a directory names the path; readFileSync's does not. */
function readOfDirectory(error: unknown): undefined {
  if (codeOf(error) !== "EISDIR" || !(error instanceof Error) || !("path" in error)) return;
  error.message = error.message.replace(` '${String(error.path)}'`, "");
  delete error.path;
  error.stack = `${error.name}: ${error.message}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function hasSymbolKey(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.getOwnPropertySymbols(value).length > 0;
}
