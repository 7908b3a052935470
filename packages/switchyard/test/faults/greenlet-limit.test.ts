// The bound on greenlets: a request over it is told to come again, and the others are not disturbed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startGate } from "../harness/gate.ts";
import { startServer } from "../harness/server.ts";

test("a request that can't have a greenlet is answered 503 with Retry-After, and later ones are served", async (t) => {
  const gate = await startGate(t);
  const server = await startServer(t, {
    app: "greenlet-limit/app.mjs",
    args: ["--model", "greenlet", "--workers", "1"],
    env: { ...gate.env },
  });
  const parked = [server.get("/1"), server.get("/2")];
  await gate.waitFor(2);

  const refused = await Promise.all([server.get("/3"), server.get("/4")]);
  assert.deepEqual(
    refused.map(({ status, headers }) => [status, headers["retry-after"]]),
    [
      [503, "1"],
      [503, "1"],
    ],
  );

  gate.open();
  const answers = await Promise.all([...parked, server.get("/5")]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  const { totals } = await server.waitForStatus(({ totals }) => totals.begun === 5 && totals.inFlight === 0);
  assert.deepEqual(totals, { begun: 5, inFlight: 0, answered: 3, failed: 2, aborted: 0, refused: 0 });
});
