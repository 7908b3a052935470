// A server that another takes the place of, on the same socket, and one whose socket comes from systemd.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { folderOf } from "../harness/folder.ts";
import { startLoad } from "../harness/load.ts";
import { until } from "../harness/patience.ts";
import { descendantsOf, isAlive, waitUntilEnded } from "../harness/processes.ts";
import { type LogLine, startServer, type TestServer } from "../harness/server.ts";

const models = { hybrid: ["--model", "hybrid", "--workers", "2"], sync: ["--model", "sync", "--workers", "2"] };

/** The next line of that kind that is not among the first `from`. */
function lineAfter(server: TestServer, from: number, fits: (line: LogLine) => boolean): Promise<LogLine> {
  return server.waitForLine((line) => server.lines.indexOf(line) >= from && fits(line));
}

/** Ends whoever serves at the end of the test: it is no child of the test's. */
function endAfter(t: TestContext, pid: number): void {
  t.after(async () => {
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
    await waitUntilEnded([pid]);
  });
}

for (const [model, args] of Object.entries(models)) {
  test(`${model}: SIGUSR2 puts another server on the same socket, again and again, and no request is lost`, async (t) => {
    const folder = folderOf(t);
    const pidFile = join(folder, "server.pid");
    const version = join(folder, "version");
    writeFileSync(version, "0");
    const server = await startServer(t, {
      app: "control/app.mjs",
      args: [...args, "--no-access-log", "--pid-file", pidFile, "--control-socket", join(folder, "control.sock")],
      env: { VERSION_FILE: version },
    });
    const load = startLoad(t, server.url);
    let { pid } = server;
    for (const next of ["1", "2"]) {
      await load.answered(40);
      writeFileSync(version, next);
      const from = server.lines.length;
      process.kill(pid, "SIGUSR2");
      const line = await lineAfter(server, from, ({ successor }) => successor !== undefined);
      const before = pid;
      pid = Number(line.successor);
      endAfter(t, pid);
      await lineAfter(server, from, ({ msg }) => msg?.startsWith("Serving at ") ?? false);
      assert.equal(readFileSync(pidFile, "utf8"), `${pid}\n`);
      await lineAfter(server, from, ({ msg, pid: of }) => of === before && (msg?.startsWith("Stopped: ") ?? false));
    }
    await load.answered(40);
    const { outcomes, sent, versions } = await load.stop();
    assert.deepEqual(outcomes, { ok: sent });
    assert.deepEqual(versions, new Set(["0", "1", "2"]));
    assert.ok(existsSync(join(folder, "control.sock")));
    process.kill(pid, "SIGTERM");
    await server.waitForLine(({ msg, pid: of }) => of === pid && msg === "Stopped.");
    await waitUntilEnded([pid]);
    assert.ok(!existsSync(pidFile));
  });

  test(`${model}: a successor that can't start leaves this server as it was`, async (t) => {
    const version = join(folderOf(t), "version");
    writeFileSync(version, "0");
    const server = await startServer(t, {
      app: "control/app.mjs",
      args: [...args, "--no-access-log"],
      env: { VERSION_FILE: version },
    });
    const load = startLoad(t, server.url, { clients: 4 });
    writeFileSync(version, "bad");
    server.child.kill("SIGUSR2");
    const { saw } = await server.waitForLine(({ code }) => code === "SY_HANDOVER");
    assert.match(String(saw), /ended with exit code 68 before it was ready/);
    await load.answered(10);
    const { outcomes, sent, versions } = await load.stop();
    assert.deepEqual(outcomes, { ok: sent });
    assert.deepEqual(versions, new Set(["0"]));
    assert.equal((await server.status()).phase, "serving");
    assert.equal(await server.stop(), 0);
  });
}

test("a server that is told to stop while its successor starts stops that too", async (t) => {
  const hold = join(folderOf(t), "hold");
  const server = await startServer(t, {
    app: "held-start/app.mjs",
    args: ["--model", "async", "--start-timeout", "10m"],
    env: { HOLD_START: hold },
  });
  const before = descendantsOf(server.pid);
  writeFileSync(hold, "");
  server.child.kill("SIGUSR2");
  // The successor, and its worker, which loads the application.
  const successors = await appearedBelow(server.pid, before, 2);
  assert.equal(await server.stop(), 0);
  await waitUntilEnded([...before, ...successors]);
  const { saw } = await server.waitForLine(({ code }) => code === "SY_STOPPING");
  assert.match(String(saw), /told to stop while another was to take its place/);
});

/** Resolves when so many processes are below `pid` that were not there before. */
async function appearedBelow(pid: number, before: readonly number[], count: number): Promise<number[]> {
  return until(() => {
    const appeared = descendantsOf(pid).filter((each) => !before.includes(each));
    return appeared.length >= count && appeared;
  });
}

/** Binds a socket and a socket for notices as systemd does, and becomes the server: the pid stays. */
const systemd = `
import json, os, socket, subprocess, sys, threading
notices, names = sys.argv[1], sys.argv[2]
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen(64)
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); receiver.bind(notices)
pid = os.fork()
if pid == 0:
    os.dup2(listener.fileno(), 3); os.set_inheritable(3, True)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=names,
                      NOTIFY_SOCKET=notices, WATCHDOG_USEC="400000", WATCHDOG_PID=str(os.getpid()))
    os.execv(sys.argv[3], sys.argv[3:])
def say(line):
    # In one piece: both threads say something.
    os.write(1, (json.dumps(line) + "\\n").encode())
def tell():
    while True:
        notice = receiver.recv(4096).decode()
        if notice == "": return
        say({"notice": notice})
telling = threading.Thread(target=tell)
telling.start()
say({"port": listener.getsockname()[1], "child": pid})
listener.close()
_, status = os.waitpid(pid, 0)
say({"ended": os.waitstatus_to_exitcode(status)})
sys.stdin.read()
# Behind all that the servers have sent.
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"", notices)
telling.join()
`;

const isThere = (command: string, arg: string) => spawnSync(command, [arg], { stdio: "ignore" }).status === 0;
const lacks = !isThere("python3", "--version") || !isThere("systemd-notify", "--version");

for (const [model, args] of Object.entries(models)) {
  test(`${model}: under systemd it serves on the socket that it is passed, and tells when it is ready, reloads and stops`, {
    skip: lacks && "needs python3 and systemd-notify",
  }, async (t) => {
    const { fileURLToPath } = await import("node:url");
    const bin = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));
    const app = fileURLToPath(new URL("../fixtures/apps/control/app.mjs", import.meta.url));
    const notices = join(folderOf(t), "notify");
    const words = [process.execPath, bin, "serve", app, ...args, "--no-access-log", "--port", "1"];
    const manager = spawn("python3", ["-c", systemd, notices, "web", ...words], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    manager.stdin.on("error", () => {});
    const lines: LogLine[] = [];
    const watchers = new Set<() => void>();
    createInterface({ input: manager.stdout }).on("line", (text) => {
      lines.push(JSON.parse(text));
      for (const watcher of watchers) watcher();
    });
    const seen = (fits: (line: LogLine) => boolean) =>
      new Promise<LogLine>((resolve) => {
        const watcher = () => {
          const line = lines.find(fits);
          if (line !== undefined) resolve(line);
        };
        watchers.add(watcher);
        watcher();
      });
    const { port, child } = await seen((line) => line.child !== undefined);
    const pid = Number(child);
    endAfter(t, pid);
    t.after(() => manager.kill("SIGKILL"));

    const ready = await seen(({ notice }) => /^READY=1$/m.test(String(notice)));
    assert.match(String(ready.notice), new RegExp(`^STATUS=Serving at http://127.0.0.1:${port}$`, "m"));
    const { get } = await import("../harness/server.ts");
    assert.equal((await get(`http://127.0.0.1:${port}/`)).status, 200);
    await seen(({ notice }) => String(notice).includes("WATCHDOG=1"));
    process.kill(pid, "SIGHUP");
    const reloading = await seen(({ notice }) => /^RELOADING=1$/m.test(String(notice)));
    assert.match(String(reloading.notice), /^MONOTONIC_USEC=\d+$/m);
    await seen((line) => lines.indexOf(line) > lines.indexOf(reloading) && /^READY=1$/m.test(String(line.notice)));
    process.kill(pid, "SIGUSR2");
    const mainPid = ({ notice }: LogLine) => Number(/^MAINPID=(\d+)$/m.exec(String(notice))?.[1] ?? pid);
    const successor = mainPid(await seen((line) => mainPid(line) !== pid));
    endAfter(t, successor);
    const ofSuccessor = (word: RegExp) => (line: LogLine) =>
      mainPid(line) === successor && word.test(String(line.notice));
    await seen(ofSuccessor(/^READY=1$/m));
    await seen(ofSuccessor(/^WATCHDOG=1$/m));
    assert.equal((await seen((line) => line.ended !== undefined)).ended, 0);
    process.kill(successor, "SIGTERM");
    await seen(ofSuccessor(/^STOPPING=1$/m));
    const changes = lines.filter(({ notice }) => String(notice).includes("MAINPID=")).map(mainPid);
    assert.ok(changes.indexOf(successor) > changes.lastIndexOf(pid), "the old never says again that it is the server");
    await waitUntilEnded([successor]);
    manager.stdin.end();
    if (manager.exitCode === null) await once(manager, "exit");
  });
}
