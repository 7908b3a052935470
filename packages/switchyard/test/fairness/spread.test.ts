import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeCertificate } from "../harness/certificate.ts";
import { until } from "../harness/patience.ts";
import { get, startServer, type TestServer } from "../harness/server.ts";
import { connect, countEach, type KeptConnection } from "./clients.ts";

const app = "fairness/app.mjs";
const loops = ["--model", "hybrid", "--no-access-log", "--keep-alive-timeout", "0"];

/** All have connections, and none more than one and a half times as many as another. */
function isEven(answers: readonly string[], workers: number): boolean {
  const counts = [...countEach(answers).values()];
  return counts.length === workers && Math.max(...counts) <= 1.5 * Math.min(...counts);
}

/**
 * Starts a server and has it asked, until one has shared evenly. A loop that the machine gives no CPU for a fifth of a second
 * counts as blocked, and is rightly given less: then nothing can be told, and the next server is asked. Without shares a burst
 * is one loop's, on every one of them.
 */
async function untilEven(
  t: TestContext,
  {
    args,
    workers = 4,
    ask,
  }: { args: readonly string[]; workers?: number; ask: (server: TestServer) => Promise<string[]> },
): Promise<void> {
  for (;;) {
    const server = await startServer(t, { app, args });
    const answers = await ask(server);
    if (isEven(answers, workers)) return;
    t.diagnostic(`not even: ${[...countEach(answers).values()]}`);
    await server.stop("SIGKILL");
  }
}

/** Adds answers until they are of two loops. */
async function untilOfTwo(t: TestContext, server: TestServer, answers: string[]): Promise<void> {
  await until(
    async () => {
      if (countEach(answers).size >= 2) return true;
      answers.push(...(await burst(t, server, 16)));
      return false;
    },
    () => answers,
  );
}

/** Opens as many connections at once and asks each which process has it. */
async function burst(t: TestContext, server: TestServer, count: number, unixPath?: string): Promise<string[]> {
  const connections = Array.from({ length: count }, () => connect(t, server, unixPath));
  return Promise.all(connections.map((each) => each.ask()));
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-fairness-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("64 keep-alive connections that come at once differ by at most 1.5 times between four workers", async (t) => {
  await untilEven(t, { args: [...loops, "--workers", "4"], ask: (server) => burst(t, server, 64) });
});

test("so do 64 that come one after the other", async (t) => {
  const ask = async (server: TestServer) => {
    const answers: string[] = [];
    for (let i = 0; i < 64; i++) answers.push(await connect(t, server).ask());
    return answers;
  };
  await untilEven(t, { args: [...loops, "--workers", "4"], ask });
});

test("so do 64 over a UNIX socket", async (t) => {
  const path = join(folderFor(t), "socket");
  const args = [...loops, "--workers", "4", "--unix", path];
  await untilEven(t, { args, ask: (server) => burst(t, server, 64, path) });
});

test("so do 64 with TLS, each of which does its handshake in the worker that serves it", async (t) => {
  const args = [...loops, "--workers", "4", ...makeCertificate(t).args];
  await untilEven(t, { args, ask: (server) => burst(t, server, 64) });
});

test("a loop that is blocked gets no connection while another is free, and is served again afterwards", async (t) => {
  const release = join(folderFor(t), "release");
  const server = await startServer(t, { app, args: [...loops, "--workers", "3"] });
  const blocked = connect(t, server);
  const blockedAnswer = blocked.ask(`/block?until=${release}`);
  const line = await server.waitForLine((each) => "blocks" in each);
  const answers = await burst(t, server, 48);
  assert.ok(!answers.includes(String(line.blocks)));
  writeFileSync(release, "");
  assert.equal(await blockedAnswer, String(line.blocks));
  await until(async () => (await burst(t, server, 16)).includes(String(line.blocks)));
});

const threads = ["--model", "hybrid", "--no-access-log", "--keep-alive-timeout", "0", "--workers", "1"];

test("64 connections differ by at most 1.5 times between four loops that are threads, with TLS too", async (t) => {
  for (const more of [[], makeCertificate(t).args]) {
    await untilEven(t, { args: [...threads, "--threads", "4", ...more], ask: (server) => burst(t, server, 64) });
  }
});

test("a loop that is a thread gets no connection while it is blocked, and a drain finishes those that were handed on", async (t) => {
  const release = join(folderFor(t), "release");
  const server = await startServer(t, { app, args: [...threads, "--threads", "3"] });
  const blockedAnswer = connect(t, server).ask(`/block?until=${release}`);
  const line = await server.waitForLine((each) => "blocks" in each);
  const answers = await burst(t, server, 48);
  await untilOfTwo(t, server, answers);
  assert.ok(!answers.includes(String(line.blocks)));
  writeFileSync(release, "");
  assert.equal(await blockedAnswer, String(line.blocks));
  assert.equal(await server.stop(), 0);
});

test("a server with one loop keeps every connection", async (t) => {
  const server = await startServer(t, { app, args: [...loops, "--workers", "1"] });
  assert.equal(countEach(await burst(t, server, 64)).size, 1);
});

test("connections that were handed on are finished by a drain like any other", async (t) => {
  const server = await startServer(t, { app, args: [...loops, "--workers", "2"] });
  const answers = await burst(t, server, 32);
  await untilOfTwo(t, server, answers);
  assert.equal(await server.stop(), 0);
});

test("a loop that dies takes its own connections with it and no others", async (t) => {
  const server = await startServer(t, { app, args: [...loops, "--workers", "2"] });
  const connections: KeptConnection[] = [];
  const before: string[] = [];
  while (countEach(before).size < 2) {
    const more = Array.from({ length: 32 }, () => connect(t, server));
    before.push(...(await Promise.all(more.map((each) => each.ask()))));
    connections.push(...more);
  }
  const doomed = before[0]!;
  await assert.rejects(connections[0]!.ask("/die"));
  const after = await Promise.allSettled(
    connections.filter((_, index) => before[index] !== doomed).map((each) => each.ask()),
  );
  assert.deepEqual(
    [...new Set(after.map((each) => (each.status === "fulfilled" ? each.value : "lost")))],
    [before.find((each) => each !== doomed)],
  );
  assert.equal((await get(server.url)).status, 200);
});

test("a burst while loops die leaves no connection without an answer or an end", async (t) => {
  const server = await startServer(t, { app, args: [...loops, "--workers", "3"] });
  const connections = Array.from({ length: 90 }, () => connect(t, server));
  const outcomes = await Promise.allSettled(
    connections.map((each, index) => each.ask(index % 45 === 44 ? "/die" : "/")),
  );
  assert.equal(outcomes.length, 90);
  const lines = server.lines.filter(({ msg }) => msg?.includes("closed unread") ?? false);
  assert.deepEqual(lines, []);
});
