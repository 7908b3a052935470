// Bad input is answered with the status that fits and a sentence that says what would have been right.

import assert from "node:assert/strict";
import { test } from "node:test";
import { asBrowser, jsonOf, startServer } from "./server.ts";

const cases: readonly { path: string; status: number; error: RegExp }[] = [
  { path: "/search", status: 400, error: /^q must be .* missing\.$/ },
  { path: "/search?q=", status: 400, error: /^q must be/ },
  { path: "/search?q=%20%2A", status: 400, error: /a letter or a digit/ },
  { path: "/search?q=a&q=b", status: 400, error: /^q must be/ },
  { path: `/search?q=${"a".repeat(101)}`, status: 400, error: /at most 100 characters/ },
  { path: "/search?q=a&limit=0", status: 400, error: /^limit must be a whole number from 1 to 100, and it is "0"\.$/ },
  { path: "/search?q=a&limit=101", status: 400, error: /^limit / },
  { path: "/search?q=a&limit=1e1", status: 400, error: /^limit / },
  { path: "/search?q=a&limit=-1", status: 400, error: /^limit / },
  { path: "/search?q=a&limit=", status: 400, error: /^limit / },
  { path: "/cities/paris", status: 400, error: /^A city's id must be/ },
  { path: "/cities/1", status: 404, error: /no city with the id 1\. \/search finds/ },
  { path: "/cities/99999999999999999999", status: 400, error: /^A city's id/ },
  { path: "/cities/2988507/nearby?count=11", status: 400, error: /^count must be a whole number from 1 to 10/ },
  { path: "/report/nearest", status: 400, error: /^A city's id .* missing\.$/ },
  { path: "/report/nearest?of=2988507&k=101", status: 400, error: /^k must be/ },
  { path: "/report/FR?cities=101", status: 400, error: /^cities must be a whole number from 1 to 100/ },
  { path: "/report/FRA", status: 400, error: /^country must be a two-letter code such as FR/ },
  { path: "/report/QQ", status: 400, error: /^country must be/ },
  { path: "/map.svg?country=", status: 400, error: /^country must be/ },
  { path: "/export.csv?country=QQ", status: 400, error: /^country must be/ },
  { path: "/live/events?everyMs=1", status: 400, error: /^everyMs must be/ },
  { path: "/live/events?count=3601", status: 400, error: /^count must be/ },
  { path: "/nowhere", status: 404, error: /nothing at \/nowhere\. The first page/ },
  { path: "/cities/%zz", status: 400, error: /decode/ },
];

for (const { path, status, error } of cases) {
  test(`${path.slice(0, 60)} is answered ${status}`, async (t) => {
    const server = await startServer(t);
    const response = await fetch(server.url(path));
    assert.equal(response.status, status);
    assert.match((await jsonOf<{ error: string }>(response)).error, error);
  });
}

test("a browser gets its errors as a page", async (t) => {
  const server = await startServer(t);
  const response = await fetch(server.url("/nowhere/<b>"), asBrowser);
  assert.equal(response.status, 404);
  assert.match(await response.text(), /<h1>404<\/h1>/);
});
