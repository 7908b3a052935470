// The application under each of Switchyard's models, unchanged: every kind of route, by the command that a user runs.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { asBrowser, jsonOf } from "./server.ts";

const folder = join(import.meta.dirname, "..");
const command = join(folder, "..", "..", "packages", "switchyard", "bin", "switchyard.js");
const sizeOfExport = 7_384_069;

/** Starts `switchyard serve` on a free port, stopped when the test ends; its address. */
async function serve(t: TestContext, flags: readonly string[]): Promise<string> {
  const args = [command, "serve", join(folder, "app.ts"), "--port", "0", "--host", "127.0.0.1", ...flags];
  const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(server, "exit");
  t.after(async () => {
    server.kill("SIGTERM");
    await exited;
  });
  const said: string[] = [];
  createInterface({ input: server.stderr }).on("line", (line) => said.push(line));
  for await (const line of createInterface({ input: server.stdout })) {
    said.push(line);
    const address = /Serving at (http:\/\/[\d.:]+)/.exec(stripVTControlCharacters(line));
    // What it says from here on is read and dropped, so that a full pipe stops nothing.
    server.stdout.resume();
    if (address) return address[1]!;
  }
  throw new Error(`The server ended before it served:\n${said.join("\n")}`);
}

const models = [
  { flags: ["--model", "sync", "--workers", "2"], canWait: true },
  { flags: ["--model", "sync", "--workers", "1", "--threads", "2"], canWait: true },
  { flags: ["--model", "async"], canWait: false },
  { flags: ["--model", "hybrid", "--workers", "2"], canWait: false },
  { flags: ["--model", "greenlet"], canWait: true },
] as const;

for (const { flags, canWait } of models) {
  test(`every kind of route answers under ${flags.join(" ")}`, async (t) => {
    const at = await serve(t, flags);
    assert.equal(await (await fetch(`${at}/hello`)).text(), "Hello, world!");
    assert.match(await (await fetch(at, asBrowser)).text(), /135,233 cities/);
    assert.equal((await jsonOf<{ count: number }>(fetch(`${at}/search?q=paris&limit=5`))).count, 5);
    assert.equal((await fetch(`${at}/search`)).status, 400);

    const cities = await Promise.all(Array.from({ length: 8 }, () => fetch(`${at}/cities/2988507`)));
    assert.deepEqual(
      cities.map((response) => response.status),
      Array(8).fill(200),
    );
    const around = await Promise.all(Array.from({ length: 4 }, () => fetch(`${at}/cities/2988507/nearby`)));
    assert.deepEqual(
      around.map((response) => response.status),
      Array(4).fill(canWait ? 200 : 501),
    );

    const reports = await Promise.all(Array.from({ length: 4 }, () => fetch(`${at}/report/FR?cities=2`)));
    assert.deepEqual(
      reports.map((response) => response.status),
      Array(4).fill(200),
    );
    assert.match(await (await fetch(`${at}/map.svg`)).text(), /<\/svg>$/);
    assert.equal((await (await fetch(`${at}/export.csv`)).arrayBuffer()).byteLength, sizeOfExport);
    assert.match(await (await fetch(`${at}/live/events?everyMs=10&count=3`)).text(), /id: 3\n/);
    const upload = await jsonOf<{ bytes: number }>(
      fetch(`${at}/upload`, { method: "POST", body: Buffer.alloc(3_000_000) }),
    );
    assert.equal(upload.bytes, 3_000_000);
  });
}
