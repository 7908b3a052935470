// Connections that are on their way from one loop to another while both are replaced.

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { hangUp, versionFile } from "../harness/reload.ts";
import { startServer } from "../harness/server.ts";

const shapes = {
  "loops that are processes": ["--model", "hybrid", "--workers", "2"],
  "loops that are threads": ["--model", "hybrid", "--workers", "1", "--threads", "2"],
};

for (const [shape, args] of Object.entries(shapes)) {
  test(`${shape}: no connection is lost that one hands to another while both drain`, async (t) => {
    const server = await startServer(t, {
      app: "control/app.mjs",
      args: [...args, "--no-access-log"],
      env: { VERSION_FILE: versionFile(t).file },
    });
    const outcomes: Record<string, number> = {};
    const agents: http.Agent[] = [];
    const ask = () =>
      new Promise<void>((resolve) => {
        const count = (outcome: string) => {
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
          resolve();
        };
        // Each keeps its connection: where many have just closed, loops hand none over.
        const agent = new http.Agent({ keepAlive: true });
        agents.push(agent);
        const request = http.get(`${server.url}/echo/1`, { agent }, (response) => {
          response.resume();
          response.on("error", ({ message }) => count(`broken: ${message}`));
          response.on("end", () => count(String(response.statusCode)));
        });
        request.on("error", (error: NodeJS.ErrnoException) => count(`failed: ${error.code}`));
      });

    let isOver = false;
    let sent = 0;
    const bursts = (async () => {
      while (!isOver) {
        sent += burst;
        await Promise.all(Array.from({ length: burst }, ask));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    for (let reload = 0; reload < reloads; reload++) {
      assert.match((await hangUp(server)).msg ?? "", /^Reloaded in/);
    }
    isOver = true;
    await bursts;
    for (const agent of agents) agent.destroy();
    assert.deepEqual(outcomes, { 200: sent });
  });
}

/** Connections that come at once: more than a loop keeps without asking the others. */
const burst = 30;
/** With so many, two of three runs lost some before loops waited for what they had handed over. */
const reloads = 8;
