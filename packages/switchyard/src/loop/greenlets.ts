// Loads greenlets for a worker and replaces the blocking functions of the standard library by ones that suspend.

import type * as Greenlets from "@switchyard/greenlet";
import { SwitchyardError } from "../errors.ts";

/** @throws {SwitchyardError} `SY_GREENLET_UNAVAILABLE` when the addon can't be loaded on this machine. */
export async function loadGreenlets(): Promise<typeof Greenlets> {
  const greenlets = await import("@switchyard/greenlet");
  try {
    // The first greenlet loads the addon.
    greenlets.spawnNow(() => {});
  } catch (error) {
    throw new SwitchyardError("SY_GREENLET_UNAVAILABLE", {
      saw: `Greenlets can't be used here: ${error instanceof Error ? error.message : String(error)}`,
      fix: "Use another model (--model hybrid), or mend what the message says.",
      cause: error,
    });
  }
  const { monkey } = greenlets as { monkey?: { patchAll(options: object): void } };
  monkey?.patchAll({ fs: "all", atomics: true });
  return greenlets;
}
