// docs/architecture.md names code as `file.ts: name`, the file below packages/switchyard/src and the name as it is declared
// there: a function, a class, a type, `Class.method` or `Class.#method`. A file alone is named without the colon.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

const root = new URL("../../../../", import.meta.url);
const sources = new URL("../../src/", import.meta.url);
const text = readFileSync(new URL("docs/architecture.md", root), "utf8");

const codeName = /(?<![\w/.-])([\w/-]+\.ts): (#?[A-Za-z]\w*(?:\.#?\w+)?)/g;

test("every name of code in docs/architecture.md is declared in the file it is said to be in", () => {
  const named = [...text.matchAll(codeName)];
  assert.ok(named.length > 50, "the drawings name their code");
  const missing = named.flatMap(([whole, file, name]) => {
    const source = new URL(file!, sources);
    return existsSync(source) && declares(readFileSync(source, "utf8"), name!) ? [] : [whole];
  });
  assert.deepEqual([...new Set(missing)], []);
});

test("every file that docs/architecture.md names exists", () => {
  const files = text.matchAll(/(?<![\w/.:-])((?:[\w-]+\/)+[\w-]+\.(?:ts|mjs|cc|h|S))\b/g);
  const missing = Array.from(files, ([, file]) => file!).filter(
    (file) => !existsSync(new URL(file, sources)) && !existsSync(new URL(file, root)),
  );
  assert.deepEqual([...new Set(missing)], []);
});

test("the order of the folders in docs/architecture.md is the one that the imports are held to", () => {
  const checked = readFileSync(new URL("imports.test.ts", import.meta.url), "utf8");
  const list = /const order = \[(.*?)\];/s.exec(checked)?.[1] ?? "";
  const order = Array.from(list.matchAll(/"([^"]+)"/g), ([, unit]) => unit);
  const drawn = Array.from(text.matchAll(/^ {4} ?\d+ ([\w/-]+)/gm), ([, unit]) => unit);
  assert.deepEqual(drawn, order);
});

function declares(source: string, name: string): boolean {
  const [outer, member] = name.split(".");
  const isDeclared = new RegExp(`^(?:export )?(?:async )?(?:function|class|interface|type|const) ${outer}\\b`, "m");
  if (!isDeclared.test(source)) return false;
  if (member === undefined) return true;
  const start = source.search(isDeclared);
  const end = source.indexOf("\n}", start);
  const body = source.slice(start, end === -1 ? undefined : end);
  return new RegExp(`^  (?:(?:async|static|get|set|readonly|override|private) )*${member}\\s*[(<:=;]`, "m").test(body);
}
