// Whatever the application's TypeScript is run by, a held loop is told of by the file and line that its author wrote.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { BlockedReport } from "../../src/metrics/snapshot.ts";
import { startServer } from "../harness/server.ts";

const packages = fileURLToPath(new URL("../../../../node_modules/", import.meta.url));
// The esbuild that tsx stands on; what is used of it.
interface Esbuild {
  transformSync(code: string, options: object): { readonly code: string; readonly map: string };
}
const requireOfTsx = createRequire(createRequire(import.meta.url).resolve("tsx/package.json"));
const esbuild = requireOfTsx("esbuild") as Esbuild;

/** An enum can't be stripped, so Node itself does not run it; its lines are elsewhere once it is compiled. */
const unstrippable = `
import type { IncomingMessage, ServerResponse } from "node:http";
import { spinInside } from "dependency";

enum Route {
  Spin = "/spin",
  Dependency = "/dependency",
}

interface Order {
  readonly lines: readonly number[];
}

export default function handler(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === Route.Spin) spin({ lines: [1] });
  if (request.url === Route.Dependency) spinInside();
  response.end();
}

function spin({ lines }: Order): never {
  for (let turns = 0; ; turns++) if (lines.length < 0) break; // spins here
  throw new Error("never");
}
`;
const strippable = unstrippable.replace(
  /enum Route[^}]*}/,
  'const Route = {\n  Spin: "/spin",\n  Dependency: "/dependency",\n};',
);

const dependency = {
  "node_modules/dependency/package.json": JSON.stringify({ name: "dependency", main: "index.js" }),
  "node_modules/dependency/index.js": `"use strict";

exports.spinInside = function spinInside() {
  for (;;) if (exports.never) return; // the dependency spins here
};
`,
};

interface Shape {
  readonly type: "module" | "commonjs";
  readonly source: string;
  readonly packages: readonly string[];
  /** Compiled before, with a map beside it, by what the application's author runs. */
  readonly isCompiled?: boolean;
}

const shapes: Record<string, Shape> = {
  "stripped by Node, an ES module": { type: "module", source: strippable, packages: [] },
  "compiled by swc as it is loaded, an ES module": { type: "module", source: unstrippable, packages: ["@swc/core"] },
  "compiled by tsx's esbuild as it is loaded, CommonJS": { type: "commonjs", source: unstrippable, packages: ["tsx"] },
  "compiled before, with maps, an ES module": { type: "module", source: unstrippable, packages: [], isCompiled: true },
  "compiled before, with maps, CommonJS": { type: "commonjs", source: unstrippable, packages: [], isCompiled: true },
};

const answers: BlockedReport[] = [];

for (const [name, shape] of Object.entries(shapes)) {
  test(`a held loop's line is that of the source: ${name}`, async (t) => {
    const { folder, entry, source } = project(t, shape);
    // Two loops at a time, each of which is told of.
    const server = await startServer(t, {
      app: entry,
      args: ["--model", "hybrid", "--workers", "2", "--no-access-log", "--blocked-threshold", "200ms"],
    });
    const held = (path: string) => {
      server.get(path).catch(() => null);
      return server.waitForLine(({ blocked }) => (blocked as BlockedReport | undefined)?.path === path);
    };
    // Whoever holds a loop takes no connection, so the second goes to the other loop.
    const spins = (await held("/spin")).blocked as BlockedReport;
    const inside = (await held("/dependency")).blocked as BlockedReport;

    const lineOf = (text: string, within: string) => within.slice(0, within.indexOf(text)).split("\n").length;
    assert.equal(placeOf(spins.stack[0]), `${source}:${lineOf("// spins here", shape.source)}`);
    assert.equal(placeOf(spins.stack[1]), `${source}:${lineOf("=== Route.Spin", shape.source)}`);
    const index = "node_modules/dependency/index.js";
    assert.equal(
      placeOf(inside.stack[0]),
      `${join(folder, index)}:${lineOf("// the dependency", dependency[index])}`,
      inside.stack.join("\n"),
    );
    assert.equal(placeOf(inside.stack[1]), `${source}:${lineOf("=== Route.Dependency", shape.source)}`);
    assert.notEqual(spins.worker, inside.worker);
    answers.push(spins, inside);
  });
}

test("a loop that runs JavaScript is told to be in native code only where it got no CPU to answer with", () => {
  // Where it did not run for a fifth of a second, that is what it looks like; so it can't be for all of them.
  assert.ok(answers.some(({ isNative }) => !isNative));
});

function project(t: TestContext, { type, source, packages: own, isCompiled = false }: Shape) {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-blocked-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  write("package.json", JSON.stringify({ type }));
  for (const [name, text] of Object.entries(dependency)) write(name, text);
  write("src/app.ts", source);
  for (const name of own) {
    mkdirSync(dirname(join(folder, "node_modules", name)), { recursive: true });
    symlinkSync(join(packages, name), join(folder, "node_modules", name));
  }
  if (!isCompiled) return { folder, entry: join(folder, "src/app.ts"), source: join(folder, "src/app.ts") };
  const { code, map } = esbuild.transformSync(source, {
    ...{ loader: "ts", format: type === "module" ? "esm" : "cjs", sourcemap: "external", minifyWhitespace: true },
    sourcefile: "../src/app.ts",
  });
  write("dist/app.js", `${code}//# sourceMappingURL=app.js.map\n`);
  write("dist/app.js.map", map);
  return { folder, entry: join(folder, "dist/app.js"), source: join(folder, "src/app.ts") };
}

/** "/srv/app.ts:12" of "render (/srv/app.ts:12:5)". */
function placeOf(frame = ""): string {
  return /\(?([^()\s]+:\d+):\d+\)?$/.exec(frame)?.[1] ?? frame;
}
