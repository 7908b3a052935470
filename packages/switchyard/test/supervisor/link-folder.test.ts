// The folder of the links' sockets, in a temporary folder of this test's own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { LinkFolder } from "../../src/supervisor/link-folder.ts";

test("a folder that a killed server has left is removed by the next, and that of a running one is not", (t) => {
  const base = ownTemporaryFolder(t);
  const module = new URL("../../src/supervisor/link-folder.ts", import.meta.url).href;
  const script = `const { LinkFolder } = await import(${JSON.stringify(module)});
    new LinkFolder().next();
    process.kill(process.pid, "SIGKILL");`;
  const { signal } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { env: process.env });
  assert.equal(signal, "SIGKILL");
  const [left = ""] = readdirSync(base);
  assert.notEqual(left, "");
  mkdirSync(join(base, "switchyard-of-somebody-else"));

  const running = new LinkFolder();
  const path = running.next();
  assert.equal(existsSync(join(base, left)), false);
  const other = new LinkFolder();
  other.next();
  assert.ok(existsSync(dirname(path)) && existsSync(join(base, "switchyard-of-somebody-else")));
  other.remove();
  running.remove();
  assert.deepEqual(readdirSync(base), ["switchyard-of-somebody-else"]);
});

test("no folder is made before it is needed", (t) => {
  const base = ownTemporaryFolder(t);
  new LinkFolder().remove();
  assert.deepEqual(readdirSync(base), []);
});

function ownTemporaryFolder(t: TestContext): string {
  const base = mkdtempSync(join(tmpdir(), "switchyard-test-"));
  const before = process.env.TMPDIR;
  process.env.TMPDIR = base;
  t.after(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    rmSync(base, { recursive: true, force: true });
  });
  return base;
}
