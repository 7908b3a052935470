// Text that is fitted to a terminal.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fitted } from "../../src/cli/print.ts";

test("sentences are broken between words, below their own indent, and tables stay as they are", () => {
  const text =
    "A short line.\n  one two three four five\n  model   workers   busy   wait\n! a-word-that-is-longer-than-that x\n";
  assert.equal(
    fitted(text, 16),
    "A short line.\n  one two three\n    four five\n  model   workers   busy   wait\n!\n  a-word-that-is-longer-than-that\n  x\n",
  );
  assert.equal(fitted(text, Number.POSITIVE_INFINITY), text);
});
