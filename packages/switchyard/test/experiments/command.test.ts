// `switchyard experiments` as a user runs it, with those experiments whose result does not depend on a machine's speed.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
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
  return { cwd, ...spawnSync(process.execPath, [bin, "experiments", ...args], { cwd, encoding: "utf8" }) };
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

test("Ctrl-C ends an experiment in order: its server is gone, and so are its temporary files", onLinux, async (t) => {
  const folder = folderWith(t, {});
  const child = spawn(process.execPath, [bin, "experiments", "hundred-waiting"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: folder },
  });
  t.after(() => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  const server = await aChildServing(child.pid!);
  child.kill("SIGINT");
  const [code] = await ended;
  assert.equal(code, 130);
  assert.throws(() => process.kill(server, 0), { code: "ESRCH" });
  assert.deepEqual(readdirSync(folder), []);
});

/** A process that this one has started to serve, once there is one. */
async function aChildServing(pid: number): Promise<number> {
  for (;;) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
    const serving = children.find((child) => readFileSync(`/proc/${child}/cmdline`, "utf8").includes("serve"));
    if (serving !== undefined) return serving;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("an experiment that is not there is refused, with those that are", (t) => {
  const { status, stderr } = experiments(t, "six");
  assert.equal(status, errorRecords.SY_UNKNOWN_OPTION.exitCode);
  assert.match(stderr, /no experiment "six"[\s\S]*five, hundred-waiting/);
});
