import { statSync } from "node:fs";
import { SwitchyardError } from "../errors.ts";
export function checkFile(file: string): void {
  statSync(file);
}
export function loadErrorOf(error: unknown, file: string): SwitchyardError {
  if (error instanceof SwitchyardError) return error;
  return new SwitchyardError("SY_APP_THREW", { saw: `${file} threw: ${error}`, fix: "Fix it.", cause: error });
}
