import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeCertificate } from "../harness/certificate.ts";
import { get, startServer, type TestServer } from "../harness/server.ts";
import { connect, countEach } from "./clients.ts";

const app = "fairness/app.mjs";
const loops = ["--model", "hybrid", "--no-access-log", "--keep-alive-timeout", "0"];

function assertEven(answers: readonly string[], workers: number): void {
  const counts = [...countEach(answers).values()];
  assert.equal(counts.length, workers, `all ${workers} workers have connections: ${counts}`);
  assert.ok(Math.max(...counts) <= 1.5 * Math.min(...counts), `at most 1.5 times as many: ${counts}`);
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
  const server = await startServer(t, { app, args: [...loops, "--workers", "4"] });
  assertEven(await burst(t, server, 64), 4);
});

test("so do 64 that come one after the other", async (t) => {
  const server = await startServer(t, { app, args: [...loops, "--workers", "4"] });
  const answers: string[] = [];
  for (let i = 0; i < 64; i++) answers.push(await connect(t, server).ask());
  assertEven(answers, 4);
});

test("so do 64 over a UNIX socket", async (t) => {
  const path = join(folderFor(t), "socket");
  const server = await startServer(t, { app, args: [...loops, "--workers", "4", "--unix", path] });
  assertEven(await burst(t, server, 64, path), 4);
});

test("so do 64 with TLS, each of which does its handshake in the worker that serves it", async (t) => {
  const server = await startServer(t, {
    app,
    args: [...loops, "--workers", "4", ...makeCertificate(t).args],
  });
  assertEven(await burst(t, server, 64), 4);
});

test("a loop that is blocked gets no connection while another is free, and is served again afterwards", async (t) => {
  const until = join(folderFor(t), "release");
  const server = await startServer(t, { app, args: [...loops, "--workers", "3"] });
  const blocked = connect(t, server);
  const blockedAnswer = blocked.ask(`/block?until=${until}`);
  const line = await server.waitForLine((each) => "blocks" in each);
  const answers = await burst(t, server, 48);
  assert.ok(!answers.includes(String(line.blocks)));
  writeFileSync(until, "");
  assert.equal(await blockedAnswer, String(line.blocks));
  while (!(await burst(t, server, 16)).includes(String(line.blocks)));
});

const threads = ["--model", "hybrid", "--no-access-log", "--keep-alive-timeout", "0", "--workers", "1"];

test("64 connections differ by at most 1.5 times between four loops that are threads, with TLS too", async (t) => {
  const server = await startServer(t, { app, args: [...threads, "--threads", "4"] });
  assertEven(await burst(t, server, 64), 4);
  const secure = await startServer(t, { app, args: [...threads, "--threads", "4", ...makeCertificate(t).args] });
  assertEven(await burst(t, secure, 64), 4);
});

test("a loop that is a thread gets no connection while it is blocked, and a drain finishes those that were handed on", async (t) => {
  const until = join(folderFor(t), "release");
  const server = await startServer(t, { app, args: [...threads, "--threads", "3"] });
  const blockedAnswer = connect(t, server).ask(`/block?until=${until}`);
  const line = await server.waitForLine((each) => "blocks" in each);
  const answers = await burst(t, server, 48);
  assert.equal(countEach(answers).size, 2);
  assert.ok(!answers.includes(String(line.blocks)));
  writeFileSync(until, "");
  assert.equal(await blockedAnswer, String(line.blocks));
  assert.equal(await server.stop(), 0);
});

test("a server with one loop keeps every connection", async (t) => {
  const server = await startServer(t, { app, args: [...loops, "--workers", "1"] });
  assert.equal(countEach(await burst(t, server, 64)).size, 1);
});

test("connections that were handed on are finished by a drain like any other", async (t) => {
  const server = await startServer(t, { app, args: [...loops, "--workers", "2"] });
  assert.equal(countEach(await burst(t, server, 32)).size, 2);
  assert.equal(await server.stop(), 0);
});

test("a loop that dies takes its own connections with it and no others", async (t) => {
  const server = await startServer(t, { app, args: [...loops, "--workers", "2"] });
  const connections = Array.from({ length: 32 }, () => connect(t, server));
  const before = await Promise.all(connections.map((each) => each.ask()));
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
