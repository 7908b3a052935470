import assert from "node:assert/strict";
import { test } from "node:test";
import { patternOfRoute } from "../../src/auto/framework-route.ts";
import { looksLikeValue, matches, type Pattern, pathOf, patternOfPath, textOf, widen } from "../../src/auto/shape.ts";

const shape = (path: string) => textOf(patternOfPath(path));

test("paths that differ in a value are one shape", () => {
  assert.equal(shape("/users/123"), "/users/:id");
  assert.equal(shape("/users/456/posts/7"), "/users/:id/posts/:id");
  assert.equal(shape("/orders/6f9619ff-8b86-d011-b42d-00cf4fc964ff"), "/orders/:id");
  assert.equal(shape("/objects/507f1f77bcf86cd799439011"), "/objects/:id");
  assert.equal(shape("/days/2026-07-01"), "/days/:id");
  assert.equal(shape("/mail/anna%40example.org"), "/mail/:id");
  assert.equal(shape("/tokens/V1StGXR8Z5jdHi6BmyT"), "/tokens/:id");
  assert.equal(shape("/files/IMG_00123.jpg"), "/files/:id");
  assert.equal(shape("/posts/how-to-cook-rice-for-two-people"), "/posts/:id");
});

test("names of routes stay as they are", () => {
  for (const path of [
    "/hello",
    "/api/v2/users",
    "/terms-of-use",
    "/health",
    "/oauth2/callback",
    "/page3",
    "/feed",
    "/",
  ]) {
    assert.equal(shape(path), path);
  }
  assert.equal(looksLikeValue("feedbeef"), false);
});

test("a pattern takes the path that it was made from, and its query is no part of it", () => {
  for (const path of [
    "/",
    "/a",
    "/a/",
    "/a//b",
    "/1/2/3",
    "/a/".repeat(30),
    `/${"x".repeat(5000)}`,
    "*",
    "/%2F/..;/",
  ]) {
    assert.ok(matches(patternOfPath(path), path), path);
  }
  assert.equal(pathOf("/a/b?c=/d#e"), "/a/b");
});

test("a pattern takes what looks like a value where one stood, and no name of another route", () => {
  const users = patternOfPath("/users/123");
  assert.ok(matches(users, "/users/9"));
  assert.ok(!matches(users, "/users/me"));
  assert.ok(!matches(users, "/users"));
  assert.ok(!matches(users, "/users/9/posts"));
  assert.ok(!matches(users, "/xusers/9"));
});

test("no path, however long, makes a long pattern", () => {
  const pattern = patternOfPath(`/${"segment/".repeat(10_000)}${"x".repeat(100_000)}`);
  assert.ok(JSON.stringify(pattern).length < 1_000);
});

test("a framework's own route becomes a pattern, unless it has no form as one", () => {
  const users: Pattern = patternOfRoute("/users/:name/posts")!;
  assert.ok(matches(users, "/users/anna/posts"));
  assert.ok(!matches(users, "/users/anna/likes"));
  const files: Pattern = patternOfRoute("/files/*path")!;
  assert.ok(matches(files, "/files/a/b/c"));
  assert.ok(!matches(files, "/other/a"));
  assert.ok(matches(patternOfRoute("/")!, "/"));
  for (const text of ["/:from-:to", "/:id(\\d+)", "/a{/:page}", "/:id?", "/a+b", "/*/edit"]) {
    assert.equal(patternOfRoute(text), null, text);
  }
});

test("patterns that differ in one segment have a wider one that takes both", () => {
  const wider = widen(patternOfPath("/by/anna"), patternOfPath("/by/ben"))!;
  assert.ok(matches(wider, "/by/chris"));
  assert.equal(widen(patternOfPath("/a/b"), patternOfPath("/c/d")), null);
  assert.equal(widen(patternOfPath("/a/b"), patternOfPath("/a/b/c")), null);
});
