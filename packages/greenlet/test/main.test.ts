// `node --import @switchyard/greenlet/main` runs a program as Node alone would, whatever kind of program it is.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const api = JSON.stringify(new URL("../dist/index.js", import.meta.url).href);
const folder = mkdtempSync(join(tmpdir(), "greenlet-main-"));
after(() => rmSync(folder, { recursive: true }));

interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(nodeArgs: readonly string[], input = ""): Promise<Ending> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, nodeArgs, { cwd: folder, env });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const texts = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (texts.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (texts.stderr += text));
  const [code] = await once(child, "close");
  return { code, ...texts };
}

function write(name: string, text: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}

const asCommonJs = 'console.log(require.main === module, __filename, module.id, process.argv, "x".length);';
const asModule = 'import "node:fs"; console.log(import.meta.main, import.meta.filename, process.argv);';
const asTypes = "interface Unused { x: number } const one: number = 1;";

test("each kind of program sees of itself what it sees without greenlets", { concurrency: 3 }, async (t) => {
  const programs: Record<string, string> = {
    "script.cjs": asCommonJs,
    "no-type/script.js": asCommonJs,
    "no-type/script.ts": `${asTypes} ${asCommonJs}`,
    "script.cts": `${asTypes} ${asCommonJs}`,
    "folder/index.js": asCommonJs,
    "module.mjs": asModule,
    "no-type/module.js": asModule,
    "no-type/module.ts": `${asTypes} ${asModule}`,
    "module.mts": `${asTypes} ${asModule}`,
    "typed/module.js": asModule,
    hashbang: `#!/usr/bin/env node\n${asModule}`,
    "exit-code.cjs": 'process.exitCode = 7; setTimeout(() => console.log("late"), 1);',
    "exits.mjs": 'process.on("exit", (code) => console.log("exit", code)); process.exit(9);',
    "throws-late.cjs": 'setTimeout(() => { throw new Error("late"); }, 1);',
    "handles.cjs": `process.on("uncaughtException", ({ message }, origin) => console.log(message, origin));
      setTimeout(() => console.log("goes on"), 1); throw new Error("thrown");`,
    "rejects.cjs": `process.on("unhandledRejection", () => console.log("no exception is told as one"));
      throw new Error("thrown");`,
    "top-level-await.mjs": 'console.log(await Promise.resolve("awaited"), import.meta.main);',
    "no-type/top-level-await.js": 'console.log(await Promise.resolve("awaited"));',
  };
  for (const [name, text] of Object.entries(programs)) write(name, text);
  write("typed/package.json", '{ "type": "module" }');
  await Promise.all(
    Object.keys(programs).map((name) =>
      t.test(name, async () => {
        const entry = name.replace("/index.js", "");
        const [plain, own] = await Promise.all([run([entry, "a", "b"]), run(["--import", main, entry, "a", "b"])]);
        assert.deepEqual(
          { code: own.code, stdout: own.stdout },
          { code: plain.code, stdout: plain.stdout },
          own.stderr,
        );
      }),
    ),
  );
});

test("programs wait at their top level, also those that only their syntax tells to be modules", {
  concurrency: 3,
}, async (t) => {
  const waits = 'sleep(1); console.log("waited");';
  const programs: Record<string, string> = {
    "waits/script.cjs": `const { sleep } = require(${JSON.stringify(fileURLToPath(JSON.parse(api)))}); ${waits}`,
    "waits/module.mjs": `import { sleep } from ${api}; ${waits}`,
    "waits/module.js": `import { sleep } from ${api}; ${waits}`,
    "waits/module.ts": `import { sleep } from ${api}; ${asTypes} ${waits}`,
  };
  for (const [name, text] of Object.entries(programs)) write(name, text);
  await Promise.all(
    Object.keys(programs).map((name) =>
      t.test(name, async () => {
        const { code, stdout, stderr } = await run(["--import", main, name]);
        assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "waited\n", stderr: "" });
      }),
    ),
  );
});

test("an error at the top level is shown with the program's own line, as it stands there", async () => {
  write("throws.mjs", 'function boom() { throw new RangeError("boom"); }\nboom();\n');
  const { code, stderr } = await run(["--import", main, "throws.mjs"]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /throws\.mjs:1\nfunction boom\(\) \{ throw new RangeError\("boom"\); \}\n +\^\n\nRangeError: boom\n +at boom \(.*throws\.mjs:1:25\)/,
  );
});

test("what is no file, or not to be run, is Node's alone", async () => {
  write("checked.cjs", 'console.log("run");');
  const cases: [args: string[], input: string, stdout: string][] = [
    [["-e", "console.log(process.argv.length)", "x"], "", "2\n"],
    [["-p", "1 + 1", "x"], "", "2\n"],
    [["-"], 'console.log("stdin");', "stdin\n"],
    [["--check", "checked.cjs"], "", ""],
  ];
  for (const [args, input, stdout] of cases) {
    const ending = await run(["--import", main, ...args], input);
    assert.deepEqual(ending, { code: 0, stdout, stderr: "" });
  }
  const missing = await run(["--import", main, "missing.js"]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /Cannot find module .*missing\.js/);
});
