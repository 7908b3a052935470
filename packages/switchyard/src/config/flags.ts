// The command line of `serve`, read with Node's own parseArgs by a table made from the option records.
//
// Returns what was written, checked and converted, and nothing else: no default, no file, no environment. parseArgs is
// told not to be strict because its own errors know neither our codes nor the nearest flag; its tokens say the same.

import { parseArgs } from "node:util";
import { SwitchyardError } from "../errors.ts";
import type { OptionKey, OptionRecord } from "./option.ts";
import { commandFlags, eachOption } from "./options.ts";
import { nearest } from "./suggest.ts";
import { readText } from "./values.ts";

/** Values by the option's key. Each has passed its record's check. */
export type GivenValues = ReadonlyMap<OptionKey, unknown>;

export interface ServeFlags {
  /** The application argument as it was written, or null. */
  readonly app: string | null;
  readonly values: GivenValues;
  /** What followed --config, or null. */
  readonly config: string | null;
  readonly help: boolean;
}

type FlagUse = { readonly key: OptionKey; readonly record: OptionRecord; readonly turnsOff: boolean };

/**
 * Reads the arguments after `serve`. The last of a flag given twice counts.
 *
 * @throws {SwitchyardError} `SY_UNKNOWN_OPTION` for a flag or an argument that does not exist; `SY_OPTION_VALUE` for a
 * value that is missing or not allowed.
 */
export function parseServeFlags(args: readonly string[]): ServeFlags {
  const uses = flagUses();
  const { tokens } = parseArgs({ args: [...args], options: parseArgsTable(uses), strict: false, tokens: true });
  const values = new Map<OptionKey, unknown>();
  let app: string | null = null;
  let config: string | null = null;
  let help = false;

  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      if (app !== null) throw secondArgument(app, token.value);
      app = token.value;
    } else if (token.name === commandFlags.help.flag) {
      help = true;
    } else if (token.name === commandFlags.config.flag) {
      config = writtenAfter(token, "the path of a config file");
    } else {
      const use = uses.get(token.name);
      if (use === undefined) throw unknownFlag("serve", token.rawName, [...uses.keys(), ...Object.keys(commandFlags)]);
      const value = readUse(use, token);
      // A repeated flag's value is a list of what it was given this time.
      const before = use.record.repeats ? ((values.get(use.key) ?? []) as unknown[]) : null;
      values.set(use.key, before === null ? value : [...before, ...(value as unknown[])]);
    }
  }
  return { app, values, config, help };
}

/** Every flag that sets an option, the ones that turn one off among them. */
function flagUses(): Map<string, FlagUse> {
  const uses = new Map<string, FlagUse>();
  for (const { key, record } of eachOption()) {
    uses.set(record.flag, { key, record, turnsOff: false });
    if (record.offFlag !== undefined) uses.set(record.offFlag, { key, record, turnsOff: true });
  }
  return uses;
}

type ParseArgsTable = Record<string, { type: "string" | "boolean"; short?: string }>;

function parseArgsTable(uses: ReadonlyMap<string, FlagUse>): ParseArgsTable {
  const table: ParseArgsTable = {
    [commandFlags.config.flag]: { type: "string" },
    [commandFlags.help.flag]: { type: "boolean", short: commandFlags.help.short },
  };
  for (const [flag, use] of uses) table[flag] = { type: takesValue(use) ? "string" : "boolean" };
  return table;
}

function takesValue(use: FlagUse): boolean {
  return !use.turnsOff && use.record.kind.placeholder !== "";
}

interface FlagToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function readUse(use: FlagUse, token: FlagToken): unknown {
  if (!takesValue(use)) {
    if (token.value === undefined) return use.turnsOff ? null : true;
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `${token.rawName} was given the value "${token.value}", and it takes none.`,
      fix: `Write ${token.rawName} alone.`,
    });
  }
  const { kind } = use.record;
  const text = writtenAfter(token, kind.allowed);
  const reading = readText(kind, text);
  if (reading.ok) return reading.value;
  const parts = kind.fromText(text);
  const fault = Array.isArray(parts) && typeof parts[0] === "object" ? kind.faultOf?.(parts) : null;
  if (fault) {
    // The place of a part in the config file's list says nothing here.
    const saw = fault.saw.replaceAll(/in lanes\[0\]\.\w+ |lanes\[0\]\.?/g, "");
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `${token.rawName} was given "${text}", and it ${saw}`,
      fix: fault.fix,
    });
  }
  throw new SwitchyardError("SY_OPTION_VALUE", {
    saw: `${token.rawName} was given "${text}", and it takes ${kind.allowed}.`,
    fix: `${hintFor(text, kind.allowed)}Give another value, or leave ${token.rawName} out to use the default, ${use.record.kind.toText(use.record.default)}.`,
  });
}

/** What was written after a flag; refuses another flag there, which parseArgs takes for the value. */
function writtenAfter(token: FlagToken, allowed: string): string {
  const { rawName, value } = token;
  const isFlag = value !== undefined && !token.inlineValue && /^--?[a-z]/i.test(value);
  if (value !== undefined && value !== "" && !isFlag) return value;
  throw new SwitchyardError("SY_OPTION_VALUE", {
    saw: isFlag
      ? `${rawName} is followed by ${value}, which is a flag, and it takes ${allowed}.`
      : `${rawName} has no value, and it takes ${allowed}.`,
    fix: `Write the value after ${rawName}, or leave it out.`,
  });
}

function hintFor(text: string, allowed: string): string {
  const words = allowed.startsWith("one of ") ? allowed.slice("one of ".length).split(/, (?:or )?/) : [];
  const near = nearest(text, words);
  return near === null ? "" : `Did you mean ${near}? `;
}

/** @param command The command whose help lists the options, as it is written after `switchyard`. */
export function unknownFlag(command: string, rawName: string, names: readonly string[]): SwitchyardError {
  const near = nearest(rawName, names);
  return new SwitchyardError("SY_UNKNOWN_OPTION", {
    saw: `The option ${rawName} is not known.`,
    fix: `${near === null ? "" : `Did you mean --${near}? `}"switchyard ${command} --help" lists every option.`,
  });
}

function secondArgument(first: string, second: string): SwitchyardError {
  return new SwitchyardError("SY_UNKNOWN_OPTION", {
    saw: `serve takes one application, and it was given two arguments: "${first}" and "${second}".`,
    fix: 'Leave one of them out. "switchyard serve --help" lists every option.',
  });
}
