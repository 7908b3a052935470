// What a client gets from the server is what it gets from bare node:http running the same program, whatever the program
// answers: every path of test/fixtures/apps/protocol/responses.js, by GET, by HEAD and on kept connections.

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { startBare } from "../harness/bare.ts";
import { see } from "../harness/compare.ts";
import { models } from "../harness/models.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { appPath, startServer } from "../harness/server.ts";

const { responses } = (await import(appPath("protocol/responses.js"))) as { responses: Record<string, unknown> };
const paths = Object.keys(responses);

for (const { name, args } of models) {
  test(`${name}: a client gets the same response as from bare node:http`, async (t) => {
    const bare = await startBare(t);
    const server = await startServer(t, { app: "protocol/app.js", args });

    for (const path of paths) {
      await t.test(`GET ${path}`, async () => {
        assert.deepEqual(await see(server.url + path, { agent: false }), await see(bare.url + path, { agent: false }));
      });
      await t.test(`HEAD ${path}`, async () => {
        const options = { agent: false, method: "HEAD" } as const;
        assert.deepEqual(await see(server.url + path, options), await see(bare.url + path, options));
      });
    }

    await t.test("all of them, one after the other on kept connections", async (t) => {
      const agents = [
        new http.Agent({ keepAlive: true, maxSockets: 1 }),
        new http.Agent({ keepAlive: true, maxSockets: 1 }),
      ];
      t.after(() => {
        for (const agent of agents) agent.destroy();
      });
      for (const path of paths) {
        const [ours, theirs] = await Promise.all([
          see(server.url + path, { agent: agents[0] }),
          see(bare.url + path, { agent: agents[1] }),
        ]);
        assert.deepEqual(ours, theirs, path);
      }
    });

    for (const version of ["1.0", "1.1"]) {
      for (const connection of ["close", "keep-alive", null]) {
        await t.test(`HTTP/${version} with connection: ${connection}: the same text, and the same end`, async (t) => {
          const asked = `HTTP/${version}\r\nHost: x\r\n${connection === null ? "" : `Connection: ${connection}\r\n`}\r\n`;
          for (const path of ["/text", "/pieces", "/content-length", "/no-content"]) {
            const texts = await Promise.all(
              [server.url, bare.url].map(async (url) => {
                const client = await connectRaw(t, url);
                client.send(`GET ${path} ${asked}`);
                const head = await client.until((text) => text.includes("\r\n\r\n"));
                // Where the connection is kept, a second request is answered, and ends it.
                if (!/^connection: close/im.test(head))
                  client.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                return comparable(await client.ended());
              }),
            );
            assert.deepEqual(texts[0], texts[1], path);
          }
        });
      }
    }

    assert.equal((await server.status()).restarts, 0);
    assert.equal(await server.stop(), 0);
  });
}

/** The lines of all answers in alphabetical order, since the order of fields means nothing, and chunks joined. */
function comparable(text: string): string[] {
  const joined = text.replace(/\r\n[0-9a-f]+\r\n/g, "");
  return joined
    .replace(/Date: [^\r]*/g, "Date")
    .split("\r\n")
    .sort();
}
