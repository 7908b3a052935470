// A program that changes its working folder while it loads runs in threads too.

import assert from "node:assert/strict";
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { program } from "../app/loaded-app.ts";
import { startServer } from "../harness/server.ts";

const source = `
  import { readFileSync } from "node:fs";
  import { createServer } from "node:http";
  import { join } from "node:path";
  const wrong = [];
  for (const folder of [join(import.meta.dirname, "none"), import.meta.filename]) {
    try { process.chdir(folder); } catch (error) { wrong.push(error.code); }
  }
  process.chdir(join(import.meta.dirname, "inside"));
  process.chdir(".");
  createServer((request, response) => {
    response.end(JSON.stringify({ cwd: process.cwd(), read: readFileSync("note.txt", "utf8"), wrong }));
  }).listen(3000);`;

for (const args of [
  ["--model", "sync", "--threads", "2"],
  ["--model", "async", "--threads", "2"],
  ["--lane", "/**=sync:2"],
]) {
  test(`${args.join(" ")}: process.chdir() of a program works, and fails as under Node`, async (t) => {
    const app = program(t, { "server.mjs": source });
    const inside = join(dirname(app), "inside");
    mkdirSync(inside);
    writeFileSync(join(inside, "note.txt"), "found");
    const server = await startServer(t, { app, args });
    assert.deepEqual(JSON.parse((await server.get("/")).body), {
      cwd: realpathSync(inside),
      read: "found",
      wrong: ["ENOENT", "ENOTDIR"],
    });
    assert.equal(await server.stop(), 0);
  });
}
