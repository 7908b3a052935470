// Finds out before anything is started that the log files can be written, by the user that will write them.

import { closeSync, openSync } from "node:fs";
import type { ServeSettings } from "../config/settings.ts";
import { SwitchyardError } from "../errors.ts";
import { logFileMode } from "../log/files.ts";

/** @throws {SwitchyardError} `SY_LOG_FILE` */
export function assertLogFiles({ logFile, accessLogFile }: ServeSettings): void {
  for (const file of [logFile, accessLogFile]) {
    if (file === null) continue;
    try {
      closeSync(openSync(file, "a", logFileMode));
    } catch (error) {
      throw new SwitchyardError("SY_LOG_FILE", {
        saw: `The log file ${file} can't be opened (${(error as NodeJS.ErrnoException).code}).`,
        fix: "Name a file in a folder that exists and that this user may write to; with --user, the file must be that user's.",
        cause: error,
      });
    }
  }
}
