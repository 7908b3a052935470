// No test opens a connection that could end it: each has a listener for its errors (test/harness/connections.ts).

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const bare = /(?<!mayBeReset\(\s*)(?:\b(?:net|tls|http2)\.connect\(|new WebSocket\()/g;
/** Where `connect` itself was imported. */
const bareName = /(?<!mayBeReset\(\s*)(?<![\w.]|function )connect\(/g;

test("each connection that a test opens may be reset without ending the test", () => {
  const files = globSync(["packages/*/test/**/*.ts", "examples/*/test/**/*.ts"], { cwd: root }).filter(
    (file) => !/\/(?:fixtures|harness|structure)\//.test(file),
  );
  assert.ok(files.length > 100);
  const found = files.flatMap((file) => {
    const text = readFileSync(`${root}${file}`, "utf8");
    const isImported = /\bconnect\b.*from "node:(?:net|tls|http2)"/.test(text);
    const matches = [...text.matchAll(bare), ...(isImported ? text.matchAll(bareName) : [])];
    return matches.map(({ index }) => `${file}:${text.slice(0, index).split("\n").length}`);
  });
  assert.deepEqual(found, []);
});
