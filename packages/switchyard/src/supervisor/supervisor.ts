// Stands where the supervisor will be, so that the command line can be compiled and tried.

import type { ServeSettings } from "../config/settings.ts";
import { SwitchyardError } from "../errors.ts";
import type { Logger } from "../log/logger.ts";

/** Runs the server until it is told to stop, and returns the command's exit code. */
export async function runSupervisor({ settings }: { settings: ServeSettings; log: Logger }): Promise<number> {
  throw new SwitchyardError("SY_INTERNAL", {
    saw: `There is no supervisor to serve ${settings.app} with.`,
    fix: "Wait for the next version.",
  });
}
