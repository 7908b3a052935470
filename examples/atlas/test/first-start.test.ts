// The first start fills the database: once, however many start together, and again when the first attempt was cut short.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";

const countCities = join(import.meta.dirname, "fixtures", "count-cities.ts");

function emptyFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "atlas-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function start(folder: string): ChildProcess {
  const env = { ...process.env, ATLAS_DATA: folder };
  return spawn(process.execPath, [countCities], { env, stdio: ["ignore", "pipe", "inherit"] });
}

async function answerOf(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  await once(child, "close");
  return text.trim();
}

test("four processes that start at once on an empty folder all find the whole atlas", async (t) => {
  const folder = emptyFolder(t);
  const answers = await Promise.all([1, 2, 3, 4].map(() => answerOf(start(folder))));
  assert.deepEqual(answers, Array(4).fill("135233 cities, 135233 names, 0 without a country, ok"));
  assert.deepEqual(readdirSync(folder), ["atlas.db"]);
});

test("two threads of a process that start at once on an empty folder do too", async (t) => {
  const env = { ...process.env, ATLAS_DATA: emptyFolder(t) };
  const answers = await Promise.all(
    [1, 2].map(async () => {
      const worker = new Worker(countCities, { env, stdout: true });
      const text = worker.stdout.setEncoding("utf8").toArray();
      await once(worker, "exit");
      return (await text).join("").trim();
    }),
  );
  assert.deepEqual(answers, Array(2).fill("135233 cities, 135233 names, 0 without a country, ok"));
});

test("a start that is killed while it fills the database is made good by the next one", async (t) => {
  const folder = emptyFolder(t);
  const first = start(folder);
  const ended = once(first, "exit");
  while (!existsSync(join(folder, "atlas.db-journal")) && first.exitCode === null) await delay(5);
  first.kill("SIGKILL");
  await ended;
  assert.equal(await answerOf(start(folder)), "135233 cities, 135233 names, 0 without a country, ok");
});

test("a database of an older version is made again", async (t) => {
  const folder = emptyFolder(t);
  const { DatabaseSync } = await import("node:sqlite");
  {
    using older = new DatabaseSync(join(folder, "atlas.db"));
    older.exec("CREATE TABLE cities (name TEXT); INSERT INTO cities VALUES ('Ur'); PRAGMA user_version = 0");
  }
  assert.equal(await answerOf(start(folder)), "135233 cities, 135233 names, 0 without a country, ok");
});
