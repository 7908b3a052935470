// A server with three lanes of which at random workers, loops and the pool's process are killed, handlers never end, and
// clients hang up; every request that was sent must have one answer, or lose its connection to the death that explains it.
//
// Each client asks first, on the connection of its request, which loop has it. So a request without an answer must be one of
// a loop that was killed, and of no other.
//
// Short in the suite. SWITCHYARD_CHAOS_MS sets how long it runs, SWITCHYARD_CHAOS_SEED repeats a run's choices. With
// SWITCHYARD_CHAOS_MODEL=auto there is a route besides that holds the loops, and moves to sync workers while they are killed.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Accounting, type Outcome, openConnection, type Sent, tally } from "../harness/accounting.ts";
import { until } from "../harness/patience.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const runMs = Number(process.env.SWITCHYARD_CHAOS_MS ?? 4_000);
const seed = Number(process.env.SWITCHYARD_CHAOS_SEED ?? Date.now() % 100_000);
const model = process.env.SWITCHYARD_CHAOS_MODEL ?? "hybrid";
const paths = ["/run", "/run", "/pid", "/body", "/spin", ...(model === "auto" ? ["/hold", "/hold"] : [])];
const clients = 6;
const endedBetweenKills = 15;

const lanes = ["--lane", "/run=sync:2", "--lane", "/spin=sync:1-2", "--lane", "/body=async:1"];

interface Ended {
  readonly outcome: Outcome;
  readonly number: number;
  readonly path: string;
  readonly method: string;
  readonly hungUp: boolean;
  /** The loop that had its connection, or null when that went before it was told. */
  readonly loop: number | null;
  /** A loop was dying at some moment between its connection's opening and its end. */
  readonly sawLoopDie: boolean;
}

/** Loops that were killed, and how many of the kills are over: seen in the status as somebody who is not there any more. */
class LoopDeaths {
  readonly pids = new Set<number>();
  #over = 0;

  kill(pid: number): void {
    this.pids.add(pid);
  }

  over(): void {
    this.#over = this.pids.size;
  }

  /** Opens a question: @returns whether a loop has been dying at any moment since. */
  watch(): () => boolean {
    const overAtStart = this.#over;
    return () => this.pids.size > overAtStart;
  }
}

test(`three lanes in chaos lose no request without a cause (seed ${seed})`, { timeout: runMs + 290_000 }, async (t) => {
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", model, "--workers", "2", "--run-timeout", "700", "--no-access-log", ...lanes],
  });
  const random = randomFrom(seed);
  const client = new Accounting(server);
  const endAtMs = Date.now() + runMs;
  const ended: Ended[] = [];
  // However slow the machine, not before one was served.
  const isOver = () => Date.now() >= endAtMs && ended.some(isServed);
  const deaths = new LoopDeaths();
  let number = 0;

  const load = async () => {
    while (!isOver()) {
      const path = paths[Math.floor(random() * paths.length)]!;
      const method = random() < 0.3 ? "POST" : "GET";
      const own = ++number;
      const sawLoopDie = deaths.watch();
      const connection = openConnection(server);
      const loop = await loopOf(connection);
      const length = method === "POST" ? "Content-Length: 4\r\n" : "";
      connection.socket.write(
        `${method} ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Number: ${own}\r\n${length}\r\n${length && "body"}`,
      );
      const hungUp = random() < 0.1;
      if (hungUp) connection.socket.end();
      if (hungUp && random() < 0.5) connection.socket.destroy();
      const outcome = await connection.outcome;
      ended.push({ outcome, number: own, path, method, hungUp, loop, sawLoopDie: sawLoopDie() });
    }
  };
  const havoc = async () => {
    while (!isOver()) {
      const { workers } = await server.status();
      const victim = workers[Math.floor(random() * workers.length)];
      if (victim === undefined) continue;
      const isLoop = victim.lane === null;
      if (isLoop) deaths.kill(victim.pid);
      await killed(victim.pid);
      await server.waitForStatus(({ workers }) => workers.every(({ pid }) => pid !== victim.pid));
      if (isLoop) deaths.over();
      // Loops that die as soon as they start are started after growing pauses, and would meet no request.
      const enough = ended.length + endedBetweenKills;
      await server.waitForStatus(() => isOver() || ended.length >= enough);
    }
  };
  await Promise.all([...Array.from({ length: clients }, load), havoc()]);

  // Whatever was killed last is replaced, and every lane serves again.
  for (const path of ["/run", "/pid", "/body"]) await untilServed(server, path);
  for (const each of ended) assertExplained(each, deaths.pids);
  assertRunsFewTimes(client, ended);
  const { totals } = await server.waitForStatus(({ totals }) => totals.inFlight === 0);
  assert.equal(totals.begun, totals.answered + totals.failed + totals.aborted);
  if (model === "auto") {
    assert.ok(server.lines.some(({ msg }) => msg?.startsWith("GET /hold held the event loops") ?? false));
  }
  t.diagnostic(`${ended.length} requests, ${deaths.pids.size} loops killed: ${JSON.stringify(countsOf(ended))}`);
  assert.equal(await server.stop(), 0);
});

/** Which loop has a connection: it answers `/pid` itself. Null when the connection ends before. */
function loopOf({ socket, outcome }: Sent): Promise<number | null> {
  socket.write("GET /pid HTTP/1.1\r\nHost: test\r\n\r\n");
  let text = "";
  return new Promise((resolve) => {
    const look = (chunk: unknown) => {
      text += chunk;
      const pid = /\r\n\r\n(?:[\da-f]+\r\n)?(\d+)(?:\r\n|$)/.exec(text)?.[1];
      if (pid === undefined) return;
      socket.off("data", look);
      resolve(Number(pid));
    };
    socket.on("data", look);
    void outcome.then(() => resolve(null));
  });
}

function isServed({ loop, outcome }: Ended): boolean {
  return loop !== null && answersOf(outcome)[0] === 200;
}

/** What came after the answer that told the loop. */
function answersOf({ statuses }: Outcome): readonly number[] {
  return statuses.slice(1);
}

function assertExplained(ended: Ended, killedLoops: ReadonlySet<number>): void {
  const { outcome, path, method, loop, hungUp, sawLoopDie } = ended;
  const what = `${method} ${path} of loop ${loop}`;
  if (loop === null) {
    assert.ok(sawLoopDie, `a connection ended with no loop dying: ${outcome.text} ${outcome.error}`);
    return;
  }
  const answers = answersOf(outcome);
  assert.ok(answers.length <= 1, `${what} was answered ${answers.join(", ")}`);
  const [status] = answers;
  if (status === undefined) assert.ok(hungUp || killedLoops.has(loop), `${what} has no answer: ${outcome.error}`);
  else assert.ok([200, 502, 503, 504].includes(status), `${what} was answered ${status}`);
  // What its loop answers itself can't have lost a worker or waited for one.
  if (status !== undefined && path === "/pid") assert.equal(status, 200, what);
  if (path === "/spin") assert.notEqual(status, 200, what);
}

/**
 * A request is run once. One that does no harm when it is run twice may be: when the process that it was sent to was killed
 * before it said that it ran it.
 */
function assertRunsFewTimes(client: Accounting, ended: readonly Ended[]): void {
  const times = new Map<number, number>();
  for (const number of client.ran) times.set(number, (times.get(number) ?? 0) + 1);
  for (const { number, method, path, loop, outcome } of ended) {
    const count = times.get(number) ?? 0;
    const most = method === "POST" || path === "/pid" ? 1 : 2;
    assert.ok(count <= most, `${method} ${path}, number ${number}, ran ${count} times`);
    if (loop !== null && answersOf(outcome)[0] === 200) assert.ok(count >= 1, `number ${number} was answered, not run`);
  }
}

function countsOf(ended: readonly Ended[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome, loop, hungUp } of ended) {
    const key =
      loop === null ? "lost before it was sent" : String(answersOf(outcome)[0] ?? (hungUp ? "hung up" : "lost"));
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

async function killed(pid: number): Promise<boolean> {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself since the status was made.
    return false;
  }
}

async function untilServed(server: TestServer, path: string): Promise<void> {
  await until(
    async () => (await server.get(path, { method: "POST" }).catch(() => null))?.status === 200,
    () => `${path} is not answered with 200`,
  );
}

/** Mulberry32: a small generator whose runs repeat with their seed. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("a reload under load moves lanes' requests to the new pool and loses none", async (t: TestContext) => {
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", "hybrid", "--workers", "2", "--no-access-log", "--lane", "/run=sync:2"],
  });
  const client = new Accounting(server);
  const before = new Set(
    (await server.waitForStatus(({ workers }) => workers.length === 4)).workers.map(({ pid }) => pid),
  );
  let isDone = false;
  const outcomes: Outcome[] = [];
  const load = async () => {
    while (!isDone) outcomes.push(await client.send("/run").outcome);
  };
  const loads = [load(), load(), load()];
  process.kill(server.pid, "SIGHUP");
  await server.waitForLine(({ msg }) => msg?.startsWith("Reloaded in") ?? false);
  await server.waitForStatus(({ workers }) => workers.filter(({ pid }) => !before.has(pid)).length >= 4);
  isDone = true;
  await Promise.all(loads);
  assert.deepEqual(tally(outcomes), { 200: outcomes.length });
});
