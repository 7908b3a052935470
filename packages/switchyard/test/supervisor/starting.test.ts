// The first lines of a server, and who is ready when they are said.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { descendantsOf, sessionOf } from "../harness/processes.ts";
import { get, launch, startServer } from "../harness/server.ts";

const models = {
  hybrid: ["--model", "hybrid", "--workers", "2"],
  sync: ["--model", "sync", "--workers", "2"],
};

for (const [model, args] of Object.entries(models)) {
  test(`${model}: the first lines say what was found, which model, where the status page is, and last that it serves`, async (t) => {
    const server = await startServer(t, { app: "plain/app.mjs", args });
    // A machine that stands still may hold a loop.
    const said = server.lines
      .filter(({ blocked }) => blocked === undefined)
      .map(({ msg }) => String(msg).split(" ")[0]);
    assert.deepEqual(said, ["Found", "Model", "Status", "Serving"]);
    assert.equal((await server.get("/hello")).status, 200, "served at once");
    const page = server.lines.find(({ url }) => url !== undefined)?.url;
    assert.equal((await get(`${page}readyz`)).status, 200);
    assert.equal((await get(`${page}livez`)).status, 200);
  });

  test(`${model}: no worker is in the supervisor's session, so Ctrl-C in its terminal reaches it alone`, async (t) => {
    const server = await startServer(t, { app: "plain/app.mjs", args });
    const sessions = descendantsOf(server.pid).map(sessionOf);
    assert.ok(sessions.length >= 2);
    assert.ok(!sessions.includes(sessionOf(server.pid)));
  });

  test(`${model}: a server that is told to stop while its application loads ends at once, with 0`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "switchyard-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const app = join(folder, "app.mjs");
    writeFileSync(
      app,
      "console.log(JSON.stringify({ loading: true }));\nawait new Promise((resolve) => setTimeout(resolve, 60_000));\n",
    );
    const server = launch(t, { app, args });
    await server.waitForLine(({ loading }) => loading === true);
    assert.equal(await server.stop(), 0);
    assert.ok(!server.lines.some(({ msg }) => msg?.startsWith("Serving")));
  });
}
