// The advice in a config file: what is in a file is never lost.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeAdvice } from "../../src/compare/config-file.ts";
import { configText } from "../../src/compare/config-text.ts";
import { loadConfig } from "../../src/config/load.ts";
import { folderWith } from "../config/folder.ts";

const lanes = [{ match: "/report/**", model: "sync", workers: 2 }] as const;
const name = "switchyard.config.ts";

test("without a config file one is made, which serve can load", async (t) => {
  const cwd = folderWith(t, {});
  const written = await writeAdvice({ model: "greenlet", lanes }, { cwd, app: "./app.ts" });
  assert.deepEqual(written, { is: "made", file: join(cwd, name) });
  const loaded = await loadConfig({ cwd, named: null });
  assert.equal(loaded?.app, join(cwd, "app.ts"));
  assert.deepEqual(Object.fromEntries(loaded.values), { model: "greenlet", lanes });
});

test("a config file gets the keys that it lacks, and keeps every line that it had", async (t) => {
  const before = `// Ours.\nconst port = 4000;\n\nexport default {\n  port, // not the usual one\n  workers: 3,\n};\n`;
  const cwd = folderWith(t, { [name]: before });
  assert.equal((await writeAdvice({ lanes }, { cwd, app: "./app.ts" })).is, "changed");
  const after = readFileSync(join(cwd, name), "utf8");
  const added = '  lanes: [{ match: "/report/**", model: "sync", workers: 2 }],\n';
  assert.equal(after, before.replace("export default {\n", `export default {\n${added}`));
  assert.deepEqual(readdirSync(cwd), [name]);
});

test("a config file that says so already is left as it is", async (t) => {
  const text = configText({ lanes })!;
  const cwd = folderWith(t, { [name]: text });
  assert.equal((await writeAdvice({ lanes }, { cwd, app: "./app.ts" })).is, "says-so");
  assert.equal(readFileSync(join(cwd, name), "utf8"), text);
});

for (const [what, text] of [
  ["sets a key to something else", 'export default {\n  model: "sync",\n};\n'],
  ["exports what is no object in its text", "const config = { port: 1 };\nexport default config;\n"],
  ["exports a function", "export default () => ({\n  port: 1,\n});\n"],
  ["spreads another object over its own", 'const base = { model: "async" };\nexport default {\n  ...base,\n};\n'],
] as const) {
  test(`a config file that ${what} is left as it is, and the error shows the lines`, async (t) => {
    const cwd = folderWith(t, { [name]: text });
    await assert.rejects(writeAdvice({ model: "greenlet" }, { cwd, app: "./app.ts" }), {
      code: "SY_COMPARE_CONFIG",
      fix: /\+ model: "greenlet",/,
    });
    assert.equal(readFileSync(join(cwd, name), "utf8"), text);
    assert.deepEqual(readdirSync(cwd), [name]);
  });
}

test("nothing is written when there is nothing to say", async (t) => {
  const cwd = folderWith(t, {});
  assert.equal((await writeAdvice({}, { cwd, app: "./app.ts" })).is, "nothing-to-say");
  assert.ok(!existsSync(join(cwd, name)));
});
