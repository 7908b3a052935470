// `switchyard top`, in a terminal that Python's pty makes, and without one.

import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { frameOf } from "../../src/cli/top-frame.ts";
import { Accounting } from "../harness/accounting.ts";
import { startGate } from "../harness/gate.ts";
import { until } from "../harness/patience.ts";
import { startServer } from "../harness/server.ts";

const bin = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));
/** Runs a command in a new terminal of 100 columns and 30 rows, its output on stdout, what comes on stdin typed into it. */
const terminal =
  "import fcntl,os,pty,struct,sys,termios\n" +
  "os.environ['TERM']='xterm'\n" +
  "pid,fd=pty.fork()\n" +
  "if pid==0: os.execvp(sys.argv[1],sys.argv[1:])\n" +
  "fcntl.ioctl(fd,termios.TIOCSWINSZ,struct.pack('HHHH',30,100,0,0))\n" +
  "import select\n" +
  "inputs=[fd,0]\n" +
  "while True:\n" +
  " ready,_,_=select.select(inputs,[],[])\n" +
  " if fd in ready:\n" +
  "  try: data=os.read(fd,65536)\n" +
  "  except OSError: data=b''\n" +
  "  if not data: break\n" +
  "  os.write(1,data)\n" +
  " if 0 in ready:\n" +
  "  data=os.read(0,1024)\n" +
  "  if data: os.write(fd,data)\n" +
  "  else: inputs.remove(0)\n" +
  "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid,0)[1]))\n";

async function start(t: TestContext) {
  const runtime = mkdtempSync(join(tmpdir(), "switchyard-top-"));
  t.after(() => rmSync(runtime, { recursive: true, force: true }));
  const gate = await startGate(t);
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", "sync", "--workers", "2", "--no-access-log"],
    env: { ...gate.env, XDG_RUNTIME_DIR: runtime },
  });
  const run = (command: string, args: readonly string[]) => {
    const child = spawn(command, args, {
      env: { ...process.env, XDG_RUNTIME_DIR: runtime, NO_COLOR: "" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    return new Shown(child);
  };
  return { gate, server, run };
}

class Shown {
  text = "";
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly exited: Promise<number | null>;

  constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.child = child;
    this.exited = once(child, "close").then(([code]) => code as number | null);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.text += text;
    });
  }

  /** Resolves when what was shown, without its escape sequences, fits. */
  async until(fits: RegExp): Promise<void> {
    await until(
      () => fits.test(this.plain()),
      () => this.plain(),
    );
  }

  plain(): string {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
    return this.text.replaceAll(/\x1b\[[?\d;]*[A-Za-z]/g, "");
  }
}

test("in a terminal it shows the queue as it grows, and q gives the terminal back", async (t) => {
  const { gate, server, run } = await start(t);
  const top = run("python3", ["-c", terminal, process.execPath, bin, "top"]);
  await top.until(/serving[\s\S]*0 waiting, limit 1,024[\s\S]*q ends/);
  assert.ok(top.text.includes("\x1b[?1049h"));

  const client = new Accounting(server);
  const sent = Array.from({ length: 5 }, () => client.send("/gate"));
  await top.until(/queue \[■■■·+\] 3 waiting/);
  await top.until(/\[1 ■\] \[2 ■\]/);
  gate.open();
  await Promise.all(sent.map(({ outcome }) => outcome));

  top.child.stdin.write("q");
  assert.equal(await top.exited, 0);
  assert.ok(top.text.endsWith("\x1b[?25h\x1b[?1049l"));
});

test("it says when the server has gone, and a signal gives the terminal back", async (t) => {
  const { server, run } = await start(t);
  const top = run("python3", ["-c", terminal, process.execPath, bin, "top"]);
  await top.until(/q ends/);
  await server.stop();
  await top.until(/The server does not answer; trying again/);
  // As a terminal sends it for Ctrl-C.
  top.child.stdin.write("\x03");
  assert.equal(await top.exited, 0);
  assert.ok(top.text.endsWith("\x1b[?1049l"));
});

test("without a terminal it prints plain text once", async (t) => {
  const { run } = await start(t);
  const top = run(process.execPath, [bin, "top"]);
  assert.equal(await top.exited, 0);
  assert.equal(top.text, top.plain());
  assert.match(top.text, /^Switchyard {2}serving/);
  assert.match(top.text, /^worker +state +model/m);
});

test("no line is longer than the terminal is wide, and there are no more than it is high", () => {
  const requests = { begun: 1e9, inFlight: 1, answered: 1e9, failed: 0, aborted: 0, refused: 0 };
  const status = {
    application: { file: `/${"long/".repeat(40)}app.ts`, description: "a request listener" },
    model: "sync",
    workersWanted: 30,
    why: "as asked for",
    url: "http://127.0.0.1:1",
    pid: 1,
    restarts: 0,
    totals: requests,
    queue: { length: 900, limit: 1024, refused: 3 },
    workers: Array.from({ length: 30 }, (_, index) => ({
      worker: index + 1,
      pid: index + 100,
      isolation: "process" as const,
      model: "sync" as const,
      state: "ready" as const,
      requests,
      rssBytes: 1e8,
    })),
  };
  for (const [columns, rows] of [
    [20, 5],
    [40, 10],
    [80, 24],
    [200, 60],
  ] as const) {
    const lines = frameOf(status, [], { columns, rows, isColoured: false });
    assert.ok(lines.length <= rows, `${lines.length} lines in ${rows} rows`);
    for (const line of lines) assert.ok(line.length <= columns, `${line.length} in ${columns}: ${line}`);
    // A figure that does not fit is on the next line, and not cut.
    if (columns >= 40) assert.match(lines.join("\n"), /memory [\d,]+ MiB/);
  }
});
