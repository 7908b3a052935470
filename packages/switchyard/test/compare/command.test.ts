// `switchyard compare` as a user runs it, on an application whose routes are of known kinds.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Advice } from "../../src/compare/advice.ts";
import { gainsIn } from "../../src/compare/mixed.ts";
import type { CompareRun } from "../../src/compare/run.ts";
import { processesOf } from "../../src/compare/usage.ts";
import { errorRecords } from "../../src/errors.ts";
import { folderWith } from "../config/folder.ts";
import { until } from "../harness/patience.ts";
import { appPath } from "../harness/server.ts";

const bin = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));
const app = appPath("compared/app.mjs");

interface Started {
  readonly child: ChildProcess;
  readonly cwd: string;
  stderr(): string;
  readonly ended: Promise<{ exitCode: number | null; stdout: string; stderr: string }>;
}

function start(t: TestContext, args: readonly string[], cwd = folderWith(t, {})): Started {
  const child = spawn(process.execPath, [bin, "compare", ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([code]) => ({ exitCode: code as number | null, stdout, stderr }));
  return { child, cwd, stderr: () => stderr, ended };
}

function jsonOf(file: string): CompareRun & { advice: Advice | null } {
  return JSON.parse(readFileSync(file, "utf8"));
}

test("what was measured of each path is said, what it speaks for is advised, and --write puts that into the config", async (t) => {
  const paths = ["--path", "/wait", "--path", "/work"];
  const models = "sync-threads,async";
  const { ended, cwd } = start(t, [app, ...paths, "--models", models, "--quick", "--json", "run.json", "--write"]);
  const { exitCode, stdout, stderr } = await ended;
  assert.equal(exitCode, 0, stderr);

  const run = jsonOf(join(cwd, "run.json"));
  const { advice, services, variants } = run;
  // Which advice is the right one is told on a machine that does nothing else (promise.alone.test.ts), and by made
  // measurements (conclusions.test.ts). Beside other tests there may have been no time to see enough.
  for (const path of ["/wait", "/work"]) assert.match(stdout, new RegExp(`^${path}\\n {2}\\S`, "m"));
  const config = join(cwd, "switchyard.config.ts");
  if (advice === null) t.diagnostic("There was no time to see enough for an advice.");
  else assert.ok(stdout.includes(advice.sentence), advice.sentence);
  assert.equal(existsSync(config), advice !== null && Object.keys(advice.config).length > 0);
  for (const { match, model } of advice?.config.lanes ?? []) {
    assert.ok(readFileSync(config, "utf8").includes(`lanes: [{ match: "${String(match)}", model: "${model}"`));
  }
  // Tried beside the default, unless the machine was too slow for that within the time of --quick.
  const gain = gainsIn(run).find(({ path, when }) => path === "/wait" && when === "at start");
  if (gain === undefined) t.diagnostic("There was no time to try the advice.");
  else assert.match(stdout, /^Promised: /m);
  assert.ok(run.mixed.every(({ failure }) => failure === null));
  // The times that plan is to use.
  assert.deepEqual(
    services.map(({ path }) => path),
    ["/wait", "/work"],
  );
  assert.ok(variants.every(({ failure, restarts }) => failure === null && restarts === 0));
});

test("a model that fails is reported with the reason, and the others go on", async (t) => {
  const failing = appPath("compared/no-sync.mjs");
  const { ended, cwd } = start(t, [failing, "--models", "sync-threads,async", "--quick", "--json", "run.json"]);
  const { exitCode, stdout } = await ended;
  assert.equal(exitCode, 0);
  assert.match(stdout, /^sync-threads failed: .*not in a thread/m);
  const { variants, measurements } = jsonOf(join(cwd, "run.json"));
  assert.equal(variants[0]!.failure?.code, "SY_APP_THREW");
  assert.ok(measurements.length > 0 && measurements.every(({ variant }) => variant === "async"));
});

test("a path that answers 500, one that answers 404, and one that changes are said", async (t) => {
  const paths = ["--path", "/fails", "--path", "/missing", "--path", "/changes"];
  const { ended } = start(t, [app, ...paths, "--models", "async", "--quick"]);
  const { exitCode, stdout } = await ended;
  assert.equal(exitCode, 0);
  assert.match(stdout, /^! \/fails answers 500 under every model: nothing of it was measured\.$/m);
  assert.match(stdout, /^! \/missing answers 404: is it the path that you mean\?$/m);
  assert.match(stdout, /^! \/changes answers something else at another time/m);
});

test("a method, a header and a body are sent with every request, and the header's value is shown nowhere", async (t) => {
  const request = ["--body", '{"text":"hello"}', "--header", "Authorization: Bearer of-nobody-else"];
  const given = [app, "--path", "/echo", ...request, "--models", "async", "--quick", "--json", "run.json"];
  const { ended, cwd } = start(t, given);
  const { exitCode, stdout, stderr } = await ended;
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /Each request: POST, with Authorization, Content-Type, 16 bytes\.$/m);
  // It answers 401 without the header, 415 without the type, and 400 to another body.
  const text = readFileSync(join(cwd, "run.json"), "utf8");
  assert.ok(!text.includes("of-nobody-else") && !stdout.includes("of-nobody-else"));
  const { measurements } = jsonOf(join(cwd, "run.json"));
  assert.ok(measurements.length > 0 && measurements.every(({ badRatio }) => badRatio === 0));
  assert.deepEqual([...new Set(measurements.flatMap(({ stream }) => Object.keys(stream.statuses)))], ["200"]);
});

test("when no path can be measured, compare ends with SY_COMPARE_NOTHING", async (t) => {
  const { ended } = start(t, [app, "--path", "/fails", "--models", "async", "--quick"]);
  const { exitCode, stderr } = await ended;
  assert.equal(exitCode, errorRecords.SY_COMPARE_NOTHING.exitCode);
  assert.match(stderr, /error SY_COMPARE_NOTHING: Nothing could be measured: \/fails answers nothing/);
});

test("Ctrl-C leaves no process behind and keeps what was measured", async (t) => {
  const run = start(t, [app, "--path", "/wait", "--models", "async,hybrid", "--quick", "--json", "run.json"]);
  // The second variant's turn: something has been measured.
  await until(() => run.stderr().includes("hybrid, /wait"), run.stderr);
  const pids = processesOf(run.child.pid!);
  assert.ok(pids.length > 1);
  run.child.kill("SIGINT");
  const { exitCode, stdout } = await run.ended;
  assert.equal(exitCode, 130);
  assert.match(stdout, /^! The run was interrupted: what it had measured by then is shown\.$/m);
  const { measurements, wasInterrupted } = jsonOf(join(run.cwd, "run.json"));
  assert.ok(wasInterrupted && measurements.some(({ variant }) => variant === "async"));
  await allGone(pids);
});

test("the servers that compare started end when it is killed", async (t) => {
  const run = start(t, [app, "--path", "/wait", "--models", "sync-processes,async"]);
  await until(() => run.stderr().includes("sync-processes, /wait"), run.stderr);
  const pids = processesOf(run.child.pid!);
  assert.ok(pids.length > 2);
  run.child.kill("SIGKILL");
  await run.ended;
  await allGone(pids);
});

/** Resolves when none of the processes is there any more. */
async function allGone(pids: readonly number[]): Promise<void> {
  await until(
    () => !pids.some((pid) => existsSync(`/proc/${pid}`)),
    () => pids.filter((pid) => existsSync(`/proc/${pid}`)),
  );
}

for (const [args, code, saw] of [
  [["http://127.0.0.1:3000/"], "SY_COMPARE_TARGET", /address http:\/\/127/],
  [[app, "--path", "http://example.com/"], "SY_COMPARE_TARGET", /names a host/],
  [[app, "--path", "//example.com/"], "SY_COMPARE_TARGET", /names a host/],
  [[app, "--path", "search"], "SY_OPTION_VALUE", /begins with \//],
  [[app, "--path", "/a b"], "SY_OPTION_VALUE", /no spaces/],
  [[app, "--method", "HEAD"], "SY_OPTION_VALUE", /takes GET, POST/],
  [[app, "--method", "GET", "--body", "x"], "SY_OPTION_VALUE", /a GET has no body/],
  [[app, "--header", "Authorization"], "SY_OPTION_VALUE", /a name, a colon and a value/],
  [[app, "--header", "X: a\r\nY: b"], "SY_OPTION_VALUE", /a name, a colon and a value/],
  [[app, "--header", "Host: example.com"], "SY_OPTION_VALUE", /compare writes itself/],
  [[app, "--models", "fast"], "SY_OPTION_VALUE", /"fast"/],
  [[app, "--html", "no-folder/report.html"], "SY_OPTION_VALUE", /--html .* there is no folder .*no-folder/],
  [[app, "--json", "."], "SY_OPTION_VALUE", /--json was given "\.", and that is a folder/],
  [[app, "other.js"], "SY_UNKNOWN_OPTION", /one application/],
  [["missing.js"], "SY_APP_MISSING", /missing\.js does not exist/],
  [[], "SY_APP_MISSING", /no application/],
] as const) {
  test(`compare ${args.join(" ").replace(app, "app.mjs")} is refused with ${code}`, async (t) => {
    const { exitCode, stdout, stderr } = await start(t, args).ended;
    assert.equal(exitCode, errorRecords[code].exitCode, stderr);
    assert.match(stderr, saw);
    assert.equal(stdout, "");
  });
}
