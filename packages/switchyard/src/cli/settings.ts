// The settings of `serve`: flags, config file and environment put together, for an application that is there.

import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import type { ServeFlags } from "../config/flags.ts";
import { loadConfig } from "../config/load.ts";
import { resolveSettings } from "../config/resolve.ts";
import type { ServeSettings } from "../config/settings.ts";
import { nearest } from "../config/suggest.ts";
import { SwitchyardError } from "../errors.ts";

/** The commands that are given an application, by their names for what an error says. */
type Command = "serve" | "dev" | "compare";

/** @throws {SwitchyardError} for whatever is wrong with them, before anything is started. */
export async function readSettings(flags: ServeFlags, command: Command = "serve"): Promise<ServeSettings> {
  const cwd = process.cwd();
  const config = await loadConfig({ cwd, named: flags.config });
  const app = flags.app === null ? (config?.app ?? null) : resolve(cwd, flags.app);
  if (app === null) throw noApplication(cwd, command);
  // Before the file is looked at, so that a wrong option is said even when the file is wrong too.
  const settings = resolveSettings({ flags, config, env: process.env, cwd, app });
  assertFile(app, cwd, command);
  return settings;
}

const usualNames = ["app.ts", "server.ts", "app.js", "server.js", "index.js"];

function noApplication(cwd: string, command: Command): SwitchyardError {
  const here = usualNames.filter((name) => existsSync(join(cwd, name)));
  const name = here.length === 1 ? here[0]! : "app.ts";
  return new SwitchyardError("SY_APP_MISSING", {
    saw: `${command} was given no application.`,
    fix:
      here.length === 1
        ? `${name} is in this folder: run "switchyard ${command} ${name}".`
        : `Name the application's file, as in "switchyard ${command} ${name}".`,
  });
}

/** Finds out before anything is started that the file is there; whether it can be served is the worker's to find out. */
export function assertFile(app: string, cwd: string, command: Command): void {
  const stats = statSync(app, { throwIfNoEntry: false });
  if (stats?.isFile()) return;
  if (stats?.isDirectory()) {
    const name = usualNames.find((usual) => existsSync(join(app, usual))) ?? "app.ts";
    throw new SwitchyardError("SY_APP_MISSING", {
      saw: `${app} is a folder, and the application is a file.`,
      fix: `Name the file, as in "switchyard ${command} ${relative(cwd, join(app, name))}".`,
    });
  }
  const near = nearName(app);
  throw new SwitchyardError("SY_APP_MISSING", {
    saw:
      stats === undefined
        ? `The application's file ${app} does not exist.`
        : `${app} is not a file that can be loaded.`,
    fix: near === null ? "Correct the path." : `Did you mean ${relative(cwd, join(dirname(app), near))}?`,
  });
}

/** A file of the same folder whose name without its ending is nearly the same, or null. */
function nearName(file: string): string | null {
  const names = new Map(namesIn(dirname(file)).map((name) => [basename(name, extname(name)), name]));
  return names.get(nearest(basename(file, extname(file)), [...names.keys()]) ?? "") ?? null;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // The folder is missing too, or closed to us: then there is no name to suggest, and the error is the caller's.
    return [];
  }
}
