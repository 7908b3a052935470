// How a server ends: in order, by its deadline, or at once.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { Accounting, sendRaw } from "../harness/accounting.ts";
import { mayBeReset } from "../harness/connections.ts";
import { startGate } from "../harness/gate.ts";
import { until } from "../harness/patience.ts";
import { descendantsOf, waitUntilEnded } from "../harness/processes.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const models = {
  hybrid: ["--model", "hybrid", "--workers", "2"],
  "hybrid with threads": ["--model", "hybrid", "--workers", "1", "--threads", "2"],
  greenlet: ["--model", "greenlet", "--workers", "1"],
  sync: ["--model", "sync", "--workers", "2"],
  "sync with threads": ["--model", "sync", "--workers", "1", "--threads", "2"],
  "sync with threads in processes": ["--model", "sync", "--workers", "2", "--threads", "2"],
};

async function start(t: TestContext, args: readonly string[]) {
  const gate = await startGate(t);
  const server = await startServer(t, { app: "faults/app.mjs", args, env: { ...gate.env } });
  return { gate, server, client: new Accounting(server) };
}

for (const [model, args] of Object.entries(models)) {
  test(`${model}: a drain refuses new connections, closes idle ones, finishes what is in flight and ends with 0`, async (t) => {
    const { gate, server, client } = await start(t, args);
    const idle = sendRaw(server, "GET /run HTTP/1.1\r\nHost: test\r\n\r\n");
    await once(idle.socket, "data");
    // A client that would keep its connection: the answer in the drain must tell it otherwise.
    const keeping = sendRaw(server, "GET /gate HTTP/1.1\r\nHost: test\r\n\r\n");
    const [held] = await gate.waitFor(1);
    const processes = descendantsOf(server.pid);

    const exited = server.stop();
    const { error, statuses } = await idle.outcome;
    assert.deepEqual({ error, statuses }, { error: null, statuses: [200] });
    await assertRefused(server);
    held!.release();
    const { text } = await keeping.outcome;
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(text, /\r\nConnection: close\r\n/i);
    assert.equal(await exited, 0);
    await waitUntilEnded(processes);
    assert.equal(client.ran.length, 2);
  });
}

for (const model of ["hybrid", "hybrid with threads", "sync"] as const) {
  test(`${model}: connections that nobody has accepted yet when the server is told to stop are answered`, async (t) => {
    const { server } = await start(t, models[model]);
    const processes = descendantsOf(server.pid);
    // Nobody hears that the server stops before all have connected.
    for (const pid of processes) process.kill(pid, "SIGSTOP");
    const exited = server.stop();
    let clients: ReturnType<typeof sendRaw>[] = [];
    try {
      await server.waitForLine(({ msg }) => msg?.includes("no new requests") ?? false);
      clients = Array.from({ length: 20 }, () => sendRaw(server, "GET /run HTTP/1.1\r\nHost: test\r\n\r\n"));
      await Promise.all(clients.map(({ socket }) => once(socket, "connect")));
    } finally {
      for (const pid of processes) process.kill(pid, "SIGCONT");
    }
    for (const { outcome } of clients) {
      const { error, statuses } = await outcome;
      assert.deepEqual({ error, statuses }, { error: null, statuses: [200] });
    }
    assert.equal(await exited, 0);
  });
}

for (const model of ["hybrid", "sync"] as const) {
  test(`${model}: a drain ends by --drain-timeout, whatever is still in flight, an endless loop too`, async (t) => {
    const { gate, server, client } = await start(t, [...models[model], "--drain-timeout", "500"]);
    const held = client.send("/gate");
    await gate.waitFor(1);
    const stuck = client.send("/spin");
    await server.waitForLine(({ ran }) => ran === stuck.number);
    const processes = descendantsOf(server.pid);
    assert.equal(await server.stop(), 0);
    // A balancer can still say why; a loop worker can only close its connections.
    const expected = model === "sync" ? [503] : [];
    assert.deepEqual((await held.outcome).statuses, expected);
    assert.deepEqual((await stuck.outcome).statuses, expected);
    await waitUntilEnded(processes);
  });

  test(`${model}: SIGINT ends the server soon, whatever is in flight`, async (t) => {
    const { gate, server, client } = await start(t, models[model]);
    const held = client.send("/gate");
    await gate.waitFor(1);
    const processes = descendantsOf(server.pid);
    assert.equal(await server.stop("SIGINT"), 0);
    assert.equal(server.lines.find(({ signal }) => signal === "SIGINT")?.withinMs, 1_000);
    assert.deepEqual((await held.outcome).statuses, model === "sync" ? [503] : []);
    await waitUntilEnded(processes);
  });

  test(`${model}: a second signal ends the server at once`, async (t) => {
    const { gate, server, client } = await start(t, models[model]);
    const held = client.send("/gate");
    await gate.waitFor(1);
    const processes = descendantsOf(server.pid);
    server.child.kill("SIGTERM");
    await server.waitForLine(({ signal }) => signal === "SIGTERM");
    server.child.kill("SIGINT");
    assert.equal(await server.exited, 130);
    assert.deepEqual((await held.outcome).statuses, []);
    await waitUntilEnded(processes);
  });

  test(`${model}: SIGTERM to every process at once, as a service manager sends it, still loses nothing`, async (t) => {
    const { gate, server, client } = await start(t, models[model]);
    const held = [client.send("/gate"), client.send("/gate")];
    await gate.waitFor(2);
    for (const pid of [...descendantsOf(server.pid), server.pid]) process.kill(pid, "SIGTERM");
    await server.waitForLine(({ signal }) => signal === "SIGTERM");
    gate.open();
    for (const { outcome } of held) assert.deepEqual((await outcome).statuses, [200]);
    assert.equal(await server.exited, 0);
  });

  test(`${model}: SIGTERM to a worker alone has it replaced, and what is in flight in it is answered`, async (t) => {
    const { gate, server, client } = await start(t, models[model]);
    const held = client.send("/gate");
    const [arrival] = await gate.waitFor(1);
    process.kill(arrival!.pid, "SIGTERM");
    await server.waitForStatus(({ restarts, workers }) => restarts === 1 && workers.length >= 2);
    arrival!.release();
    assert.deepEqual((await held.outcome).statuses, [200]);
    await server.waitForStatus(
      ({ workers }) => workers.length === 2 && workers.every(({ pid }) => pid !== arrival!.pid),
    );
  });
}

for (const [model, args] of Object.entries(models)) {
  test(`${model}: a program that listens for SIGTERM itself cleans up after the drain, and ends itself`, async (t) => {
    for (const ends of ["exit", "kill", "nothing"]) {
      const server = await startServer(t, { app: "stopping/program.mjs", args, env: { ENDS: ends } });
      const answer = server.get("/held");
      await server.waitForLine(({ held }) => held === true);
      const processes = descendantsOf(server.pid);
      const exited = server.stop();
      assert.equal((await answer).body, "held", ends);
      assert.equal(await exited, 0, ends);
      const workers = server.lines.filter(({ heard }) => heard === "SIGTERM").length;
      assert.ok(workers >= 1, ends);
      assert.equal(server.lines.filter(({ cleanedUp }) => cleanedUp === true).length, workers, ends);
      await waitUntilEnded(processes);
    }
  });
}

for (const model of ["hybrid", "sync"] as const) {
  test(`${model}: a program that hears SIGTERM and does not end is killed at the deadline`, async (t) => {
    for (const ends of ["never", "throw"]) {
      const args = [...models[model], "--drain-timeout", "1s"];
      const server = await startServer(t, { app: "stopping/program.mjs", args, env: { ENDS: ends } });
      const processes = descendantsOf(server.pid);
      assert.equal(await server.stop(), 0, ends);
      assert.ok(
        server.lines.some(({ heard }) => heard === "SIGTERM"),
        ends,
      );
      await waitUntilEnded(processes);
    }
  });
}

/** Connections are refused once every process has closed the socket: until then some may be taken and closed. */
async function assertRefused(server: TestServer): Promise<void> {
  const { hostname, port } = new URL(server.url);
  await until(async () => {
    const socket = mayBeReset(net.connect(Number(port), hostname));
    const code = await new Promise<string | null>((resolve) => {
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
      socket.once("close", () => resolve(null));
    });
    return code === "ECONNREFUSED";
  });
}
