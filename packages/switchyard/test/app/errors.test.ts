// A module that can't be served: each cause has its code, says what was seen and what to do, and keeps the first error.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { appsFolder, failToLoad, load, program } from "./loaded-app.ts";

interface Expected {
  readonly code: string;
  readonly saw: RegExp;
  readonly fix: RegExp;
  readonly cause?: RegExp;
}

const notServable = /^Export an Express, .* or call listen\(\) in the program\.$/;

const broken: readonly [behaviour: string, app: string, expected: Expected][] = [
  [
    "a missing file names the one that is near",
    "exports-numbr.js",
    {
      code: "SY_APP_MISSING",
      saw: /exports-numbr\.js does not exist\.$/,
      fix: /^Did you mean .*exports-number\.js\?$/,
    },
  ],
  [
    "a file without its extension names the file that has one",
    "busy-for-ever",
    { code: "SY_APP_MISSING", saw: /busy-for-ever does not exist\.$/, fix: /^Did you mean .*busy-for-ever\.js\?$/ },
  ],
  [
    "a folder is no application",
    "",
    { code: "SY_APP_MISSING", saw: /broken\/? is a folder/, fix: /^Name the file that starts it/ },
  ],
  [
    "a syntax error in an ES module names its line, and quotes it",
    "syntax-error.js",
    {
      code: "SY_APP_SYNTAX",
      saw: /syntax-error\.js:3 has a syntax error: missing \) after argument list, in `response\.end\("Hello" "world"\);`\.$/,
      fix: /^Correct it/,
      cause: /missing \) after argument list/,
    },
  ],
  [
    "a syntax error in an imported module is found where it is",
    "imports-syntax-error.js",
    { code: "SY_APP_SYNTAX", saw: /[^-]syntax-error\.js:3 has a syntax error/, fix: /^Correct it/ },
  ],
  [
    "a syntax error in CommonJS names its line",
    "syntax-error.cjs",
    { code: "SY_APP_SYNTAX", saw: /syntax-error\.cjs:3 .* in `const const = 1;`\.$/, fix: /^Correct it/ },
  ],
  [
    "a syntax error in TypeScript names its line",
    "syntax-error.ts",
    { code: "SY_APP_SYNTAX", saw: /syntax-error\.ts:2 .* in `const port: number = = 3000;`\.$/, fix: /^Correct it/ },
  ],
  [
    "an import of a name that is not exported names its line",
    "missing-export.js",
    {
      code: "SY_APP_SYNTAX",
      saw: /missing-export\.js:2 .*does not provide an export named 'nothing'/,
      fix: /^Correct it/,
    },
  ],
  [
    "a throw at load has the application's message and the line that threw",
    "throws-at-load.js",
    {
      code: "SY_APP_THREW",
      saw: /throws-at-load\.js failed while it was loaded \(at .*throws-at-load\.js:3\): Error: no DATABASE_URL\.$/,
      fix: /--verbose/,
      cause: /^no DATABASE_URL$/,
    },
  ],
  [
    "a top-level await that rejects is a throw at load",
    "rejects-at-load.js",
    { code: "SY_APP_THREW", saw: /rejects-at-load\.js:2\): TypeError: the database said no\.$/, fix: /--verbose/ },
  ],
  [
    "a start that rejects after its import, uncaught, is a throw at load",
    "rejects-later.js",
    {
      code: "SY_APP_THREW",
      saw: /rejects-later\.js:4\): Error: bootstrap failed\.$/,
      fix: /--verbose/,
      cause: /^bootstrap failed$/,
    },
  ],
  [
    "a factory that throws is a throw at load",
    "factory-throws.js",
    { code: "SY_APP_THREW", saw: /Error: the factory failed\.$/, fix: /--verbose/ },
  ],
  [
    "a package that is not installed is named with the command that installs it",
    "missing-package.js",
    {
      code: "SY_APP_THREW",
      saw: /missing-package\.js imports a-package-that-is-not-installed, which is not installed\.$/,
      fix: /^Run `npm install a-package-that-is-not-installed` in /,
    },
  ],
  [
    "a scoped package that is not installed is named in CommonJS too",
    "missing-package.cjs",
    {
      code: "SY_APP_THREW",
      saw: /imports @scope\/not-installed, which/,
      fix: /^Run `npm install @scope\/not-installed` in /,
    },
  ],
  [
    "an import of a file that does not exist names both files",
    "missing-import.js",
    {
      code: "SY_APP_THREW",
      saw: /missing-import\.js imports .*no-such-file\.js, which does not exist\.$/,
      fix: /import/,
    },
  ],
  [
    "a module that exports a number says so",
    "exports-number.js",
    {
      code: "SY_APP_NOTHING",
      saw: /exports a default export \(a number\), `config` \(an object with port\), which can't be served, and has ended without calling listen\(\)\.$/,
      fix: notServable,
    },
  ],
  [
    "a module without exports that ends is seen to have ended",
    "exports-nothing.js",
    { code: "SY_APP_NOTHING", saw: /exports nothing and has ended without calling listen\(\)\.$/, fix: notServable },
  ],
  [
    "a CommonJS module without exports is seen to have ended",
    "exports-nothing.cjs",
    { code: "SY_APP_NOTHING", saw: /exports nothing and has ended/, fix: notServable },
  ],
  [
    "a class is not taken for a handler",
    "exports-class.js",
    { code: "SY_APP_NOTHING", saw: /a default export \(a class\)/, fix: notServable },
  ],
  [
    "a top-level await that nothing can settle is told from a slow one",
    "waits-for-ever.js",
    { code: "SY_APP_NOTHING", saw: /waits .* for something that can't come/, fix: notServable },
  ],
];

for (const [behaviour, name, expected] of broken) {
  test(behaviour, async (t) => assertFailure(await failToLoad(t, { app: `broken/${name}` }), expected));
}

describe("in a worker thread", () => {
  for (const name of ["exports-nothing.js", "waits-for-ever.js", "rejects-later.js", "syntax-error.js"]) {
    test(`${name} fails as in a process, and at once`, async (t) => {
      const expected = broken.find(([, app]) => app === name)?.[2];
      assert.ok(expected);
      assertFailure(await failToLoad(t, { app: `broken/${name}`, isolation: "thread" }), expected);
    });
  }
});

test("a program that is still busy after startTimeoutMs is too slow", async (t) => {
  const failure = await failToLoad(t, { app: "broken/busy-for-ever.js", startTimeoutMs: 500 });
  assertFailure(failure, {
    code: "SY_APP_SLOW",
    // Which of the two it says depends on whether the machine got through the import in that time.
    saw: /(?:exports nothing and had not called listen\(\)|was still loading) after 0\.5 s\.$/,
    fix: /raise startTimeoutMs/,
  });
});

test("a program that forks a cluster of its own is told which file to name", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import cluster from "node:cluster";
      if (cluster.isPrimary) cluster.fork();
      else setInterval(() => {}, 1000);`,
  });
  assertFailure(await failToLoad(t, { app, startTimeoutMs: 3_000 }), {
    code: "SY_APP_SLOW",
    saw: /It has started worker processes of its own with node:cluster\.$/,
    fix: /name the file that its cluster workers run/,
  });
});

test("a JavaScript application that imports TypeScript which Node can't strip says so", async (t) => {
  const app = program(t, {
    "app.mjs": `import { Route } from "./route.ts"; export default () => new Response(Route.Hello);`,
    "route.ts": `\nexport enum Route { Hello = "hello" }`,
  });
  assertFailure(await failToLoad(t, { app }), {
    code: "SY_APP_LOADER",
    saw: /route\.ts:2 has TypeScript that Node can't strip: TypeScript enum/,
    fix: /^Compile it to JavaScript, or make the application's own file TypeScript/,
  });
});

test("a program that ends its process ends the worker with its own exit code", async (t) => {
  const { outcome, printed } = await load(t, { app: "broken/exits-at-load.js" });
  assert.deepEqual(outcome, { is: "exited", code: 3 });
  assert.match(printed(), /giving up/);
});

test("a project whose packages were never installed is told to install them", async (t) => {
  const app = program(t, {
    "app.mjs": `import express from "express"; export default express();`,
    "package.json": JSON.stringify({ dependencies: { express: "^5.0.0" } }),
  });
  assertFailure(await failToLoad(t, { app }), {
    code: "SY_APP_THREW",
    saw: /app\.mjs imports express, which is not installed\.$/,
    fix: new RegExp(`^Run \`npm install\` in ${dirname(app)}\\.$`),
  });
});

test("a file that is no module is not guessed at", async (t) => {
  assertFailure(await failToLoad(t, { app: program(t, { "app.py": "print('hello')" }) }), {
    code: "SY_APP_NOTHING",
    saw: /app\.py is not a module/,
    fix: /^Name a JavaScript or TypeScript file/,
  });
});

test("JSON that the program can't parse is its own error, not a syntax error of a module", async (t) => {
  assertFailure(await failToLoad(t, { app: program(t, { "app.mjs": `\nJSON.parse("{");` }) }), {
    code: "SY_APP_THREW",
    saw: /app\.mjs:2\): SyntaxError/,
    fix: /--verbose/,
  });
});

test("an enum in a project without a compiler says what to install", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-enum-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "src"));
  const app = join(folder, "src", "app.ts");
  copyFileSync(join(appsFolder, "broken/enum-typescript/app.ts"), app);
  assertFailure(await failToLoad(t, { app }), {
    code: "SY_APP_LOADER",
    saw: /app\.ts has TypeScript that Node can't strip \(enum\), and its project has no compiler for it\.$/,
    fix: /npm install --save-dev @swc\/core/,
  });
});

test("a program that handles its own uncaught errors goes on, and is served", async (t) => {
  const app = program(t, {
    "server.mjs": `
      process.on("unhandledRejection", (error) => console.log("handled:", error.message));
      Promise.reject(new Error("an optional part failed"));
      setTimeout(async () => {
        const { createServer } = await import("node:http");
        createServer((request, response) => response.end("served")).listen(3000);
      }, 5);`,
  });
  const { outcome, printed } = await load(t, { app });
  assert.equal(outcome.is, "ready");
  assert.match(printed(), /handled: an optional part failed/);
});

function assertFailure(failure: Awaited<ReturnType<typeof failToLoad>>, expected: Expected): void {
  assert.equal(failure.code, expected.code, JSON.stringify(failure));
  assert.match(failure.saw, expected.saw);
  assert.match(failure.fix, expected.fix);
  if (expected.cause !== undefined) assert.match(failure.cause ?? "", expected.cause);
}
