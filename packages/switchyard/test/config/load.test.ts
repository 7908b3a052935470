import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { defineConfig } from "../../src/config/define.ts";
import { type LoadedConfig, loadConfig } from "../../src/config/load.ts";
import { folderWith } from "./folder.ts";

// Says what its files are, so that Node does not warn that it had to find out.
const esm = { "package.json": '{ "type": "module" }' };

async function load(t: TestContext, text: string, name = "switchyard.config.ts"): Promise<LoadedConfig> {
  const loaded = await loadConfig({ cwd: folderWith(t, { ...esm, [name]: text }), named: null });
  assert.ok(loaded !== null);
  return loaded;
}

async function valuesOf(t: TestContext, text: string): Promise<unknown> {
  return Object.fromEntries((await load(t, text)).values);
}

test("a config file is found in the current folder as .ts, .mts, .js and .mjs", async (t) => {
  for (const ending of ["ts", "mts", "js", "mjs"]) {
    const { values } = await load(t, "export default { port: 8080 };", `switchyard.config.${ending}`);
    assert.equal(values.get("port"), 8080, ending);
  }
});

test("without a config file there is none", async (t) => {
  assert.equal(await loadConfig({ cwd: folderWith(t, {}), named: null }), null);
});

test("--config names a file elsewhere, by a path relative to the current folder", async (t) => {
  const cwd = folderWith(t, { ...esm, "deploy/production.ts": "export default { port: 81 };" });
  const loaded = await loadConfig({ cwd, named: "deploy/production.ts" });
  assert.equal(loaded?.file, join(cwd, "deploy/production.ts"));
  assert.equal(loaded?.values.get("port"), 81);
});

test("a config may be an object, a function, or an asynchronous function", async (t) => {
  assert.deepEqual(await valuesOf(t, "const port: number = 1; export default { port };"), { port: 1 });
  assert.deepEqual(await valuesOf(t, "export default () => ({ port: 2 });"), { port: 2 });
  assert.deepEqual(await valuesOf(t, "export default async () => ({ port: await 3 });"), { port: 3 });
});

test("a config may be CommonJS", async (t) => {
  const cwd = folderWith(t, { "package.json": "{}", "switchyard.config.js": "module.exports = { port: 4 };" });
  assert.equal((await loadConfig({ cwd, named: null }))?.values.get("port"), 4);
});

test("defineConfig is what a user's file imports from switchyard", async () => {
  const file = fileURLToPath(new URL("../fixtures/config/typed.config.ts", import.meta.url));
  const loaded = await loadConfig({ cwd: "/", named: file });
  assert.deepEqual(Object.fromEntries(loaded?.values ?? []), { model: "sync", workers: 4, accessLog: null });
});

test("defineConfig refuses at compile time what the check refuses at run time", () => {
  defineConfig({ model: "async", port: 0, adminPort: null });
  defineConfig(async () => ({ runTimeoutMs: 5 }));
  // @ts-expect-error A key that does not exist.
  defineConfig({ model: "async", prot: 1 } satisfies Parameters<typeof defineConfig>[0]);
  // @ts-expect-error A value that is not allowed.
  defineConfig({ model: "fibers" });
});

test("paths are relative to the config file's folder", async (t) => {
  const cwd = folderWith(t, {
    ...esm,
    "conf/a.ts": "export default { app: '../src/app.ts', unix: './run.sock', tlsCert: 'cert.pem', tlsKey: '/k.pem' };",
  });
  const loaded = await loadConfig({ cwd, named: "conf/a.ts" });
  assert.equal(loaded?.app, join(cwd, "src/app.ts"));
  assert.deepEqual(Object.fromEntries(loaded?.values ?? []), {
    unix: join(cwd, "conf/run.sock"),
    tlsCert: join(cwd, "conf/cert.pem"),
    tlsKey: "/k.pem",
  });
});

test("undefined is as good as absent", async (t) => {
  assert.deepEqual(await valuesOf(t, "export default { port: process.env.NOT_SET_ANYWHERE, verbose: true };"), {
    verbose: true,
  });
});

test("a file that --config names and that is missing is refused", async (t) => {
  const cwd = folderWith(t, {});
  await assert.rejects(loadConfig({ cwd, named: "none.ts" }), {
    code: "SY_CONFIG_THREW",
    saw: /none\.ts.*does not exist/,
  });
});

test("a config that throws, rejects or has a syntax error is refused, and the message says where", async (t) => {
  const refusal = (saw: RegExp) => ({ code: "SY_CONFIG_THREW", saw });
  await assert.rejects(
    load(t, '\nthrow new TypeError("no secret");'),
    refusal(/TypeError: no secret \(switchyard\.config\.ts:2:/),
  );
  await assert.rejects(load(t, 'export default async () => { throw new Error("late"); };'), refusal(/Error: late/));
  await assert.rejects(load(t, "throw 'text';"), refusal(/it threw text/));
  await assert.rejects(load(t, "export default {\n  port: \n};"), refusal(/SyntaxError/));
  await assert.rejects(load(t, "import './none.ts';"), refusal(/Cannot find module/));
  await assert.rejects(load(t, "enum A { B }; export default {};"), refusal(/SyntaxError/));
});

test("a config that is an ES module in a CommonJS package says what to change", async (t) => {
  for (const text of ['import "node:os";\nexport default {};', "export default {};"]) {
    const cwd = folderWith(t, { "switchyard.config.ts": text, "package.json": '{ "type": "commonjs" }' });
    await assert.rejects(loadConfig({ cwd, named: null }), {
      code: "SY_CONFIG_THREW",
      fix: 'Name it switchyard.config.mts, or set "type": "module" in the nearest package.json.',
    });
  }
});

test("an import of switchyard that can't be found says what to install", async (t) => {
  const text = 'import { defineConfig } from "switchyard"; export default defineConfig({});';
  await assert.rejects(load(t, text), { code: "SY_CONFIG_THREW", fix: /npm install switchyard/ });
});

test("a default export that is no object is refused", async (t) => {
  for (const text of [
    "export const port = 1;",
    "export default 3;",
    "export default [];",
    "export default () => null;",
  ]) {
    await assert.rejects(load(t, text), { code: "SY_CONFIG_VALUE", saw: /default export/ }, text);
  }
});

test("an unknown key is refused, with the nearest one named", async (t) => {
  const cases = {
    prot: "port",
    drainTimeout: "drainTimeoutMs",
    "max-header-bytes": "maxHeaderBytes",
    application: "app",
  };
  for (const [key, meant] of Object.entries(cases)) {
    await assert.rejects(load(t, `export default { ${JSON.stringify(key)}: 1 };`), {
      code: "SY_CONFIG_VALUE",
      saw: new RegExp(`sets "${key}", which is not an option`),
      fix: new RegExp(`Did you mean ${meant}\\?`),
    });
  }
  await assert.rejects(load(t, "export default { constructor: 1 };"), { code: "SY_CONFIG_VALUE" });
});

test("a wrong value is refused, with its key, itself, and what is allowed", async (t) => {
  const cases: [string, RegExp][] = [
    ["port: '80'", /port to "80", and it takes a whole number from 0 to 65535/],
    ["port: 80.5", /port to 80\.5/],
    ["port: NaN", /port to NaN/],
    ["workers: 'all'", /workers to "all".*or "auto"/],
    ["model: 'fibers'", /one of auto, sync, async, hybrid, greenlet/],
    ["runTimeoutMs: '30s'", /runTimeoutMs to "30s", and it takes a whole number of milliseconds from 0/],
    ["bodyLimitBytes: -1", /bodyLimitBytes to -1/],
    ["verbose: 1", /verbose to 1, and it takes true or false/],
    ["host: []", /host to an array/],
    ["tlsCert: {}", /tlsCert to an object/],
    ["unix: ''", /unix to ""/],
    ["accessLog: false", /accessLog to false.*or null for off/],
    ["app: 7", /app to 7/],
    ["queueLimit: null", /queueLimit to null/],
  ];
  for (const [text, saw] of cases) {
    await assert.rejects(load(t, `export default { ${text} };`), { code: "SY_CONFIG_VALUE", saw }, text);
  }
});
