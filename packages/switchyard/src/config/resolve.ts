// Puts flags, config file, environment and defaults together into ServeSettings, in that order of precedence.
//
// A calculation: it reads no file and no environment but what it is given. The rules between options are here too: which
// exclude each other, which need each other, and which default depends on another option.

import { resolve } from "node:path";
import { SwitchyardError } from "../errors.ts";
import type { ServeFlags } from "./flags.ts";
import type { LoadedConfig } from "./load.ts";
import type { OptionKey } from "./option.ts";
import { eachOption, optionRecords } from "./options.ts";
import type { ServeSettings } from "./settings.ts";
import { readText } from "./values.ts";

export interface SettingSources {
  readonly flags: ServeFlags;
  readonly config: LoadedConfig | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What relative paths among the flags are relative to. */
  readonly cwd: string;
  /** The application's file, as an absolute path. */
  readonly app: string;
}

type Origin = "flag" | "config" | "environment" | "default";

interface Resolved {
  readonly value: unknown;
  readonly origin: Origin;
}

/**
 * Resolves every option.
 *
 * @throws {SwitchyardError} `SY_OPTION_VALUE` or `SY_CONFIG_VALUE` for an environment variable with a bad value and for
 * options that do not go together.
 */
export function resolveSettings(sources: SettingSources): ServeSettings {
  const resolved = new Map<OptionKey, Resolved>();
  for (const { key } of eachOption()) resolved.set(key, resolveOption(key, sources));

  const get = (key: OptionKey) => resolved.get(key)!;
  applyDependentDefaults(resolved, get);
  settleAddress(resolved, get);
  settleTimeouts(resolved, get);
  refuseHalfTls(get);

  const entries = [...resolved].map(([key, { value }]) => [key, value] as const);
  const given = [...resolved].filter(([, { origin }]) => origin !== "default").map(([key]) => key);
  // Each key of OptionKey is there, with a value that its own record's check let through.
  return { app: sources.app, ...Object.fromEntries([["given", given], ...entries]) } as ServeSettings;
}

function resolveOption(key: OptionKey, { flags, config, env, cwd }: SettingSources): Resolved {
  const record = optionRecords[key];
  if (flags.values.has(key)) {
    const value = flags.values.get(key);
    return { value: record.kind.isPath && typeof value === "string" ? resolve(cwd, value) : value, origin: "flag" };
  }
  if (config?.values.has(key)) return { value: config.values.get(key), origin: "config" };
  const text = record.env === undefined ? undefined : env[record.env];
  if (text === undefined || text === "") return { value: record.default, origin: "default" };
  const reading = readText<unknown>(record.kind, text);
  if (reading.ok) return { value: reading.value, origin: "environment" };
  throw new SwitchyardError("SY_OPTION_VALUE", {
    saw: `The environment variable ${record.env} is "${text}", and it takes ${record.kind.allowed}.`,
    fix: `Correct or unset ${record.env}, or give --${record.flag}, which comes before it.`,
  });
}

type Get = (key: OptionKey) => Resolved;

function applyDependentDefaults(resolved: Map<OptionKey, Resolved>, get: Get): void {
  // Threads alone mean "this many workers": one process of them, not one for each CPU.
  if (get("workers").origin === "default" && get("threads").value !== 0) {
    resolved.set("workers", { value: 1, origin: "default" });
  }
  // Who sets PORT is a platform that sends traffic from outside this machine; gunicorn reads it the same way.
  if (get("host").origin === "default" && get("port").origin === "environment") {
    resolved.set("host", { value: "0.0.0.0", origin: "environment" });
  }
}

/** A UNIX socket and a port exclude each other: the one that was said nearer to the command wins. */
function settleAddress(resolved: Map<OptionKey, Resolved>, get: Get): void {
  const unix = get("unix");
  if (unix.value === null) return;
  for (const key of ["host", "port"] as const) {
    const { origin } = get(key);
    if (origin === unix.origin) throw contradiction(origin, `unix and ${key}`);
    if (origin === "flag") resolved.set("unix", { value: null, origin: "default" });
  }
}

/** A request's headers are part of it, so they can't have longer than the whole: Node's server refuses to be told so. */
function settleTimeouts(resolved: Map<OptionKey, Resolved>, get: Get): void {
  const headers = get("headersTimeoutMs");
  const request = get("requestTimeoutMs");
  // Both passed the check for whole numbers, and 0 sets no limit.
  const [headersMs, requestMs] = [headers.value as number, request.value as number];
  if (requestMs === 0 || headersMs <= requestMs) return;
  if (headers.origin === "default") {
    resolved.set("headersTimeoutMs", { value: requestMs, origin: "default" });
    return;
  }
  const [headersName, requestName] = [
    nameOf("headersTimeoutMs", headers.origin),
    nameOf("requestTimeoutMs", headers.origin),
  ];
  throw new SwitchyardError(codeFor(headers.origin), {
    saw: `${headersName} is ${headersMs} ms, and ${requestName} is ${requestMs} ms: headers can't take longer than the whole request.`,
    fix: `Raise ${requestName}, or lower ${headersName}.`,
  });
}

function refuseHalfTls(get: Get): void {
  for (const [given, missing] of [
    ["tlsCert", "tlsKey"],
    ["tlsKey", "tlsCert"],
  ] as const) {
    if (get(given).value === null || get(missing).value !== null) continue;
    throw new SwitchyardError(codeFor(get(given).origin), {
      saw: `${nameOf(given, get(given).origin)} is given without ${nameOf(missing, get(given).origin)}.`,
      fix: `Give both the certificate and its key, or neither.`,
    });
  }
}

function contradiction(origin: Origin, both: string): SwitchyardError {
  const where = origin === "config" ? "in the config file" : "on the command line";
  return new SwitchyardError(codeFor(origin), {
    saw: `${both} are both given ${where}, and they exclude each other.`,
    fix: "Give only one of the two.",
  });
}

function nameOf(key: OptionKey, origin: Origin): string {
  return origin === "config" ? key : `--${optionRecords[key].flag}`;
}

function codeFor(origin: Origin): "SY_CONFIG_VALUE" | "SY_OPTION_VALUE" {
  return origin === "config" ? "SY_CONFIG_VALUE" : "SY_OPTION_VALUE";
}
