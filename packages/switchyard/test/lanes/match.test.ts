import assert from "node:assert/strict";
import { test } from "node:test";
import { faultOfPattern, LaneMatcher, pathOf } from "../../src/lanes/match.ts";

const matcher = (...lanes: { match: string[]; methods?: string[] }[]) =>
  new LaneMatcher(lanes.map(({ match, methods }, index) => ({ name: String(index), match, methods: methods ?? null })));

const patterns = [
  "/",
  "/reports",
  "/reports/",
  "/reports/**",
  "/reports/*",
  "/*",
  "**",
  "/users/:id",
  "/users/:id/posts",
  "/users/:id/posts/*",
  "/:tenant/reports/**",
  "/files/*.pdf",
  "/reports/**/may.pdf",
  "/users/**/posts/*",
  "/reports**",
  "/**",
  "/a.b",
  "/~me",
  "/café",
  "/a|b^c",
];
const paths = [
  "/",
  "/reports",
  "/Reports",
  "/reports/",
  "/reports/2026",
  "/reports/2026/may.pdf",
  "/reportsX",
  "/users/7",
  "/users/",
  "/users/7/",
  "/users/7/posts",
  "/users/7/8/posts",
  "/users/7/posts/1/2",
  "/acme/reports/1",
  "/files/a/b.pdf",
  "/files/b.pdfx",
  "/a.b",
  "/aXb",
  "/~me",
  "/caf%C3%A9",
  "/a%20b",
  "//reports/1",
];

for (const pattern of patterns) {
  test(`the pattern ${pattern} takes the paths that the web's URLPattern takes`, () => {
    assert.equal(faultOfPattern(pattern), null);
    const lanes = matcher({ match: [pattern] });
    const reference = new URLPattern({ pathname: pattern });
    for (const path of paths) {
      const expected = reference.test({ pathname: path });
      assert.equal(lanes.match("GET", path) !== null, expected, path);
      assert.equal(lanes.match("GET", `${path}?q=/reports/1`) !== null, expected, `${path} with a query`);
      assert.equal(lanes.match("GET", `http://host:1${path}`) !== null, expected, `${path} in the form for proxies`);
    }
  });
}

test("encodings that mean the same path are one path, and those that do not are not", () => {
  const lanes = matcher({ match: ["/~me"] }, { match: ["/café"] }, { match: ["/a%2Fb"] });
  const nameOf = (url: string) => lanes.match("GET", url)?.name ?? null;
  assert.equal(nameOf("/%7Eme"), "0");
  assert.equal(nameOf("/%7e%6De"), "0");
  assert.equal(nameOf("/caf%c3%a9"), "1");
  assert.equal(nameOf(`/caf${Buffer.from("é").toString("latin1")}`), "1", "raw bytes, as Node shows them");
  assert.equal(nameOf("/a%2fb"), "2");
  assert.equal(nameOf("/a/b"), null);
  assert.equal(nameOf("/%zz"), null);
});

test("the path is the one that the application sees: dots and doubled slashes stay", () => {
  const lanes = matcher({ match: ["/reports/**"] });
  assert.equal(lanes.match("GET", "/x/../reports/1"), null);
  assert.equal(lanes.match("GET", "//reports/1"), null);
  assert.equal(lanes.match("OPTIONS", "*"), null);
  assert.equal(pathOf("http://host"), "/");
});

test("the first lane that matches takes the request, by its method too", () => {
  const lanes = matcher(
    { match: ["/reports/today"] },
    { match: ["/reports/**", "/totals"], methods: ["GET"] },
    { match: ["/reports/**"] },
  );
  const nameOf = (method: string, url: string) => lanes.match(method, url)?.name ?? null;
  assert.equal(nameOf("GET", "/reports/today"), "0");
  assert.equal(nameOf("GET", "/reports/1"), "1");
  assert.equal(nameOf("HEAD", "/totals"), "1", "GET takes HEAD with it");
  assert.equal(nameOf("POST", "/reports/1"), "2");
  assert.equal(nameOf("POST", "/totals"), null);
});

test("what would cost more than a path's length is refused as a pattern, and so is what has no meaning", () => {
  for (const pattern of [
    "reports",
    "",
    "/a?b",
    "/a#b",
    "/(\\d+)",
    "/a{/b}?",
    "/a+",
    "/a b",
    "/***",
    "/:",
    "/:1",
    "/:a:b",
  ])
    assert.notEqual(faultOfPattern(pattern), null, pattern);
  for (const pattern of ["/x:id", "/:id.json", "/*a*b", "/*/a/*/b/*"])
    assert.notEqual(faultOfPattern(pattern), null, pattern);
  for (const pattern of ["/*/a/*", "/:a/:b/**", "/:a_1/x"]) assert.equal(faultOfPattern(pattern), null, pattern);
});
