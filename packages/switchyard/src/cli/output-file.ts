// Files that a command writes at its end, looked at before it begins: what was measured for minutes is not to be lost because a
// folder does not exist.

import { accessSync, constants, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { SwitchyardError } from "../errors.ts";

/** Refuses files that could not be written, by the flags that named them; null stands for a flag that was left out. */
export function assertWritable(files: Readonly<Record<string, string | null>>): void {
  for (const [flag, file] of Object.entries(files)) {
    const why = file === null ? null : whyNotWritable(resolve(file));
    if (file === null || why === null) continue;
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `--${flag} was given "${file}", and ${why}.`,
      fix: `Name a file that can be written, as in --${flag} run.${flag}.`,
    });
  }
}

function whyNotWritable(file: string): string | null {
  const folder = dirname(file);
  if (statsOf(folder)?.isDirectory() !== true) return `there is no folder ${folder}`;
  const stats = statsOf(file);
  if (stats === null) return isWritable(folder) ? null : `nothing can be written in ${folder}`;
  if (stats.isDirectory()) return "that is a folder";
  return isWritable(file) ? null : "that file can't be written";
}

function statsOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    // It is not there, or behind a folder that is closed or is a file.
    return null;
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    // The answer is all that is asked for.
    return false;
  }
}
