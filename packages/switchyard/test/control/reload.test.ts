// Reloads: with load on the server, with an application that does not load any more, and with settings that changed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { startLoad } from "../harness/load.ts";
import { descendantsOf, waitUntilEnded } from "../harness/processes.ts";
import { hangUp, versionFile } from "../harness/reload.ts";
import { startServer } from "../harness/server.ts";

const models = {
  hybrid: ["--model", "hybrid", "--workers", "2"],
  "hybrid with threads": ["--model", "hybrid", "--workers", "1", "--threads", "2"],
  greenlet: ["--model", "greenlet", "--workers", "1"],
  sync: ["--model", "sync", "--workers", "2"],
  "sync with threads": ["--model", "sync", "--workers", "1", "--threads", "2"],
};

/** Reloads under load in each test; hundreds are for a machine with time. */
const reloads = Number(process.env.SWITCHYARD_TEST_RELOADS ?? 4);

for (const [model, args] of Object.entries(models)) {
  test(`${model}: no request is lost while the server is reloaded again and again`, async (t) => {
    const version = versionFile(t);
    const server = await startServer(t, {
      app: "control/app.mjs",
      args: [...args, "--no-access-log"],
      env: { VERSION_FILE: version.file },
    });
    const load = startLoad(t, server.url);
    for (let reload = 1; reload <= reloads; reload++) {
      await load.answered(40);
      version.set(String(reload));
      assert.match((await hangUp(server)).msg ?? "", /^Reloaded in/);
      // The old workers may be the ones that answer until they have heard that they are.
      await load.answeredBy(String(reload));
    }
    await load.answered(40);
    const { outcomes, sent, versions } = await load.stop();
    assert.deepEqual(outcomes, { ok: sent });
    assert.deepEqual(versions, new Set(Array.from({ length: reloads + 1 }, (_, index) => String(index))));
    // Workers tell their counts a few times a second, and last at their end.
    const { reloads: counted } = await server.waitForStatus(
      ({ workers, totals }) => workers.every(({ state }) => state === "ready") && totals.answered === sent,
    );
    assert.equal(counted, reloads);
    const processes = descendantsOf(server.pid);
    assert.equal(await server.stop(), 0);
    await waitUntilEnded(processes);
  });

  test(`${model}: an application that does not load any more leaves the old workers at work`, async (t) => {
    const version = versionFile(t);
    const server = await startServer(t, {
      app: "control/app.mjs",
      args: [...args, "--no-access-log"],
      env: { VERSION_FILE: version.file },
    });
    const before = (await server.waitForStatus((status) => status.workers.length === status.workersWanted)).workers.map(
      ({ pid }) => pid,
    );
    const load = startLoad(t, server.url, { clients: 4 });
    await load.answered(10);
    version.set("bad");
    const line = await hangUp(server);
    assert.equal(line.code, "SY_APP_THREW");
    assert.match(String(line.saw), /version bad does not work/);
    await load.answered(10);
    const { outcomes, sent, versions } = await load.stop();
    assert.deepEqual(outcomes, { ok: sent });
    assert.deepEqual(versions, new Set(["0"]));
    const { restarts } = await server.waitForStatus(({ workers }) =>
      isDeepStrictEqual(
        workers.map(({ pid }) => pid),
        before,
      ),
    );
    assert.equal(restarts, 0);

    version.set("1");
    assert.match((await hangUp(server)).msg ?? "", /^Reloaded in/);
    // Until an old worker hears that it is one, it may take a connection.
    await server.waitForStatus(({ retiring }) => retiring === 0);
    assert.equal((await server.get("/")).headers["x-version"], "1");
  });
}
