// The config file: where it is, what it holds, and whether that is allowed.
//
// It is imported as any module is (Node strips the types of a .ts file), so it may compute what it exports. Nothing of it
// is trusted: every key and value is checked against the option records before anything is started.

import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { SwitchyardError } from "../errors.ts";
import type { GivenValues } from "./flags.ts";
import type { OptionKey } from "./option.ts";
import { optionRecords } from "./options.ts";
import { nearest } from "./suggest.ts";
import { type Kind, readValue } from "./values.ts";

const fileNames = ["switchyard.config.ts", "switchyard.config.mts", "switchyard.config.js", "switchyard.config.mjs"];

// A config that waits for something that never comes must end in a message, not in a command that hangs.
const loadTimeoutMs = 30_000;

export interface LoadedConfig {
  /** The file, as an absolute path. */
  readonly file: string;
  /** The application's file as an absolute path, or null where the config names none. */
  readonly app: string | null;
  /** By key; paths are absolute. */
  readonly values: GivenValues;
}

/**
 * Loads the config file that --config names, or the one in `cwd`, or none.
 *
 * @throws {SwitchyardError} `SY_CONFIG_THREW` when the named file is missing, throws, or does not settle within 30 s;
 * `SY_CONFIG_VALUE` when it sets a key that does not exist or a value that is not allowed.
 */
export async function loadConfig(where: { cwd: string; named: string | null }): Promise<LoadedConfig | null> {
  const file = findConfig(where);
  if (file === null) return null;
  return checkConfig(file, await importConfig(file));
}

function findConfig({ cwd, named }: { cwd: string; named: string | null }): string | null {
  if (named === null) return fileNames.map((name) => join(cwd, name)).find((file) => existsSync(file)) ?? null;
  const file = resolve(cwd, named);
  if (existsSync(file)) return file;
  throw new SwitchyardError("SY_CONFIG_THREW", {
    saw: `The config file ${file}, which --config names, does not exist.`,
    fix: "Correct the path, or leave --config out.",
  });
}

async function importConfig(file: string): Promise<unknown> {
  try {
    return await withDeadline(evaluate(file));
  } catch (error) {
    if (error instanceof SwitchyardError) throw error;
    throw new SwitchyardError("SY_CONFIG_THREW", {
      saw: `The config file ${file} can't be loaded: ${describeThrown(error, file)}.`,
      fix: fixFor(error, file),
      cause: error,
    });
  }
}

async function evaluate(file: string): Promise<unknown> {
  const module: { default?: unknown } = await import(pathToFileURL(file).href);
  const exported = module.default;
  return typeof exported === "function" ? exported() : exported;
}

async function withDeadline<Value>(work: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`it was not done after ${loadTimeoutMs / 1000} s`)),
    loadTimeoutMs,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** "TypeError: boom (switchyard.config.ts:3:9)": what was thrown, and where in the file when its stack says so. */
function describeThrown(error: unknown, file: string): string {
  if (!(error instanceof Error)) return `it threw ${String(error)}`;
  const name = basename(file);
  const after = error.stack?.split(name, 2)[1];
  const place = after === undefined ? undefined : /^:\d+(?::\d+)?/.exec(after)?.[0];
  const text = `${error.name}: ${error.message.split("\n", 1)[0]}`;
  return place === undefined ? text : `${text} (${name}${place})`;
}

function fixFor(error: unknown, file: string): string {
  // What V8 says of an ES module that Node took for CommonJS, because the nearest package.json says so.
  if (error instanceof SyntaxError && /outside a module|^Unexpected token 'export'/.test(error.message)) {
    return `Name it ${basename(file).replace(/\.([jt]s)$/, ".m$1")}, or set "type": "module" in the nearest package.json.`;
  }
  const missesUs = error instanceof Error && /Cannot find (?:package|module) 'switchyard'/.test(error.message);
  return missesUs
    ? 'Install it beside the config file with "npm install switchyard", or export a plain object without defineConfig.'
    : "Correct the file. --verbose shows the whole stack.";
}

function checkConfig(file: string, exported: unknown): LoadedConfig {
  if (typeof exported !== "object" || exported === null || Array.isArray(exported)) {
    throw new SwitchyardError("SY_CONFIG_VALUE", {
      saw: `The config file ${file} has ${exported === undefined ? "no default export" : `${shown(exported)} as its default export`}.`,
      fix: 'Export an object of options, or a function that returns one: "export default { port: 8080 }".',
    });
  }
  let app: string | null = null;
  const values = new Map<OptionKey, unknown>();
  for (const [key, value] of Object.entries(exported)) {
    if (value === undefined) continue;
    if (key === "app") app = resolve(dirname(file), checkApp(file, value));
    else values.set(...checkOption(file, key, value));
  }
  return { file, app, values };
}

function checkApp(file: string, value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw wrongValue({ file, key: "app", value, allowed: "the path of the application's file" });
}

function checkOption(file: string, key: string, value: unknown): [OptionKey, unknown] {
  if (!isOptionKey(key)) throw unknownKey(file, key);
  const { kind } = optionRecords[key];
  const reading = readValue<unknown>(kind, value);
  const fault = reading.ok ? null : (kind as Kind<unknown>).faultOf?.(value);
  if (fault) throw new SwitchyardError("SY_CONFIG_VALUE", { ...fault, saw: `The config file ${file} ${fault.saw}` });
  if (!reading.ok) throw wrongValue({ file, key, value, allowed: kind.allowedInConfig });
  const isRelative = kind.isPath && typeof reading.value === "string";
  return [key, isRelative ? resolve(dirname(file), reading.value as string) : reading.value];
}

function isOptionKey(key: string): key is OptionKey {
  return Object.hasOwn(optionRecords, key);
}

function unknownKey(file: string, key: string): SwitchyardError {
  const near = nearest(key, ["app", ...Object.keys(optionRecords)]);
  return new SwitchyardError("SY_CONFIG_VALUE", {
    saw: `The config file ${file} sets "${key}", which is not an option.`,
    fix:
      near === null
        ? "Remove it; docs/options.md lists every option."
        : `Did you mean ${near}? Rename the key or remove it.`,
  });
}

function wrongValue(what: { file: string; key: string; value: unknown; allowed: string }): SwitchyardError {
  return new SwitchyardError("SY_CONFIG_VALUE", {
    saw: `The config file ${what.file} sets ${what.key} to ${shown(what.value)}, and it takes ${what.allowed}.`,
    fix: "Give another value, or remove the key to use the default.",
  });
}

/** A value in a message: short, on one line, whatever it is. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}
