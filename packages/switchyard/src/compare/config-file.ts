// Writes the advice into a config file, and never loses what is in one.
//
// Without a file, one is made. A file gets its new keys as the first lines of its default export where that is an object which
// can be found in its text, and where none of the keys is set yet. The changed text is loaded before it takes the old one's
// place, and must say all that the old one did and the advice. Anything else is left alone, and shown.

import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { SwitchyardError } from "../errors.ts";
import type { AdvisedConfig } from "./advice.ts";
import { configText, entriesOf } from "./config-text.ts";

export type Written =
  | { readonly is: "made" | "changed"; readonly file: string }
  | { readonly is: "nothing-to-say" }
  | { readonly is: "says-so"; readonly file: string };

/**
 * Writes the advice into the config file of a folder.
 *
 * @throws {SwitchyardError} `SY_COMPARE_CONFIG` when the file must be changed by hand, with the lines that it would take.
 */
export async function writeAdvice(config: AdvisedConfig, { cwd, app }: { cwd: string; app: string }): Promise<Written> {
  const text = configText(config);
  if (text === null) return { is: "nothing-to-say" };
  const existing = await loadConfig({ cwd, named: null });
  if (existing === null) {
    const file = join(cwd, "switchyard.config.ts");
    const withApp = text.replace("export default {\n", `export default {\n  app: ${JSON.stringify(app)},\n`);
    // Never over a file that came into being meanwhile.
    writeFileSync(file, withApp, { flag: "wx" });
    return { is: "made", file };
  }
  return change(existing, config);
}

async function change(existing: LoadedConfig, config: AdvisedConfig): Promise<Written> {
  const { file, values } = existing;
  const given = new Map<string, unknown>(values);
  const missing = entriesOf(config).filter(({ key }) => !given.has(key));
  const other = Object.entries(config).filter(([key, value]) => given.has(key) && !isSame(given.get(key), value));
  if (other.length > 0)
    throw byHand(file, config, `it sets ${other.map(([key]) => key).join(" and ")} to something else`);
  if (missing.length === 0) return { is: "says-so", file };

  const old = readFileSync(file, "utf8");
  const changed = withEntries(
    old,
    missing.map(({ line }) => line),
  );
  if (changed === null) throw byHand(file, config, "its default export is not an object that can be found in its text");
  const draft = join(dirname(file), `.switchyard-draft-${process.pid}-${basename(file)}`);
  try {
    writeFileSync(draft, changed, { flag: "wx", mode: statSync(file).mode });
    if (!(await says(draft, existing, config))) throw byHand(file, config, "it would not say the same any more");
    renameSync(draft, file);
  } finally {
    if (existsSync(draft)) rmSync(draft);
  }
  return { is: "changed", file };
}

/** The text with lines at the beginning of its exported object, or null where that is not found beyond doubt. */
function withEntries(text: string, lines: readonly string[]): string | null {
  const beginnings = [...text.matchAll(/^export default (?:defineConfig\()?\{[ \t]*(?=\r?$)/gm)];
  const [beginning] = beginnings;
  if (beginnings.length !== 1 || beginning === undefined) return null;
  const at = beginning.index + beginning[0].length;
  const newline = text.slice(at).startsWith("\r\n") ? "\r\n" : "\n";
  return text.slice(0, at) + lines.map((line) => `${newline}  ${line}`).join("") + text.slice(at);
}

async function says(file: string, existing: LoadedConfig, config: AdvisedConfig): Promise<boolean> {
  try {
    const loaded = await loadConfig({ cwd: dirname(file), named: file });
    if (loaded === null || loaded.app !== existing.app) return false;
    const expected = new Map<string, unknown>([...existing.values, ...Object.entries(config)]);
    const values = new Map<string, unknown>(loaded.values);
    return values.size === expected.size && [...expected].every(([key, value]) => isSame(values.get(key), value));
  } catch {
    // It can't be loaded any more: then it must not take the place of one that can.
    return false;
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b);
}

function byHand(file: string, config: AdvisedConfig, why: string): SwitchyardError {
  const lines = entriesOf(config).map(({ line }) => `    + ${line}`);
  return new SwitchyardError("SY_COMPARE_CONFIG", {
    saw: `The config file ${file} was left as it is: ${why}.`,
    fix: `Put this into its default export by hand, in place of what it says of the same keys:\n${lines.join("\n")}`,
  });
}
