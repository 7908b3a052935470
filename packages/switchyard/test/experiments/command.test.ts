// `switchyard experiments` as a user runs it, with those experiments whose result does not depend on a machine's speed.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { errorRecords } from "../../src/errors.ts";
import { folderWith } from "../config/folder.ts";

const bin = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));

/** Processes are looked up in /proc. */
const onLinux = { skip: process.platform !== "linux" };

function experiments(t: TestContext, ...args: string[]) {
  const cwd = folderWith(t, {});
  return {
    cwd,
    ...spawnSync(process.execPath, [bin, "experiments", ...args], { cwd, encoding: "utf8", timeout: 240_000 }),
  };
}

test("five clients and four workers: the fifth is answered after the others, in numbers and as a picture", (t) => {
  const { status, stdout, stderr, cwd } = experiments(t, "five", "--json", "found.json", "--html", "found.html");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /Four were answered within .*; the fifth waited for a worker and took /);
  const { found } = JSON.parse(readFileSync(join(cwd, "found.json"), "utf8"));
  const latencies: number[] = found[0].pictures[0].bars.map(
    (bar: { parts: { value: number }[] }) => bar.parts[0]!.value,
  );
  assert.equal(latencies.length, 5);
  // Each waits for a tenth of a second: the fifth for its own, and before it for one of the four.
  assert.ok(latencies[4]! >= 195, `${latencies}`);
  const html = readFileSync(join(cwd, "found.html"), "utf8");
  assert.equal(html.match(/<rect /g)?.length, 5);
  assert.doesNotMatch(html, /<script|<link|https?:/);
});

test("the memory of a worker and of a request is told in numbers", onLinux, (t) => {
  const { status, stdout, stderr } = experiments(t, "memory");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /sync, a process each: one more worker takes [\d.]+ MiB; [\d,]+ would fill/);
  assert.match(stdout, /async: each of 500 requests that wait at once takes \d+ KiB/);
});

test("what a switch costs a thread, a task and a greenlet is told in numbers", (t) => {
  const { status, stdout, stderr, cwd } = experiments(t, "switch", "--json", "found.json");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /Two threads that take turns need [\d.]+ µs there and back/);
  const { found } = JSON.parse(readFileSync(join(cwd, "found.json"), "utf8"));
  const micros: number[] = found[0].pictures[0].bars.map((bar: { parts: { value: number }[] }) => bar.parts[0]!.value);
  assert.equal(micros.length, 4);
  assert.ok(
    micros.every((each) => each > 0),
    `${micros}`,
  );
});

test("ten connections are enough for every model, unless four workers open ten each", (t) => {
  const { status, stdout, stderr, cwd } = experiments(t, "database", "--json", "found.json");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /a database that allows 10 connections \((?:PostgreSQL \d+, which|a stand-in)/);
  for (const name of ["async, 10", "greenlet, 10", "sync, 4 × 1", "hybrid, 4 × 2"]) {
    assert.match(stdout, new RegExp(`${name}: all 100 were answered`));
  }
  const { found } = JSON.parse(readFileSync(join(cwd, "found.json"), "utf8"));
  const bars: { name: string; parts: { value: number }[] }[] = found[0].pictures[1].bars;
  const failed = bars.find(({ name }) => name === "hybrid, 4 × 10")!.parts[0]!.value;
  // At the least those of the workers' first ten that no connection was left for.
  assert.ok(failed > 0 && failed < 100, `${failed}`);
});

test(
  "Ctrl-C ends an experiment in order: its server and its database are gone, and so are their files",
  onLinux,
  async (t) => {
    const folder = folderWith(t, {});
    // PostgreSQL runs as a user of its own, and has to get through.
    chmodSync(folder, 0o755);
    const child = spawn(process.execPath, [bin, "experiments", "database"], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: folder },
    });
    t.after(() => child.kill("SIGKILL"));
    const ended = once(child, "exit");
    const started = await childrenOnceServing(child.pid!);
    child.kill("SIGINT");
    const [code] = await ended;
    assert.equal(code, 130);
    for (const pid of started) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    // A server may have made its user's folder for control sockets, which is kept.
    const left = readdirSync(folder).filter((name) => !/^switchyard-\d+$/.test(name));
    assert.deepEqual(left, []);
  },
);

/** What this process has started, once a server is among it: that, and the database before it. */
async function childrenOnceServing(pid: number): Promise<number[]> {
  for (;;) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
    const commands = children.map((child) => ({ child, words: commandOf(child) }));
    if (commands.some(({ words }) => words.includes("serve"))) {
      return commands.filter(({ words }) => !words.includes("switchyard-last-watch")).map(({ child }) => child);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    // It has ended since.
    return [];
  }
}

test("an experiment that is not there is refused, with those that are", (t) => {
  const { status, stderr } = experiments(t, "six");
  assert.equal(status, errorRecords.SY_UNKNOWN_OPTION.exitCode);
  assert.match(stderr, /no experiment "six"[\s\S]*five, hundred-waiting/);
});
