// A program that tells its process manager how it is: here it has none to tell, as under plain Node, and disturbs nobody.

import assert from "node:assert/strict";
import { test } from "node:test";
import { program } from "../app/loaded-app.ts";
import { startServer } from "../harness/server.ts";

const source = `
  import { createServer } from "node:http";
  createServer((request, response) => {
    process.send?.({ type: "report", workers: null });
    process.send?.({ type: "failed" });
    response.end(typeof process.send);
  }).listen(3000, () => {
    process.send?.("ready");
    process.send?.({ type: "ready", application: "mine", askedPort: 1 });
  });`;

for (const args of [
  ["--model", "async"],
  ["--model", "sync", "--workers", "2"],
  ["--lane", "/**=sync:2"],
]) {
  test(`${args.join(" ")}: no message of the program is taken for one of a worker's own`, async (t) => {
    const server = await startServer(t, { app: program(t, { "server.mjs": source }), args });
    for (let i = 0; i < 3; i++) assert.deepEqual((await server.get("/")).body, "undefined");
    await server.waitForStatus(({ workers }) => workers.some(({ requests }) => requests.answered > 0));
    assert.equal(await server.stop(), 0);
  });
}
