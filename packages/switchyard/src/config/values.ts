// The kinds of value that an option takes, each written down once: how a flag's text becomes a value, which values are
// allowed (a valibot schema, which the config file's values meet as they are), and how both are said in a sentence.
//
// Knows no option by name, reads nothing, throws nothing: `readText` and `readValue` return a refusal, and whoever asked
// says which flag or key it was about.

import { isIP } from "node:net";
import * as v from "valibot";

export interface Kind<Value> {
  /** Stands for the value in the help: `<port>`; empty for a switch, which takes none. */
  readonly placeholder: string;
  /** What a flag takes, to stand after "it takes": "a whole number from 1 to 256". */
  readonly allowed: string;
  /** What the config file takes, likewise, where it is not what the flag takes. */
  readonly allowedInConfig: string;
  /** The unit of the value in the config file, for the reference page. */
  readonly unit: "milliseconds" | "bytes" | null;
  /** Whether the value names a file, relative to where it was written. */
  readonly isPath: boolean;
  readonly schema: v.GenericSchema<Value>;
  /** A flag's text as a value for `schema`, which has the last word on it. */
  fromText(text: string): unknown;
  /** A value as the user would write it after the flag. */
  toText(value: Value): string;
  /** For a value of several parts: which part of a value that `schema` refuses is wrong, and how to mend it. */
  faultOf?(value: unknown): ValueFault | null;
}

export interface ValueFault {
  /** The rest of a sentence whose subject is where the value was written: "sets lanes[0].model to 3, ...". */
  readonly saw: string;
  readonly fix: string;
}

export type Reading<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false };

/** Reads what was written after a flag, or in an environment variable. */
export function readText<Value>(kind: Kind<Value>, text: string): Reading<Value> {
  return readValue(kind, kind.fromText(text));
}

/** Reads a value of the config file. */
export function readValue<Value>(kind: Kind<Value>, value: unknown): Reading<Value> {
  const result = v.safeParse(kind.schema, value);
  return result.success ? { ok: true, value: result.output } : { ok: false };
}

/** A value of any form, of which `faultOf` says what is wrong. `read` makes of a flag's text what `faultOf` is asked of. */
export function structured<Value>(parts: {
  placeholder: string;
  allowed: string;
  allowedInConfig: string;
  faultOf: (value: unknown) => ValueFault | null;
  fromText: (text: string) => unknown;
  toText: (value: Value) => string;
}): Kind<Value> {
  return kindOf({ ...parts, schema: v.custom<Value>((value) => parts.faultOf(value) === null) });
}

/** One of some words. */
export function choice<const Word extends string>(words: readonly Word[]): Kind<Word> {
  return kindOf({
    placeholder: `<${words.join("|")}>`,
    allowed: `one of ${words.join(", ")}`,
    schema: v.picklist(words),
    fromText: (text) => text,
  });
}

/** A word, or null for "this is off": in the config file null, on the command line another flag or the word `off`. */
export function orOff<Value extends string | number>(kind: Kind<Value>): Kind<Value | null> {
  return kindOf<Value | null>({
    ...kind,
    placeholder: kind.placeholder.replace(/>$/, "|off>"),
    allowed: `${kind.allowed}, or off`,
    allowedInConfig: `${kind.allowedInConfig}, or null for off`,
    schema: v.nullable(kind.schema),
    fromText: (text) => (text === "off" ? null : kind.fromText(text)),
    toText: (value) => (value === null ? "off" : kind.toText(value)),
  });
}

/** What `kind` takes, or null where the option is not set. */
export function optional(kind: Kind<string>): Kind<string | null> {
  return kindOf<string | null>({
    ...kind,
    schema: v.nullable(kind.schema),
    toText: (value) => value ?? "none",
  });
}

export function wholeNumber(range: { min: number; max: number; placeholder?: string }): Kind<number> {
  return kindOf({
    placeholder: range.placeholder ?? "<number>",
    allowed: `a whole number from ${range.min} to ${range.max}`,
    schema: within(range),
    fromText: (text) => (/^[+-]?\d+$/.test(text) ? Number(text) : text),
  });
}

/** A number that may have a fraction. */
export function decimal(range: { min: number; max: number; placeholder?: string }): Kind<number> {
  return kindOf({
    placeholder: range.placeholder ?? "<number>",
    allowed: `a number from ${range.min} to ${range.max}`,
    schema: v.pipe(v.number(), v.minValue(range.min), v.maxValue(range.max)),
    fromText: (text) => (/^[+-]?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text),
  });
}

/** Some of some words, on the command line with commas between them. */
export function choices<const Word extends string>(words: readonly Word[]): Kind<readonly Word[]> {
  return kindOf<readonly Word[]>({
    placeholder: "<word,...>",
    allowed: `one or more of ${words.join(", ")}, with commas between them`,
    schema: v.pipe(v.array(v.picklist(words)), v.minLength(1)),
    fromText: (text) => [...new Set(text.split(",").map((word) => word.trim()))],
    toText: (value) => value.join(","),
  });
}

/** A whole number or the one word that stands for "you choose". */
export function wholeNumberOr<const Word extends string>(
  word: Word,
  range: { min: number; max: number },
): Kind<number | Word> {
  const number = wholeNumber(range);
  return kindOf<number | Word>({
    placeholder: `<number|${word}>`,
    allowed: `${number.allowed}, or ${word}`,
    allowedInConfig: `${number.allowed}, or "${word}"`,
    schema: v.union([within(range), v.literal(word)]),
    fromText: number.fromText,
  });
}

export function port(): Kind<number> {
  return wholeNumber({ min: 0, max: 65_535, placeholder: "<port>" });
}

// setTimeout keeps its delay in a signed 32-bit integer and fires at once when given more.
const longestMs = 2 ** 31 - 1;

/** A length of time: milliseconds, and on the command line also `500ms`, `30s`, `2m`, `1h`. */
export function duration(range: { minMs: number }): Kind<number> {
  const limits = { min: range.minMs, max: longestMs };
  const from = range.minMs === 0 ? "0 or more" : `${range.minMs} ms or more`;
  return kindOf({
    placeholder: "<time>",
    allowed: `a length of time, ${from}, such as 500 (milliseconds), 500ms, 30s or 2m`,
    allowedInConfig: `a whole number of milliseconds from ${limits.min} to ${limits.max}`,
    unit: "milliseconds",
    schema: within(limits),
    fromText: (text) => scaled(text, { "": 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }),
    toText: durationText,
  });
}

/** A number of bytes, and on the command line also `16kb`, `10mb`, `1gb`, each 1024 of the one before. */
export function bytes(range: { min: number; max: number }): Kind<number> {
  return kindOf({
    placeholder: "<bytes>",
    allowed: `a number of bytes from ${bytesText(range.min)} to ${bytesText(range.max)}, such as 16384, 16kb or 10mb`,
    allowedInConfig: `a whole number of bytes from ${range.min} to ${range.max}`,
    unit: "bytes",
    schema: within(range),
    fromText: (text) => scaled(text.toLowerCase(), { "": 1, b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }),
    toText: bytesText,
  });
}

export function text(words: { placeholder: string; allowed: string }): Kind<string> {
  return kindOf({ ...words, schema: written, fromText: (written) => written });
}

/** Addresses and ranges of addresses, and words that stand for some; on the command line with commas between them. */
export function addresses<const Word extends string>(words: readonly Word[]): Kind<readonly string[]> {
  const known: ReadonlySet<string> = new Set(words);
  const schema = v.array(
    v.pipe(
      v.string(),
      v.check((entry) => known.has(entry) || isAddressRange(entry)),
    ),
  );
  const allowed = `IP addresses and ranges (10.0.0.0/8), ${words.join(", ")}`;
  return kindOf<readonly string[]>({
    placeholder: "<address,...>",
    allowed: `${allowed}, with commas between them, or none`,
    allowedInConfig: `a list of ${allowed}`,
    schema,
    fromText: (text) => (text === "none" ? [] : text.split(",").map((entry) => entry.trim())),
    toText: (list) => (list.length === 0 ? "none" : list.join(",")),
  });
}

function isAddressRange(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** The permissions of a file, as chmod takes them; null: what the process's umask leaves. */
export function fileMode(): Kind<string | null> {
  return kindOf<string | null>({
    placeholder: "<mode>",
    allowed: "three octal digits, such as 660",
    allowedInConfig: 'three octal digits as text, such as "660", or null',
    schema: v.nullable(v.pipe(v.string(), v.regex(/^0?[0-7]{3}$/))),
    fromText: (text) => text,
    toText: (mode) => mode ?? "none",
  });
}

export function path(words: { allowed: string }): Kind<string> {
  return kindOf({ placeholder: "<file>", ...words, isPath: true, schema: written, fromText: (written) => written });
}

/** On or off; on the command line, the flag alone turns it on. */
export function toggle(): Kind<boolean> {
  return kindOf({
    placeholder: "",
    allowed: "no value",
    allowedInConfig: "true or false",
    schema: v.boolean(),
    fromText: (text) => text,
    toText: (value) => (value ? "on" : "off"),
  });
}

// A NUL ends a path for the kernel, so that what follows it would be dropped without a word.
const written = v.pipe(
  v.string(),
  v.nonEmpty(),
  v.check((text) => !text.includes("\0")),
);

function within(range: { min: number; max: number }): v.GenericSchema<number> {
  return v.pipe(v.number(), v.integer(), v.minValue(range.min), v.maxValue(range.max));
}

type KindParts<Value> = Pick<Kind<Value>, "placeholder" | "allowed" | "schema" | "fromText"> & Partial<Kind<Value>>;

function kindOf<Value>(parts: KindParts<Value>): Kind<Value> {
  return {
    allowedInConfig: parts.allowed,
    unit: null,
    isPath: false,
    toText: (value: Value) => String(value),
    ...parts,
  };
}

/** "1.5s" times the unit's size, as a whole number; the text itself, for the schema to refuse, where it is no such thing. */
function scaled(text: string, sizes: Readonly<Record<string, number>>): number | string {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/.exec(text) ?? [];
  const size = unit === undefined ? undefined : sizes[unit];
  return amount === undefined || size === undefined ? text : Math.round(Number(amount) * size);
}

function durationText(valueMs: number): string {
  if (valueMs === 0) return "0";
  if (valueMs % 60_000 === 0) return `${valueMs / 60_000}m`;
  return valueMs % 1_000 === 0 ? `${valueMs / 1_000}s` : `${valueMs}ms`;
}

function bytesText(value: number): string {
  if (value === 0) return "0";
  for (const [unit, size] of [
    ["gb", 1024 ** 3],
    ["mb", 1024 ** 2],
    ["kb", 1024],
  ] as const) {
    if (value % size === 0) return `${value / size}${unit}`;
  }
  return String(value);
}
