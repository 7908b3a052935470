// How many connections the kernel keeps while nobody accepts.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { mayBeReset } from "../harness/connections.ts";
import { startServer } from "../harness/server.ts";

const clients = 700;
const limitFile = "/proc/sys/net/core/somaxconn";
const kernelLimit = existsSync(limitFile) ? Number(readFileSync(limitFile, "utf8")) : 0;
const skip = kernelLimit < clients ? `the kernel keeps ${kernelLimit} at most here` : false;

test("connections that a stopped worker does not accept are kept, more than Node's 511", { skip }, async (t) => {
  const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", "async", "--workers", "1"] });
  const { workers } = await server.waitForStatus((status) => status.workers.length === 1);
  const worker = workers[0]!.pid;
  process.kill(worker, "SIGSTOP");
  let isStopped = true;
  const goOn = () => {
    if (isStopped) process.kill(worker, "SIGCONT");
    isStopped = false;
  };
  t.after(goOn);
  const { hostname, port } = new URL(server.url);
  for (let client = 0; client < clients; client++) {
    // What becomes of it once it is connected is nothing to this test.
    const socket = mayBeReset(connect(Number(port), hostname));
    t.after(() => socket.destroy());
    await once(socket, "connect");
  }
  goOn();
  assert.equal((await server.get("/hello")).status, 200);
});
