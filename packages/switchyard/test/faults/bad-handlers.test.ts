// Handlers that answer twice, break off, throw where nobody listens: the client gets 500 or a broken connection, the log
// says what happened, and the worker lives.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Accounting, tally } from "../harness/accounting.ts";
import { until } from "../harness/patience.ts";
import { get, startServer } from "../harness/server.ts";

const models = {
  async: ["--model", "async"],
  greenlet: ["--model", "greenlet", "--workers", "1"],
  sync: ["--model", "sync", "--workers", "1"],
  "sync with a thread": ["--model", "sync", "--workers", "1", "--threads", "1"],
};

/** What the client gets, and whether the application's fault is in the log. */
const handlers: Record<string, { statuses: readonly number[]; isLogged: boolean; method?: string }> = {
  "/twice": { statuses: [200], isLogged: true },
  // Whether Node reports it depends on what had been sent by then.
  "/write-after-end": { statuses: [200], isLogged: false },
  "/reject-after-answer": { statuses: [200], isLogged: true },
  "/bad-header": { statuses: [500], isLogged: true },
  "/throw-after-reason": { statuses: [500], isLogged: true },
  "/throw-in-callback": { statuses: [500], isLogged: true, method: "POST" },
  "/reject-in-callback": { statuses: [500], isLogged: true, method: "POST" },
  // The answer had begun: a broken connection is the only way to say that it is not whole.
  "/throw-in-body": { statuses: [200], isLogged: true },
  "/destroy-in-body": { statuses: [200], isLogged: false },
  "/destroy": { statuses: [], isLogged: false },
};

for (const [model, args] of Object.entries(models)) {
  test(`${model}: a handler that goes wrong fails its own request, and the worker lives`, async (t) => {
    const server = await startServer(t, { app: "faults/app.mjs", args: [...args, "--no-access-log"] });
    const client = new Accounting(server);
    for (const [path, { statuses, isLogged, method = "GET" }] of Object.entries(handlers)) {
      const hasBody = method === "POST";
      const sent = client.send(path, hasBody ? { method, headers: "Content-Length: 4\r\n" } : {});
      if (hasBody) {
        // A body that comes later than its head comes in a turn of the loop that belongs to no request.
        await server.waitForLine(({ ran }) => ran === sent.number);
        sent.socket.write("body");
      }
      const outcome = await sent.outcome;
      assert.deepEqual(outcome.statuses, statuses, path);
      if (outcome.statuses[0] === 500) assert.match(outcome.text, /^HTTP\/1\.1 500 Internal Server Error\r\n/, path);
      if (path.endsWith("-in-body")) assert.doesNotMatch(outcome.text, /\r\n0\r\n\r\n$/, `${path} must not look whole`);
      if (isLogged) await server.waitForLine((line) => line.level === "error" && line.path === path);
      assert.deepEqual((await client.send("/run").outcome).statuses, [200], `after ${path}`);
    }
    const sent = client.sent;
    const { totals, restarts } = await server.waitForStatus(
      ({ totals }) => totals.begun === sent && totals.inFlight === 0,
    );
    assert.equal(totals.answered + totals.failed + totals.aborted, sent);
    assert.equal(restarts, 0);
    assert.equal(new Set(client.ran).size, sent);
  });

  test(`${model}: Express 4 with an async handler that rejects answers 500 and does not hang`, async (t) => {
    const server = await startServer(t, { app: "express4/app.js", args: [...args, "--no-access-log"] });
    assert.equal((await server.get("/reject")).status, 500);
    assert.equal((await server.get("/hello")).status, 200);
    assert.equal((await server.status()).restarts, 0);
  });
}

for (const [model, args] of Object.entries({ async: models.async, sync: models.sync })) {
  test(`${model}: an application that floods stdout waits for a slow reader, and loses no line and no request`, async (t) => {
    // Node gives its children sockets for stdout, which may tear a line that others write too. A pipe, as a shell or a
    // container gives, does not.
    const folder = mkdtempSync(join(tmpdir(), "switchyard-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const prefix = ["sh", "-c", 'mkfifo "$0"; cat < "$0" & exec "$@" > "$0"', join(folder, "stdout")];
    const server = await startServer(t, { app: "faults/app.mjs", args, prefix });
    const { stdout } = server.child;
    stdout!.pause();
    const answer = server.get("/flood", { headers: { "x-number": 1 } });
    // Meanwhile the pipe is full and nobody reads it: the status page is on nobody's way.
    for (let i = 0; i < 3; i++) await server.status();
    stdout!.resume();
    assert.equal((await answer).status, 200);
    await server.waitForLine((line) => line.component === "access" && line.path === "/flood");
    // Of a full pipe a worker's lines may come after the balancer's, which is another process.
    const flooded = () => server.lines.filter((line) => line.flood === 1).length;
    await until(
      () => flooded() >= 500,
      () => `${flooded()} lines`,
    );
    assert.equal(flooded(), 500);
    assert.deepEqual(server.otherOutput, []);
  });
}

for (const [name, args] of Object.entries({
  hybrid: ["--model", "hybrid", "--workers", "2"],
  sync: ["--model", "sync", "--workers", "2"],
})) {
  test(`${name}: an application that closes descriptors that are not its own is replaced, and the server goes on`, async (t) => {
    const server = await startServer(t, { app: "faults/app.mjs", args: [...args, "--no-access-log"] });
    const client = new Accounting(server);
    await client.send("/close-descriptors").outcome;
    await server.waitForStatus(({ restarts, workers }) => restarts === 1 && workers.length === 2);
    assert.deepEqual(tally(await client.load("/run", { clients: 4, count: 20 })), { 200: 20 });
  });

  test(`${name}: a slow reader of a large answer is sent no more than it takes, and memory stays flat`, async (t) => {
    const server = await startServer(t, { app: "faults/app.mjs", args: [...args, "--no-access-log"] });
    const client = new Accounting(server);
    const slow = client.send("/stream?chunks=600");
    await once(slow.socket, "data");
    slow.socket.pause();
    // Others are served while it does not read.
    assert.deepEqual(tally(await client.load("/run", { clients: 4, count: 20 })), { 200: 20 });
    slow.socket.removeAllListeners("data");
    let bytes = 0;
    slow.socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    slow.socket.resume();
    const { text } = await slow.outcome;
    assert.ok(bytes + text.length > 600 * 64 * 1024);
    const { mostHeld } = await server.waitForLine(({ streamed }) => streamed === slow.number);
    assert.ok(Number(mostHeld) < 2 * 1024 * 1024, `${mostHeld} bytes were held`);
  });
}

test("headers and bodies that come too slowly get 408", async (t) => {
  // The headers of the others have to come in that time too, on a machine that stalls.
  const timeouts = ["--headers-timeout", "3s", "--request-timeout", "4s"];
  const check = async (model: string) => {
    const args = ["--model", model, "--workers", "1", ...timeouts];
    const server = await startServer(t, { app: "faults/app.mjs", args });
    const client = new Accounting(server);
    const [slowHead, slowBody] = await Promise.all([
      client.send("/run", { headers: "X-Slow: never ending" }).outcome,
      client.send("/body", { method: "POST", headers: "Content-Length: 100\r\n", body: "a beginning" }).outcome,
    ]);
    assert.deepEqual(slowBody.statuses, [408], model);
    assert.deepEqual(slowHead.statuses, [408], model);
    assert.deepEqual(client.ran, [2]);
    assert.equal((await get(`${server.url}/run`)).status, 200);
    const { totals } = await server.waitForStatus(({ totals }) => totals.begun === 2 && totals.inFlight === 0);
    assert.equal(totals.refused, 1);
  };
  await Promise.all([check("async"), check("sync")]);
});
