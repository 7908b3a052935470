// Workers of a lane that are stuck: replaced one at a time, unless none is left that could serve meanwhile.
//
// What takes a worker's place waits at a gate while it loads, so that the test decides when it is ready.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Accounting, tally } from "../harness/accounting.ts";
import { startGate } from "../harness/gate.ts";
import { until } from "../harness/patience.ts";
import { type LogLine, startServer, type TestServer } from "../harness/server.ts";

/** A lane of three workers beside one loop; whoever loads from now on waits at the gate. */
async function start(t: TestContext) {
  const gate = await startGate(t);
  gate.open();
  const server = await startServer(t, {
    app: "lanes/app.mjs",
    args: ["--model", "async", "--run-timeout", "4s", "--no-access-log", "--lane", "/**=sync:3"],
    env: gate.env,
  });
  gate.onArrival(() => {});
  const atStart = gate.arrivals.length;
  return { gate, server, client: new Accounting(server), atStart };
}

const isReplaced = ({ msg }: LogLine) => /^worker \d+ ended .* another is started now$/.test(msg ?? "");
const isLoaded = ({ loaded }: LogLine) => loaded !== undefined;

/** So many such lines, and no more: a line may be read after the status that tells of the same. */
async function hasSaid(server: TestServer, isOne: (line: LogLine) => boolean, count: number): Promise<LogLine[]> {
  const lines = () => server.lines.filter(isOne);
  await until(
    () => lines().length >= count,
    () => lines(),
  );
  assert.equal(lines().length, count);
  return lines();
}

test("of two workers that are stuck while a third is free, the second is replaced when the first one's successor is ready", async (t) => {
  const { gate, server, client, atStart } = await start(t);
  const loadedAtStart = server.lines.filter(isLoaded).length;
  const stuck = [client.send("/spin"), client.send("/spin")];
  assert.deepEqual(tally(await Promise.all(stuck.map(({ outcome }) => outcome))), { 504: 2 });
  const arrivals = await gate.waitFor(atStart + 1);
  // The third serves, and the pool has told its numbers since both were over their time.
  for (let i = 0; i < 5; i++) assert.deepEqual((await client.send("/echo").outcome).statuses, [200]);
  // The restart is counted by the supervisor, and the pool tells of its workers.
  await server.waitForStatus(
    ({ restarts, lanes }) =>
      restarts === 1 && isDeepStrictEqual(lanes[0]?.workers, { live: 2, starting: 1, min: 3, max: 3 }),
  );
  await hasSaid(server, isReplaced, 1);
  assert.equal(gate.arrivals.length, atStart + 1);

  arrivals.at(-1)!.release();
  const later = await gate.waitFor(atStart + 2);
  later.at(-1)!.release();
  await server.waitForStatus(({ lanes, restarts }) => restarts === 2 && lanes[0]?.workers?.live === 3);
  const isEither = (line: LogLine) => isReplaced(line) || isLoaded(line);
  const replaced = (await hasSaid(server, isEither, loadedAtStart + 4)).slice(loadedAtStart);
  assert.deepEqual(
    replaced.map((line) => (isLoaded(line) ? "loaded" : "ended")),
    ["ended", "loaded", "ended", "loaded"],
  );
  assert.equal(await server.stop(), 0);
});

test("when all workers of a lane are stuck, all are replaced, though no successor is ready", async (t) => {
  const { gate, server, client, atStart } = await start(t);
  const stuck = [1, 2, 3].map(() => client.send("/spin"));
  assert.deepEqual(tally(await Promise.all(stuck.map(({ outcome }) => outcome))), { 504: 3 });
  await gate.waitFor(atStart + 3);
  const waiting = client.send("/echo");
  gate.open();
  assert.deepEqual((await waiting.outcome).statuses, [200]);
  await server.waitForStatus(({ lanes, restarts }) => restarts === 3 && lanes[0]?.workers?.live === 3);
  await hasSaid(server, isReplaced, 3);
  assert.equal(await server.stop(), 0);
});
