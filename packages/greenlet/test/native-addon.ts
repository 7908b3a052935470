// Compiles an addon for the tests, as its authors' build would: optimized, with no chain of frames.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the headers of the Node that runs this are; undefined where it carries none. */
export function nodeHeaders(): string | undefined {
  const folder = join(dirname(dirname(realpathSync(process.execPath))), "include", "node");
  return existsSync(folder) ? folder : undefined;
}

/** Why no addon can be compiled here; undefined where one can. */
export const whyNoCompiler: string | undefined =
  nodeHeaders() === undefined
    ? "this Node carries no headers"
    : spawnSync("cc", ["--version"]).status === 0
      ? undefined
      : "there is no C compiler";

/** The file of test/fixtures/<name>.c, compiled; removed with `remove`. */
export function compileAddon(name: string): { file: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "greenlet-addon-"));
  const file = join(folder, `${name}.node`);
  const source = fileURLToPath(new URL(`./fixtures/${name}.c`, import.meta.url));
  const args = `-shared -fPIC -O2 -fomit-frame-pointer -I${nodeHeaders()} ${source} -o ${file}`.split(" ");
  const { status, stderr } = spawnSync("cc", args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return { file, remove: () => rmSync(folder, { recursive: true }) };
}
