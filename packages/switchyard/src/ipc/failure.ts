// How a worker ends that can't start: its parent is told why, and the exit code says it again.

import { reportOf, SwitchyardError } from "../errors.ts";
import type { Parent } from "./parent.ts";

export async function failToStart(parent: Parent, error: unknown): Promise<never> {
  const report = reportOf(error);
  await parent.send({ type: "failed", error: report });
  process.exit(new SwitchyardError(report.code, report).exitCode);
}
