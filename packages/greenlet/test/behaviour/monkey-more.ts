// Patches beyond single functions: sizes, packages that sleep in Atomics.wait, SQLite's mutex, standard input, the report.

import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";
import { monkey, sleep, spawn, spawnNow } from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";

test("by default small inputs are compressed at once and large ones let others run, and files are left alone", async (t) => {
  const large = Buffer.alloc(200_000);
  t.after(() => monkey.unpatch());
  monkey.unpatch();
  monkey.patchAll();
  assert.deepEqual(
    (["child_process", "crypto", "zlib", "stdin", "fs", "atomics"] as const).map((name) => monkey.isPatched(name)),
    [true, true, true, true, false, false],
  );
  assert.equal(spawnNow(() => zlib.gzipSync("small")).state, "done");
  const parked = spawnNow(() => zlib.gzipSync(large));
  assert.equal(parked.state, "parked");
  assert.deepEqual(zlib.gunzipSync(await parked), large);
  assert.throws(() => monkey.patchAll({ nothing: true } as object), { code: "ERR_INVALID_ARGUMENT" });
});

test("with fs: large, only large files let others run", async (t) => {
  const folder = fs.mkdtempSync(join(tmpdir(), "greenlet-large-"));
  t.after(() => {
    monkey.unpatch();
    fs.rmSync(folder, { recursive: true });
  });
  monkey.unpatch();
  monkey.patchAll({ fs: "large" });
  const [small, large] = [join(folder, "small"), join(folder, "large")];
  fs.writeFileSync(small, "x");
  const content = Buffer.alloc(2_000_000, "y");
  const write = spawnNow(() => fs.writeFileSync(large, content));
  assert.equal(write.state, "parked");
  await write;
  assert.equal(spawnNow(() => fs.readFileSync(small, "utf8")).value, "x");
  assert.equal(spawnNow(() => fs.statSync(large).size).value, 2_000_000);
  const read = spawnNow(() => fs.readFileSync(large));
  assert.equal(read.state, "parked");
  assert.ok((await read).equals(content));
  const missing = spawnNow(() => fs.readFileSync(join(folder, "absent")));
  await assert.rejects(missing.promise(), { code: "ENOENT", syscall: "open" });
});

test("one patch over another's function is taken back without taking the other away", async (t) => {
  t.after(() => monkey.unpatch());
  monkey.unpatch();
  const original = fs.readFileSync;
  monkey.patch("fs");
  monkey.patch("stdin");
  monkey.unpatch("fs");
  assert.equal(spawnNow(() => fs.readFileSync(fileURLToPath(import.meta.url))).state, "done");
  assert.notEqual(fs.readFileSync, original);
  assert.equal(monkey.original(fs, "readFileSync"), original);
  assert.equal(monkey.original(fs, "writeFileSync"), fs.writeFileSync);
  monkey.unpatch("stdin");
  assert.equal(fs.readFileSync, original);
});

for (const name of ["synckit", "make-synchronous"]) {
  test(`calls of one ${name} function by many greenlets at once get each its own answer or error, and the loop runs on`, async () => {
    const ending = await runFixture("sync-packages.ts", { args: [name] });
    assertEnded(ending, 0);
    assert.equal(ending.stdout, "20 right answers, 5 right errors, the loop ran on\n");
  });
}

test("a function given to node:sqlite may not wait, and the database is usable afterwards", async () => {
  const ending = await runFixture("sqlite-function.ts");
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "ERR_SWITCH_FORBIDDEN\nsum 6, file read inside, next query 1\n");
});

test("reading standard input lets others run, and gives what the original gives", async () => {
  const ending = await runFixture("read-stdin.ts", { input: "first line\nrest" });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "others ran: true\nfirst line\\nrest\n");
});

test("the report names what is patched, what was captured before, and what blocks", async () => {
  const ending = await runFixture("report.ts");
  assertEnded(ending, 0);
  assert.match(ending.stdout, /crypto: pbkdf2Sync, scryptSync/);
  assert.match(ending.stdout, /captures\.cjs: execSync/);
  assert.match(ending.stdout, /fs: patched only where asked for/);
});

test("a killed greenlet's patched call is abandoned", async (t) => {
  t.after(() => monkey.unpatch());
  monkey.patchAll({ fs: true });
  const open = spawnNow(() => fs.openSync(fileURLToPath(import.meta.url), "r"));
  open.kill();
  await open;
  await spawn(() => sleep(1));
  assert.equal(open.successful, true);
});
