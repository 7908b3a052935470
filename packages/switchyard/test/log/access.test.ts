import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type AccessEntry, type AccessLogOptions, createAccessLog } from "../../src/log/access.ts";
import { folderWith } from "../config/folder.ts";

const entry: AccessEntry = {
  method: "GET",
  path: "/",
  httpVersion: "1.1",
  status: 200,
  bytes: 1,
  waitMs: 0,
  runMs: 1,
  model: "async",
  worker: 1,
};
const writer = fileURLToPath(new URL("../fixtures/log/write-access-lines.ts", import.meta.url));

interface Pipe {
  readonly fd: number;
  /** Starts to read: until then, the pipe fills. */
  read(onLine: (line: Record<string, unknown>) => void): void;
  /** Closes the end that reads. */
  breakOff(): void;
}

/** A real pipe, by way of a named one, whose reader reads only when it is told to. */
function openPipe(t: TestContext): Pipe {
  const path = join(folderWith(t, {}), "pipe");
  execFileSync("mkfifo", [path]);
  const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY);
  let socket: Socket | null = null;
  let isBroken = false;
  t.after(() => {
    closeSync(fd);
    if (socket !== null) socket.destroy();
    else if (!isBroken) closeSync(readFd);
  });
  return {
    fd,
    read(onLine) {
      let rest = "";
      socket = new Socket({ fd: readFd, readable: true, writable: false });
      socket.setEncoding("utf8").on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        for (const line of lines) onLine(JSON.parse(line));
      });
    },
    breakOff() {
      isBroken = true;
      closeSync(readFd);
    },
  };
}

function openFile(t: TestContext): { fd: number; lines: () => string[] } {
  const path = join(folderWith(t, {}), "access.log");
  const fd = openSync(path, "w");
  t.after(() => closeSync(fd));
  return { fd, lines: () => readFileSync(path, "utf8").split("\n").slice(0, -1) };
}

function openLog(t: TestContext, options: Omit<AccessLogOptions, "format">) {
  const log = createAccessLog({ format: "json", ...options });
  t.after(() => log.close());
  return log;
}

test("every line is in the file once the log is closed, in order", async (t) => {
  const file = openFile(t);
  const log = openLog(t, { fd: file.fd, closeTimeoutMs: 60_000 });
  for (let bytes = 0; bytes < 5_000; bytes++) log.record({ ...entry, bytes });
  await log.close();
  assert.deepEqual(
    file.lines().map((line) => JSON.parse(line).bytes),
    Array.from({ length: 5_000 }, (_, index) => index),
  );
  assert.equal(log.dropped, 0);
});

test("a lone line is written by itself, without a flush and without a close", async (t) => {
  const pipe = openPipe(t);
  const log = openLog(t, { fd: pipe.fd });
  const { promise, resolve } = Promise.withResolvers<unknown>();
  pipe.read(resolve);
  log.record(entry);
  assert.equal(((await promise) as { path: string }).path, "/");
});

test("a flush hands over what is pending", async (t) => {
  const pipe = openPipe(t);
  const log = openLog(t, { fd: pipe.fd });
  log.record(entry);
  log.flush();
  // The write on a pipe that has room is done when flush returns, so a log that ends here has lost nothing.
  const { promise, resolve } = Promise.withResolvers<unknown>();
  pipe.read(resolve);
  await promise;
});

test("while nobody reads, lines beyond the bound are dropped; later they are counted in a line, and none is torn", async (t) => {
  const pipe = openPipe(t);
  let nowMs = 1_000_000;
  const log = openLog(t, { fd: pipe.fd, bufferLimitBytes: 64 * 1024, clock: () => nowMs });
  const total = 5_000;
  for (let index = 0; index < total; index++) log.record(entry);
  log.flush();
  const dropped = log.dropped;
  assert.ok(dropped > 0 && dropped < total);

  let received = 0;
  const reported = Promise.withResolvers<Record<string, unknown>>();
  pipe.read((line) => {
    if (line.dropped === undefined) received++;
    else reported.resolve(line);
  });
  nowMs += 1_000;
  const line = await reported.promise;
  assert.equal(line.dropped, dropped);
  assert.equal(line.level, "warn");
  assert.equal(received, total - dropped);
});

test("a close does not wait for ever for a reader that never reads", async (t) => {
  const pipe = openPipe(t);
  const log = openLog(t, { fd: pipe.fd });
  for (let index = 0; index < 5_000; index++) log.record(entry);
  await log.close();
});

test("a reader that goes away ends the log, and nothing else", async (t) => {
  const pipe = openPipe(t);
  const log = openLog(t, { fd: pipe.fd });
  pipe.breakOff();
  log.record(entry);
  log.flush();
  log.record(entry);
  log.flush();
  await log.close();
  assert.equal(log.dropped, 2);
});

test("a line after the close is counted as dropped", async (t) => {
  const file = openFile(t);
  const log = openLog(t, { fd: file.fd });
  await log.close();
  log.record(entry);
  assert.equal(log.dropped, 1);
  assert.deepEqual(file.lines(), []);
});

test("lines of four processes on one pipe never mix, whatever their length", async (t) => {
  const command = `(${Array.from({ length: 4 }, (_, id) => `"$NODE" "$WRITER" ${id} 3000 close &`).join(" ")} wait) | cat`;
  const shell = spawn("sh", ["-c", command], {
    env: { ...process.env, NODE: process.execPath, WRITER: writer },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => shell.kill("SIGKILL"));
  const counts = [0, 0, 0, 0];
  for (const line of (await readText(shell.stdout)).split("\n").slice(0, -1)) {
    const { worker, bytes } = JSON.parse(line);
    assert.equal(bytes, counts[worker]!++, "the lines of one process are in order");
  }
  assert.deepEqual(counts, [3000, 3000, 3000, 3000]);
});

test("a process that ends without closing its log loses no line that its reader had room for", async (t) => {
  for (const ending of ["exit", "throw", "return"]) {
    const command = '"$NODE" "$WRITER" 0 20 "$ENDING" 2>/dev/null | cat';
    const shell = spawn("sh", ["-c", command], {
      env: { ...process.env, NODE: process.execPath, WRITER: writer, ENDING: ending },
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => shell.kill("SIGKILL"));
    assert.equal((await readText(shell.stdout)).split("\n").length - 1, 20, ending);
  }
});

test("a process whose pipe is full can end", async (t) => {
  const pipe = openPipe(t);
  const child = spawn(process.execPath, [writer, "0", "20000", "exit"], { stdio: ["ignore", pipe.fd, "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const [exitCode] = await once(child, "exit");
  assert.equal(exitCode, 0);
});

test("a log on a socket writes every line", async (t) => {
  // Node gives a child a socket where other programs give it a pipe.
  const child = spawn(process.execPath, [writer, "0", "3000", "close"], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  assert.equal((await readText(child.stdout)).split("\n").length - 1, 3000);
});
