// An application that can't be served, or a machine that can't serve it, through the real command: one message in two
// parts, the exit code of its cause, no stack, and nothing left running.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type ErrorCode, errorRecords } from "../../src/errors.ts";
import { descendantsOf, waitUntilEnded } from "../harness/processes.ts";
import { launch, type StartOptions } from "../harness/server.ts";

const broken: Record<string, ErrorCode> = {
  "syntax-error.js": "SY_APP_SYNTAX",
  "syntax-error.cjs": "SY_APP_SYNTAX",
  "syntax-error.ts": "SY_APP_SYNTAX",
  "imports-syntax-error.js": "SY_APP_SYNTAX",
  "throws-at-load.js": "SY_APP_THREW",
  "rejects-at-load.js": "SY_APP_THREW",
  "rejects-later.js": "SY_APP_THREW",
  "factory-throws.js": "SY_APP_THREW",
  "exports-number.js": "SY_APP_NOTHING",
  "exports-nothing.js": "SY_APP_NOTHING",
  "exits-at-load.js": "SY_APP_EXITED",
};

const oneOfEachCode = new Set(["syntax-error.js", "rejects-later.js", "exports-nothing.js", "exits-at-load.js"]);

/** Those that only the time can tell. */
const slow: Record<string, ErrorCode> = {
  "busy-for-ever.js": "SY_APP_SLOW",
};

const models = {
  async: ["--model", "async"],
  hybrid: ["--model", "hybrid", "--workers", "2"],
  "hybrid with threads": ["--model", "hybrid", "--workers", "1", "--threads", "2"],
  greenlet: ["--model", "greenlet", "--workers", "1"],
  sync: ["--model", "sync", "--workers", "2"],
  "sync with threads": ["--model", "sync", "--workers", "1", "--threads", "2"],
  "sync with threads in processes": ["--model", "sync", "--workers", "2", "--threads", "2"],
};

for (const [model, args] of Object.entries(models)) {
  test(`${model}: an application that can't be loaded ends the server with its own exit code and one message`, async (t) => {
    for (const [file, code] of Object.entries(broken)) {
      // How a module fails is the same under every model; how its failure reaches the supervisor is not.
      if (model === "async" || oneOfEachCode.has(file)) {
        await assertFails(t, { app: `broken/${file}`, args }, code);
      }
    }
    for (const [file, code] of Object.entries(slow)) {
      await assertFails(t, { app: `broken/${file}`, args: [...args, "--start-timeout", "600"] }, code);
    }
  });
}

test("with --verbose the stack of the first error follows", async (t) => {
  const server = launch(t, { app: "broken/throws-at-load.js", args: ["--model", "async", "--verbose"] });
  assert.equal(await server.exited, errorRecords.SY_APP_THREW.exitCode);
  assert.match(server.otherOutput.join("\n"), /\n\s+at connect /);
});

for (const model of ["async", "sync"] as const) {
  test(`${model}: an endless loop at the top level ends the server at --start-timeout, and is not left running`, async (t) => {
    const folder = tempFolder(t);
    const app = join(folder, "app.mjs");
    writeFileSync(app, "console.log(JSON.stringify({ looping: process.pid }));\nfor (;;);\n");
    const server = launch(t, { app, args: [...models[model], "--start-timeout", "1500"] });
    assert.equal(await server.exited, errorRecords.SY_APP_SLOW.exitCode);
    assertOneMessage(server.otherOutput, "SY_APP_SLOW");
    // On a machine that is slow enough it was ended before it came to its loop.
    await waitUntilEnded(server.lines.filter((line) => "looping" in line).map(({ looping }) => Number(looping)));
  });
}

test("a port that is taken, for clients or for the status page, ends the server with SY_PORT_IN_USE", async (t) => {
  const other = net.createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  t.after(() => other.close());
  const { port } = other.address() as net.AddressInfo;
  const app = "plain/app.mjs";
  await assertFails(t, { app, args: ["--model", "async", "--port", String(port)] }, "SY_PORT_IN_USE");
  await assertFails(t, { app, args: ["--model", "sync", "--admin-port", String(port)] }, "SY_PORT_IN_USE");
});

test("an address that is not this machine's, and a folder that does not exist, end the server with SY_PORT_DENIED", async (t) => {
  const app = "plain/app.mjs";
  await assertFails(t, { app, args: ["--model", "async", "--host", "192.0.2.1"] }, "SY_PORT_DENIED");
  await assertFails(t, { app, args: ["--model", "async", "--unix", "/nowhere/socket"] }, "SY_PORT_DENIED");
});

test("a UNIX socket of a running server is left alone", async (t) => {
  const path = join(tempFolder(t), "socket");
  const other = net.createServer();
  other.listen(path);
  await once(other, "listening");
  t.after(() => other.close());
  await assertFails(t, { app: "plain/app.mjs", args: ["--model", "async", "--unix", path] }, "SY_PORT_IN_USE");
});

test("a UNIX socket in a folder that the user may not write to ends the server with SY_PORT_DENIED", async (t) => {
  const prefix = asNobody();
  if (prefix === null) {
    t.skip("needs root and setpriv");
    return;
  }
  const folder = tempFolder(t);
  chmodSync(folder, 0o755);
  const args = ["--model", "async", "--unix", join(folder, "socket")];
  await assertFails(t, { app: "plain/app.mjs", args, prefix }, "SY_PORT_DENIED");
});

test("certificates and keys that can't be used end the server with SY_TLS_FILE", async (t) => {
  const folder = tempFolder(t);
  const nonsense = join(folder, "nonsense.pem");
  writeFileSync(nonsense, "this is no certificate\n");
  const tls = (cert: string, key: string) => ["--model", "async", "--tls-cert", cert, "--tls-key", key];
  const app = "plain/app.mjs";
  await assertFails(t, { app, args: tls(join(folder, "missing.pem"), nonsense) }, "SY_TLS_FILE");
  await assertFails(t, { app, args: tls(nonsense, nonsense) }, "SY_TLS_FILE");
});

async function assertFails(t: TestContext, options: StartOptions, code: ErrorCode) {
  const what = `${options.app} ${options.args?.join(" ")}`;
  const server = launch(t, options);
  // Whatever it starts is gone when it has ended: the pipes of its output are closed only when nobody holds them.
  assert.equal(await server.exited, errorRecords[code].exitCode, `${what}: ${server.otherOutput.join("\n")}`);
  assertOneMessage(server.otherOutput, code, what);
  await waitUntilEnded(descendantsOf(server.pid));
}

/** "error CODE: what was seen.", what to do below it, and nothing more of ours. */
function assertOneMessage(output: readonly string[], code: ErrorCode, what = "") {
  const text = output.join("\n");
  assert.equal(text.match(/\berror SY_/g)?.length, 1, `${what}: ${text}`);
  assert.match(text, new RegExp(`error ${code}: .+\n  .+`), what);
  assert.doesNotMatch(text, /\n\s+at .*:\d+:\d+\)?/, `${what} printed a stack`);
}

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What starts a command as a user without rights, or null where that can't be done. */
function asNobody(): string[] | null {
  const prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  try {
    execFileSync(prefix[0]!, [...prefix.slice(1), process.execPath, "-e", ""], { stdio: "ignore" });
    return prefix;
  } catch {
    return null;
  }
}
