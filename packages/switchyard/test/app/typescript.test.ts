// TypeScript that Node can't strip, through each compiler that a project may have.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { appsFolder, failToLoad, loadApp } from "./loaded-app.ts";

const require = createRequire(import.meta.url);
const packages = fileURLToPath(new URL("../../../../node_modules/", import.meta.url));

/** A project in a temporary folder, in whose node_modules are only the named packages. */
function project(t: TestContext, files: Readonly<Record<string, string>>, packages: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-ts-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, source] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), source);
  }
  for (const name of packages) install(folder, name);
  return folder;
}

function install(folder: string, name: string): void {
  const target = join(folder, "node_modules", name);
  mkdirSync(dirname(target), { recursive: true });
  if (name === "typescript") {
    // The repository's own typescript is version 7, without an API for this. @ts-morph/common carries the last one with it.
    mkdirSync(target);
    const bundled = JSON.stringify(require.resolve("@ts-morph/common"));
    writeFileSync(join(target, "index.js"), `module.exports = require(${bundled}).ts;`);
  } else {
    symlinkSync(join(packages, name), target);
  }
}

const metadata = JSON.stringify({ compilerOptions: { experimentalDecorators: true, emitDecoratorMetadata: true } });
const unstrippable = {
  "src/app.ts": `
    import { Counter } from "./counter";
    import { greeting } from "./greeting.js";
    enum Route { Hello = "/hello" }
    const counter = new Counter(41);
    export default (request: Request): Response => {
      if (new URL(request.url).pathname !== Route.Hello) return new Response("line", { status: Number(thrown()) });
      return new Response(\`\${greeting} \${counter.next()}\`);
    };

    function thrown(): string { return (new Error("where").stack ?? "").match(/app\\.ts:(\\d+)/)?.[1]?.padStart(3, "2") ?? "500"; }`,
  "src/counter.ts": `export class Counter { constructor(private count: number) {} next(): number { return ++this.count; } }`,
  "src/greeting.ts": `export const greeting: string = "hello";`,
};

describe("enums, parameter properties and imports without extension", () => {
  for (const [compiler, packages] of [
    [/^@swc\/core /, ["@swc/core", "typescript"]],
    [/^esbuild .*tsx/, ["tsx"]],
    [/^typescript /, ["typescript"]],
  ] as const) {
    for (const type of ["module", "commonjs", null]) {
      test(`run through ${packages[0]} in a package of type ${type}`, async (t) => {
        const manifest = JSON.stringify(type === null ? {} : { type });
        const folder = project(t, { "package.json": manifest, ...unstrippable }, packages);
        const { origin, notices } = await loadApp(t, { app: join(folder, "src/app.ts") });
        assert.equal(await (await fetch(`${origin}/hello`)).text(), "hello 42");
        assert.equal((await fetch(`${origin}/else`)).status, 211, "the stack does not name the line of the source");
        assert.equal(notices.length, 1);
        const name = /^The application's TypeScript is compiled by its project's (.*)\.$/.exec(notices[0] ?? "")?.[1];
        assert.match(name ?? "", compiler);
      });
    }
  }
});

describe("a Nest application", () => {
  const nest = ["@nestjs/common", "@nestjs/core", "@nestjs/platform-express", "reflect-metadata", "rxjs"];
  for (const [compiler, format] of [
    ["@swc/core", "commonjs"],
    ["@swc/core", "module"],
    ["typescript", "commonjs"],
    ["typescript", "module"],
  ] as const) {
    test(`runs through the project's ${compiler} as ${format}`, async (t) => {
      const folder = project(t, {}, [compiler, ...nest]);
      cpSync(join(appsFolder, "nest"), folder, { recursive: true });
      writeFileSync(join(folder, "package.json"), JSON.stringify({ type: format }));
      const { origin, notices } = await loadApp(t, { app: join(folder, "src/main.ts") });
      assert.match(notices[0] ?? "", new RegExp(`${compiler} `));
      assert.equal(await (await fetch(`${origin}/hello`)).text(), "Hello, world!");
    });
  }

  test("is not run through tsx, which leaves out the metadata that it needs", async (t) => {
    const files = { "tsconfig.json": metadata, "app.ts": `function d(_: unknown) {}\n@d\nexport class App {}\n` };
    const app = join(project(t, files, ["tsx"]), "app.ts");
    const failure = await failToLoad(t, { app });
    assert.equal(failure.code, "SY_APP_LOADER");
    assert.match(failure.saw, /app\.ts has TypeScript that Node can't strip \(decorators\)/);
    assert.match(failure.fix, /looked for: @swc\/core, typescript before 7/);
  });
});

test("paths of tsconfig.json are followed without a compiler where Node can strip", async (t) => {
  const files = {
    "tsconfig.json": `{ "compilerOptions": { "paths": { "~/*": ["./lib/*"] }, /* a comment */ } }`,
    "lib/answer.ts": `export const answer: string = "by path";`,
    "app.ts": `import { answer } from "~/answer"; export default (_request: Request) => new Response(answer);`,
  };
  const { origin, notices } = await loadApp(t, { app: join(project(t, files, []), "app.ts") });
  assert.equal(await (await fetch(origin)).text(), "by path");
  assert.deepEqual(notices, []);
});

test("imports in a CommonJS package without a compiler say what to install", async (t) => {
  const files = {
    "package.json": `{ "type": "commonjs" }`,
    "app.ts": `import { createServer } from "node:http";\nexport default createServer();`,
  };
  const failure = await failToLoad(t, { app: join(project(t, files, []), "app.ts") });
  assert.equal(failure.code, "SY_APP_LOADER");
  assert.match(failure.saw, /app\.ts has TypeScript that Node can't strip \(import or export in a CommonJS package\)/);
  assert.match(
    failure.fix,
    /^Set "type": "module" in the nearest package\.json, or run `npm install --save-dev @swc\/core`/,
  );
});

test("what Node can strip is left to Node, whatever compilers the project has", async (t) => {
  const files = { "app.ts": `export default (request: Request): Response => new Response(request.method);` };
  const { origin, notices } = await loadApp(t, { app: join(project(t, files, ["@swc/core"]), "app.ts") });
  assert.equal(await (await fetch(origin)).text(), "GET");
  assert.deepEqual(notices, []);
});

test("a syntax error in a file that is compiled names its line", async (t) => {
  const files = { "tsconfig.json": metadata, "app.ts": `const a: number = 1;\nconst b: number = = 2;\n` };
  const failure = await failToLoad(t, { app: join(project(t, files, ["@swc/core"]), "app.ts") });
  assert.equal(failure.code, "SY_APP_SYNTAX");
  assert.match(failure.saw, /app\.ts:2 has a syntax error: .*, in `const b: number = = 2;`\.$/);
});

test("a tsconfig.json that can't be read is left out, with a notice", async (t) => {
  const files = {
    "tsconfig.json": `{ "extends": "./no-such-base.json" }`,
    "app.ts": `export const fetch = (): Response => new Response("ok");`,
  };
  const { origin, notices } = await loadApp(t, { app: join(project(t, files, []), "app.ts") });
  assert.equal(await (await fetch(origin)).text(), "ok");
  assert.match(notices[0] ?? "", /^tsconfig\.json is not used, because/);
});
