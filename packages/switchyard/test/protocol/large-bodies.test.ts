// Large bodies through the server, each way, with the slower side at the other end: nobody between holds more than a window of it.
//
// What is held is read from the kernel: the most memory that each process of the server had (VmHWM). By itself V8 lets 64 MB
// of buffers become garbage in each isolate before it looks (its soft limit for external memory), so the server's isolates
// are made to look as soon as there is something to see. Without backpressure a process would grow by the whole body.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import { test } from "node:test";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { models } from "../harness/models.ts";
import { descendantsOf } from "../harness/processes.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const megabyte = 1024 * 1024;
const bodyBytes = 160 * megabyte;
/** With their first bodies a process of several isolates grows by up to 80 MB, however long those are. */
const limitBytes = 120 * megabyte;
const env = { NODE_OPTIONS: `--import ${new URL("../fixtures/memory/collect-often.mjs", import.meta.url).href}` };

/** A connection is read the same way by one loop and by one of several. */
const rows = models.filter(({ model, args }) => model !== "hybrid" || args.includes("--lane"));

for (const { name, args } of rows) {
  test(`${name}: ${bodyBytes / megabyte} MB pass through without being held`, async (t) => {
    const server = await startServer(t, { app: "protocol/app.js", args: [...args, "--run-timeout", "1h"], env });

    await t.test("a download whose client reads slowly, of a program that writes a little at a time", async () => {
      const growth = await growthDuring(server, async () => {
        assert.equal(await slowDownload(`${server.url}/download?bytes=${bodyBytes}&piece=${16 * 1024}`), bodyBytes);
      });
      assertBounded(growth, limitBytes);
    });

    await t.test("an upload that the program reads slowly", async () => {
      const growth = await growthDuring(server, async () => {
        assert.equal((await send(`${server.url}/upload`, bodyBytes)).text, String(bodyBytes));
      });
      assertBounded(growth, limitBytes);
    });

    await t.test("both ways at once", async () => {
      const growth = await growthDuring(server, async () => {
        assert.equal((await send(`${server.url}/echo`, bodyBytes)).bytes, bodyBytes);
      });
      assertBounded(growth, limitBytes);
    });
  });
}

/** Reads a response with a pause after each piece, so that the server is always ahead. @returns its bytes. */
function slowDownload(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    http
      .get(url, { agent: false }, async (response) => {
        let bytes = 0;
        for await (const chunk of response) {
          bytes += chunk.length;
          // The first part is read slower still: time for a server that holds nothing back to run ahead.
          if (bytes < 8 * megabyte) await sleep(2);
          else await nextTurn();
        }
        resolve(bytes);
      })
      .on("error", reject);
  });
}

/** Sends a body as fast as it is taken. @returns what came back: how much, and its first characters. */
function send(url: string, bodyBytes: number): Promise<{ bytes: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent: false }, async (response) => {
      let bytes = 0;
      let text = "";
      for await (const chunk of response) {
        bytes += chunk.length;
        if (text.length < 100) text += chunk.toString("latin1", 0, 100);
      }
      resolve({ bytes, text });
    });
    request.on("error", reject);
    void sendBody(request, bodyBytes);
  });
}

async function sendBody(request: http.ClientRequest, bodyBytes: number): Promise<void> {
  const piece = Buffer.alloc(256 * 1024, "p");
  for (let sent = 0; sent < bodyBytes; sent += piece.length) {
    if (!request.write(piece)) await new Promise((resolve) => request.once("drain", resolve));
  }
  request.end();
}

interface Growth {
  readonly pid: number;
  readonly bytes: number;
}

/** How much more memory than before each process of the server had at most while `work` was done. */
async function growthDuring(server: TestServer, work: () => Promise<void>): Promise<Growth[]> {
  const before = [server.pid, ...descendantsOf(server.pid)].map((pid) => {
    // Sets the high-water mark to what the process has now (proc(5), clear_refs).
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
    return { pid, bytes: memoryOf(pid, "VmHWM") };
  });
  await work();
  return before.map(({ pid, bytes }) => ({ pid, bytes: memoryOf(pid, "VmHWM") - bytes }));
}

function assertBounded(growth: readonly Growth[], limitBytes: number): void {
  for (const { pid, bytes } of growth) {
    assert.ok(bytes < limitBytes, `process ${pid} grew by ${Math.round(bytes / megabyte)} MB`);
  }
}

function memoryOf(pid: number, field: string): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
}
