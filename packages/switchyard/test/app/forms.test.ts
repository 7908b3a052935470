// What kind of application a value is taken for: marks of frameworks, then the export's name, then the parameters.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { candidatesOf, describeExports } from "../../src/app/exports.ts";
import { formOf } from "../../src/app/forms.ts";

const require = createRequire(import.meta.url);
const express = require("express");

function kindOf(value: unknown, name = "default", isMade = false): string | null {
  return formOf({ value, name, isMade })?.is ?? null;
}

describe("a function is told by its name and its parameters", () => {
  const functions: readonly [behaviour: string, value: unknown, name: string, form: string | null][] = [
    ["one parameter: a Fetch handler", (_request: unknown) => {}, "default", "fetch"],
    ["two parameters: a request listener", (_request: unknown, _response: unknown) => {}, "default", "listener"],
    ["three parameters: a middleware", (_q: unknown, _s: unknown, _next: unknown) => {}, "handler", "listener"],
    ["rest parameters: a request listener", (..._args: unknown[]) => {}, "default", "listener"],
    ["no parameter: a factory", () => {}, "default", "factory"],
    ["an async function without parameters: a factory", async () => {}, "app", "factory"],
    ["named fetch, with two parameters: a Fetch handler", (_request: unknown, _env: unknown) => {}, "fetch", "fetch"],
    ["named fetch, without parameters: a Fetch handler", () => {}, "fetch", "fetch"],
    ["named createApp, with a parameter: a factory", (_options: unknown) => {}, "createApp", "factory"],
    ["a generator with one parameter: a Fetch handler", function* (_request: unknown) {}, "default", "fetch"],
    ["a generator without parameters: a Fetch handler", function* () {}, "default", "fetch"],
    [
      "a generator with two parameters: a request listener",
      function* (_q: unknown, _s: unknown) {},
      "default",
      "listener",
    ],
    ["an async generator: as a generator", async function* (_request: unknown) {}, "default", "fetch"],
    ["a class: nothing", class {}, "default", null],
  ];
  for (const [behaviour, value, name, form] of functions)
    test(behaviour, () => assert.equal(kindOf(value, name), form));

  test("what a factory made, without parameters, is a Fetch handler and not one more factory", () => {
    assert.equal(
      kindOf(() => {}, "createApp", true),
      "fetch",
    );
  });
});

describe("a function with a framework's marks is told by them", () => {
  const what = (value: unknown) => {
    const form = formOf({ value, name: "default", isMade: false });
    return form?.is === "listener" ? form.what : null;
  };
  test("Express 5", () => assert.equal(what(express()), "an Express app"));
  test("Express 4", () => assert.equal(what(require("express4")()), "an Express app"));
  test("a Router of either", () => {
    assert.equal(what(express.Router()), "an Express Router");
    assert.equal(what(require("express4").Router()), "an Express Router");
  });
});

describe("an object is told by its members", () => {
  test("a promise, also one of another library", () => {
    assert.equal(kindOf(Promise.resolve()), "promise");
    // biome-ignore lint/suspicious/noThenProperty: a promise of another library is what the test is about
    assert.equal(kindOf({ then() {} }), "promise");
  });
  test("a server that does not listen", () => assert.equal(kindOf(createServer()), "server"));
  test("an object with fetch", () => assert.equal(kindOf({ fetch() {}, port: 3000 }), "fetch"));
  test("plain data is nothing", () => {
    for (const value of [42, "app", null, undefined, {}, [], { port: 3000 }, new Map()])
      assert.equal(kindOf(value), null);
  });
});

describe("the exports that are tried", () => {
  test("the default export comes before the names, and a server before both", () => {
    const server = createServer();
    const app = (_request: unknown) => {};
    const names = candidatesOf({ app: () => {}, default: app, server, other: 1 }).map(({ name }) => name);
    assert.deepEqual(names, ["server", "default", "app"]);
  });

  test("the names are also found on module.exports, and one value is tried once", () => {
    const app = (_request: unknown) => {};
    const candidates = candidatesOf({ default: { app }, app });
    assert.deepEqual(
      candidates.filter(({ value }) => value === app).map(({ name }) => name),
      ["app"],
    );
  });

  test("a transpiled ES module's default is the one that is meant", () => {
    const app = (_request: unknown) => {};
    const [first] = candidatesOf({ default: { __esModule: true, default: app } });
    assert.deepEqual(first, { value: app, name: "default" });
  });

  test("a framework's app is not searched for the names", () => {
    const app = { fetch() {}, server: createServer() };
    assert.deepEqual(
      candidatesOf({ default: app }).map(({ name }) => name),
      ["default"],
    );
  });

  test("what a module exports is described in a phrase", () => {
    assert.equal(describeExports({}), "nothing");
    assert.equal(describeExports({ default: {} }), "nothing");
    assert.equal(
      describeExports({ default: 42, a: null, b: [] }),
      "a default export (a number), `a` (null), `b` (an array)",
    );
  });
});
