// /readyz: whether each lane has a worker, from the outside as a probe sees it.

import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folderOf } from "../harness/folder.ts";
import { until } from "../harness/patience.ts";
import { get, startServer } from "../harness/server.ts";

test("a server whose only worker died is not ready until another is", async (t) => {
  const hold = join(folderOf(t), "hold");
  const server = await startServer(t, {
    app: "held-start/app.mjs",
    args: ["--model", "async", "--no-access-log"],
    env: { HOLD_START: hold },
  });
  const page = {
    url: String((await server.waitForLine(({ msg }) => msg?.startsWith("Status page: ") ?? false)).url),
  };
  const readiness = () => get(`${page.url}readyz`);
  assert.equal((await readiness()).status, 200);
  const { workers } = await server.waitForStatus((status) => status.workers.length === 1);
  writeFileSync(hold, "");
  process.kill(workers[0]!.pid, "SIGKILL");
  const refusal = await until(async () => {
    const answer = await readiness();
    return answer.status !== 200 && answer;
  });
  assert.equal(refusal.status, 503);
  assert.match(refusal.body, /^no worker is ready/);
  assert.equal((await get(`${page.url}livez`)).status, 200);
  rmSync(hold);
  await until(async () => (await readiness()).status === 200);
  await server.waitForStatus((status) => status.workers.length === 1 && status.workers[0]?.pid !== workers[0]!.pid);
});
