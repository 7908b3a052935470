// A folder of a test's own, that is gone when the test has ended.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
