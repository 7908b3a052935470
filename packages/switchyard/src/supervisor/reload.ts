// What a reload may change. The settings are read again, and whoever is started from then on gets the new ones; what the
// supervisor itself holds since its start (its sockets and files) and the kind of its workers can't change under it.

import type { OptionKey } from "../config/option.ts";
import { optionRecords } from "../config/options.ts";
import type { ServeSettings } from "../config/settings.ts";
import { SwitchyardError } from "../errors.ts";

const fixedKeys = [
  "host",
  "port",
  "unix",
  "unixMode",
  "user",
  "group",
  "adminPort",
  "adminHost",
  "adminTokenFile",
  "controlSocket",
  "pidFile",
  "logFile",
  "accessLogFile",
  "model",
  "threads",
] as const satisfies readonly OptionKey[];

/** @throws {SwitchyardError} `SY_RELOAD_SETTING` */
export function assertReloadable(before: ServeSettings, after: ServeSettings): void {
  const changed = fixedKeys.filter((key) => before[key] !== after[key]);
  if (changed.length === 0) return;
  const names = changed.map((key) => `${key} (${textOf(key, before)} to ${textOf(key, after)})`).join(", ");
  throw new SwitchyardError("SY_RELOAD_SETTING", {
    saw: `The config file changes what can't change while the server runs: ${names}.`,
    fix: `Put ${changed.length === 1 ? "it" : "them"} back, or stop the server and start it again.`,
  });
}

function textOf(key: OptionKey, settings: ServeSettings): string {
  const { kind } = optionRecords[key];
  // The settings passed the check of this very record, which the union of all records can't tell.
  return (kind.toText as (value: unknown) => string)(settings[key]);
}

/**
 * How long a worker that was replaced may live on, in milliseconds: as long as the drain, and as long as an idle connection
 * may be kept, which it must not close under its client. (docs/decisions/reload.md)
 */
export function retireWithinMs({ drainTimeoutMs, keepAliveTimeoutMs }: ServeSettings): number {
  if (drainTimeoutMs === 0) return 0;
  return Math.max(drainTimeoutMs, keepAliveTimeoutMs + idleGraceMs);
}

/** Node closes an idle connection a second later than it has told the client that it would, and looks once a second. */
const idleGraceMs = 2_500;
