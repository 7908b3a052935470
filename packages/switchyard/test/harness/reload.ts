// Reloads of a server whose application answers with a version, which it reads from a file.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { LogLine, TestServer } from "./server.ts";

/** The file of control/app.mjs, at version 0. */
export function versionFile(t: TestContext): { file: string; set: (version: string) => void } {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "version");
  const set = (version: string) => writeFileSync(file, version);
  set("0");
  return { file, set };
}

/** Sends SIGHUP and resolves with the line that says how the reload ended. */
export async function hangUp(server: TestServer): Promise<LogLine> {
  const before = server.lines.length;
  server.child.kill("SIGHUP");
  return server.waitForLine(
    (line) => server.lines.indexOf(line) >= before && /^Reloaded in|^The reload failed/.test(line.msg ?? ""),
  );
}
