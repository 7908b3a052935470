import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text as readText } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const fixture = fileURLToPath(new URL("../fixtures/log/write-log-lines.ts", import.meta.url));

async function outputOf(t: TestContext, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [fixture, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  t.after(() => child.kill("SIGKILL"));
  return readText(child.stdout);
}

function linesOf(output: string): Record<string, unknown>[] {
  return output
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

test("a line is JSON with its time, its level as a word, the process and who speaks", async (t) => {
  const [info, error] = linesOf(await outputOf(t, "json", "info"));
  assert.match(String(info?.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(typeof info?.pid, "number");
  const { time: _time, pid: _pid, ...rest } = info!;
  assert.deepEqual(rest, { level: "info", component: "worker 3", port: 3000, msg: "Listening." });
  assert.equal(error?.level, "error");
  assert.equal(error?.code, "SY_PORT_IN_USE");
  assert.equal(error?.stack, undefined);
});

test("lines below the level are not written", async (t) => {
  assert.deepEqual(
    linesOf(await outputOf(t, "json", "error")).map((line) => line.level),
    ["error"],
  );
  assert.deepEqual(
    linesOf(await outputOf(t, "json", "trace")).map((line) => line.level),
    ["debug", "info", "error"],
  );
  assert.equal(await outputOf(t, "json", "silent"), "");
});

test("at a terminal a line is a sentence, and an error says what to do", async (t) => {
  const output = await outputOf(t, "pretty", "info");
  assert.match(output, /^\[\d\d:\d\d:\d\d\] INFO: worker 3: Listening\.\n/);
  assert.match(output, /SY_PORT_IN_USE: Port 3000 is taken\.\n {2}Use another\.\n$/);
});

test("a worker thread writes its lines to stdout itself", async (t) => {
  assert.deepEqual(
    linesOf(await outputOf(t, "json", "info", "thread")).map((line) => line.level),
    ["info", "error"],
  );
});

test("a reader that has gone away does not end the process that logs", async (t) => {
  const child = spawn(process.execPath, [fixture, "json", "info", "many"], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  child.stdout.destroy();
  assert.deepEqual(await once(child, "exit"), [0, null]);
});
