import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "../../src/config/suggest.ts";

test("the nearest word wins, whatever its case and dashes", () => {
  const words = ["port", "host", "maxHeaderBytes", "drainTimeoutMs"];
  assert.equal(nearest("prot", words), "port");
  assert.equal(nearest("hosts", words), "host");
  assert.equal(nearest("max-header-bytes", words), "maxHeaderBytes");
  assert.equal(nearest("MAX_HEADER_BYTES", words), "maxHeaderBytes");
});

test("a word that only lacks its unit is near", () => {
  assert.equal(nearest("drainTimeout", ["startTimeoutMs", "drainTimeoutMs"]), "drainTimeoutMs");
});

test("nothing is suggested where nothing is near", () => {
  assert.equal(nearest("quantum", ["port", "host"]), null);
  assert.equal(nearest("q", ["t"]), null);
  assert.equal(nearest("port", []), null);
});
