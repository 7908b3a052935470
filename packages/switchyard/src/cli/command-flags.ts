// The command line of a command that has flags of its own: read and explained from one record for each flag.
//
// `serve` has its own reader (config/flags.ts), whose records are those of the config file too.

import { parseArgs } from "node:util";
import { unknownFlag } from "../config/flags.ts";
import { type Kind, readText } from "../config/values.ts";
import { SwitchyardError } from "../errors.ts";
import { wrapped } from "./help.ts";

export interface FlagRecord<Value> {
  readonly kind: Kind<Value>;
  /** What it does, in whole sentences, its default among them. */
  readonly prose: string;
}

/** A flag that may be given several times: its values are a list, empty when it is not given. */
export interface RepeatedFlag<Value> extends FlagRecord<Value> {
  readonly isRepeated: true;
}

type Records = Readonly<Record<string, FlagRecord<unknown> | RepeatedFlag<unknown>>>;

/** Null for a flag that was not given. */
export type FlagValues<R extends Records> = {
  readonly [Name in keyof R]: R[Name] extends RepeatedFlag<infer Value>
    ? readonly Value[]
    : R[Name] extends FlagRecord<infer Value>
      ? Value | null
      : never;
};

export interface CommandLine<R extends Records> {
  readonly values: FlagValues<R>;
  readonly positionals: readonly string[];
  readonly help: boolean;
}

/**
 * Reads what follows a command's name. Of a flag given twice the last counts, unless it is repeated.
 *
 * @throws {SwitchyardError} `SY_UNKNOWN_OPTION`, `SY_OPTION_VALUE`.
 */
export function parseCommandLine<R extends Records>(
  command: string,
  { args, flags }: { args: readonly string[]; flags: R },
): CommandLine<R> {
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = {
    help: { type: "boolean", short: "h" },
    verbose: { type: "boolean" },
  };
  for (const [name, { kind }] of Object.entries(flags)) {
    options[name] = { type: kind.placeholder === "" ? "boolean" : "string" };
  }
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const values: Record<string, unknown> = {};
  for (const [name, record] of Object.entries(flags)) values[name] = "isRepeated" in record ? [] : null;
  const positionals: string[] = [];
  let help = false;
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") positionals.push(token.value);
    else if (token.name === "help") help = true;
    else if (token.name !== "verbose") {
      const record = flags[token.name];
      if (record === undefined) throw unknownFlag(command, token.rawName, Object.keys(flags));
      const value = readFlag(record.kind, token);
      values[token.name] = "isRepeated" in record ? [...(values[token.name] as unknown[]), value] : value;
    }
  }
  // Each value was made by the kind of the record of its own name.
  return { values: values as FlagValues<R>, positionals, help };
}

/** The flags of a command for its help, each with its prose. */
export function flagsHelp(flags: Records, width = 100): string {
  const entries = Object.entries(flags).map(([name, { kind, prose }]) =>
    wrapped(`--${name} ${kind.placeholder}`.trim(), prose, width),
  );
  return [...entries, wrapped("-h, --help", "Prints this.", width)].join("");
}

interface FlagToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function readFlag(kind: Kind<unknown>, { rawName, value, inlineValue }: FlagToken): unknown {
  if (kind.placeholder === "") {
    if (value === undefined) return true;
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `${rawName} was given the value "${value}", and it takes none.`,
      fix: `Write ${rawName} alone.`,
    });
  }
  const isFlag = value !== undefined && !inlineValue && /^--?[a-z]/i.test(value);
  if (value === undefined || value === "" || isFlag) {
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: isFlag
        ? `${rawName} is followed by ${value}, which is a flag, and it takes ${kind.allowed}.`
        : `${rawName} has no value, and it takes ${kind.allowed}.`,
      fix: `Write the value after ${rawName}, or leave it out.`,
    });
  }
  const reading = readText(kind, value);
  if (reading.ok) return reading.value;
  throw new SwitchyardError("SY_OPTION_VALUE", {
    saw: `${rawName} was given "${value}", and it takes ${kind.allowed}.`,
    fix: `Give another value after ${rawName}.`,
  });
}
