// The real command, as a user runs it: its output, its two-part errors and its exit codes, as far as no server is started.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { errorRecords } from "../../src/errors.ts";
import { folderWith } from "../config/folder.ts";

const bin = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));

interface Run {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

interface RunOptions {
  args: string[];
  cwd?: string;
  env?: Record<string, string>;
}

async function run(t: TestContext, { args, cwd, env = {} }: RunOptions): Promise<Run> {
  const { PORT: _port, NO_COLOR: _noColor, ...inherited } = process.env;
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: cwd ?? folderWith(t, {}),
    env: { ...inherited, ...env },
  });
  t.after(() => child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on("close", resolve);
  return { exitCode: await promise, stdout, stderr };
}

/** Asserts that a run ended with one error in two parts, and nothing else: no stack, no warning, nothing on stdout. */
function assertRefused(result: Run, code: keyof typeof errorRecords, saw: RegExp): void {
  const lines = result.stderr.split("\n");
  assert.match(lines[0]!, saw);
  assert.ok(lines[0]!.startsWith(`error ${code}: `), result.stderr);
  assert.match(lines[1]!, /^ {2}\S.*[.?]$/);
  assert.deepEqual(lines.slice(2), [""]);
  assert.equal(result.stdout, "");
  assert.equal(result.exitCode, errorRecords[code].exitCode);
}

test("the bare command, help and --help print the help", async (t) => {
  const bare = await run(t, { args: [] });
  assert.equal(bare.exitCode, 0);
  assert.match(bare.stdout, /switchyard serve <file>/);
  for (const args of [["help"], ["--help"], ["-h"]]) assert.deepEqual(await run(t, { args }), bare);
});

test("serve --help and help serve name every flag, its prose and its default", async (t) => {
  const { stdout, exitCode } = await run(t, { args: ["serve", "--help"] });
  assert.equal(exitCode, 0);
  const words = stdout.replaceAll(/\s+/g, " ");
  assert.match(words, /--port <port> The port to listen on\.[^-]*Default: 3000\./);
  assert.match(stdout, /--access-log <json\|common\|combined\|off>, --no-access-log/);
  assert.match(words, /--run-timeout <time> (?:(?! --[\w-]+ <).)*Default: 1m\./);
  assert.ok(stdout.split("\n").every((line) => line.length <= 100));
  assert.equal((await run(t, { args: ["help", "serve"] })).stdout, stdout);
});

test("--version prints the package's version", async (t) => {
  assert.match((await run(t, { args: ["--version"] })).stdout, /^\d+\.\d+\.\d+\n$/);
});

test("an unknown command or option ends with SY_UNKNOWN_OPTION", async (t) => {
  assertRefused(await run(t, { args: ["srve", "app.ts"] }), "SY_UNKNOWN_OPTION", /The command srve is not known/);
  assertRefused(await run(t, { args: ["--port", "1"] }), "SY_UNKNOWN_OPTION", /The option --port is not known/);
  assertRefused(await run(t, { args: ["serve", "--prot", "1"] }), "SY_UNKNOWN_OPTION", /The option --prot/);
  assertRefused(await run(t, { args: ["help", "nothing"] }), "SY_UNKNOWN_OPTION", /The command nothing/);
});

test("a file where a command belongs is taken for what it is", async (t) => {
  const cwd = folderWith(t, { "app.js": "" });
  const result = await run(t, { args: ["app.js"], cwd });
  assertRefused(result, "SY_UNKNOWN_OPTION", /app\.js/);
  assert.match(result.stderr, /Did you mean "switchyard serve app\.js"\?/);
});

test("a bad value, of a flag or of PORT, ends with SY_OPTION_VALUE", async (t) => {
  assertRefused(await run(t, { args: ["serve", "a.ts", "--port", "x"] }), "SY_OPTION_VALUE", /--port was given "x"/);
  assertRefused(
    await run(t, { args: ["serve", "a.ts"], env: { PORT: "x" } }),
    "SY_OPTION_VALUE",
    /variable PORT is "x"/,
  );
});

test("no application ends with SY_APP_MISSING, and the fix names the one file that it may be", async (t) => {
  const none = await run(t, { args: ["serve"] });
  assertRefused(none, "SY_APP_MISSING", /was given no application/);
  const one = await run(t, { args: ["serve"], cwd: folderWith(t, { "server.js": "" }) });
  assertRefused(one, "SY_APP_MISSING", /was given no application/);
  assert.match(one.stderr, /"switchyard serve server\.js"/);
  const two = await run(t, { args: ["serve"], cwd: folderWith(t, { "server.js": "", "index.js": "" }) });
  assert.match(two.stderr, /"switchyard serve app\.ts"/);
});

test("a missing application ends with SY_APP_MISSING, and the fix names a file that is nearly it", async (t) => {
  const cwd = folderWith(t, { "server.js": "", "lib/app.js": "" });
  const typo = await run(t, { args: ["serve", "sever.js"], cwd });
  assertRefused(typo, "SY_APP_MISSING", /sever\.js does not exist/);
  assert.match(typo.stderr, /Did you mean server\.js\?/);
  const folder = await run(t, { args: ["serve", "lib"], cwd });
  assertRefused(folder, "SY_APP_MISSING", /is a folder/);
  assert.match(folder.stderr, /switchyard serve lib\/app\.js/);
  assertRefused(await run(t, { args: ["serve", "no/where.js"], cwd }), "SY_APP_MISSING", /does not exist/);
});

test("a config file that can't be loaded ends with SY_CONFIG_THREW", async (t) => {
  assertRefused(await run(t, { args: ["serve", "--config", "x.ts"] }), "SY_CONFIG_THREW", /x\.ts/);
  const cwd = folderWith(t, {
    "package.json": '{"type":"module"}',
    "switchyard.config.ts": 'throw new Error("boom");',
  });
  assertRefused(await run(t, { args: ["serve"], cwd }), "SY_CONFIG_THREW", /Error: boom/);
});

test("what a config file throws later ends the command with one message all the same", async (t) => {
  const text = 'setImmediate(() => { throw new Error("late"); }); export default () => new Promise(() => {});';
  const cwd = folderWith(t, { "package.json": '{"type":"module"}', "switchyard.config.ts": text });
  assertRefused(await run(t, { args: ["serve"], cwd }), "SY_INTERNAL", /late/);
});

test("a config file with a bad key or value ends with SY_CONFIG_VALUE", async (t) => {
  const cwd = folderWith(t, {
    "package.json": '{"type":"module"}',
    "switchyard.config.ts": "export default { prot: 1 };",
  });
  assertRefused(await run(t, { args: ["serve"], cwd }), "SY_CONFIG_VALUE", /sets "prot"/);
});

test("the config file may name the application, and the argument comes before it", async (t) => {
  const cwd = folderWith(t, {
    "package.json": '{"type":"module"}',
    "switchyard.config.ts": 'export default { app: "from-config.js" };',
  });
  assertRefused(await run(t, { args: ["serve"], cwd }), "SY_APP_MISSING", /from-config\.js/);
  assertRefused(await run(t, { args: ["serve", "argument.js"], cwd }), "SY_APP_MISSING", /argument\.js/);
});

test("--verbose adds the stack of the first error", async (t) => {
  const cwd = folderWith(t, {
    "package.json": '{"type":"module"}',
    "switchyard.config.ts": '\nthrow new Error("boom");',
  });
  const { stderr, exitCode } = await run(t, { args: ["serve", "--verbose"], cwd });
  assert.match(stderr, /\n {4}at .*switchyard\.config\.ts:2/);
  assert.equal(exitCode, errorRecords.SY_CONFIG_THREW.exitCode);
});

test("a reader that goes away before the help is written is no error", async (t) => {
  const child = spawn(process.execPath, [bin, "serve", "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  child.stdout.destroy();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on("close", resolve);
  assert.equal(await promise, 0);
  assert.equal(stderr, "");
});

test("an error that does not go to a terminal has no colours", async (t) => {
  const piped = await run(t, { args: ["serve"], env: { FORCE_COLOR: "1" } });
  assert.ok(!piped.stderr.includes("\x1b"));
});

test("the refusal of an old Node, which can import nothing of ours, says the code and exits as the record says", () => {
  const text = readFileSync(bin, "utf8");
  assert.match(text, /error SY_NODE_VERSION: /);
  assert.match(text, new RegExp(`exitCode = ${errorRecords.SY_NODE_VERSION.exitCode};`));
});

test("each cause that can end the command has an exit code of its own", () => {
  const whileServing = new Set(["SY_QUEUE_FULL", "SY_WORKER_DIED", "SY_RUN_TIMEOUT"]);
  const codes = Object.entries(errorRecords).flatMap(([code, { exitCode }]) =>
    whileServing.has(code) ? [] : [exitCode],
  );
  assert.equal(new Set(codes).size, codes.length);
});
