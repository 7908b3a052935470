// A client that goes away, in each phase of its request: the program hears of it as it does on bare node:http, and the
// worker goes on.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startBare } from "../harness/bare.ts";
import type { Line } from "../harness/lines.ts";
import { models } from "../harness/models.ts";
import { connectRaw, type RawClient } from "../harness/raw-client.ts";
import { get, startServer } from "../harness/server.ts";

/** A server that is under test, or the one that it is compared with. */
interface Side {
  readonly url: string;
  readonly all: readonly Line[];
  readonly waitFor: (fits: (line: Line) => boolean) => Promise<Line>;
}

const host = "Host: x\r\n";

interface Phase {
  readonly when: string;
  /** As the program calls it. */
  readonly phase: string;
  /** What a client does until the moment that it leaves. */
  readonly until: (t: TestContext, side: Side) => Promise<RawClient>;
}

const phases: readonly Phase[] = [
  {
    when: "before anything is answered",
    phase: "wait",
    until: async (t, side) => {
      const client = (await connectRaw(t, side.url)).send(`GET /watch-wait HTTP/1.1\r\n${host}\r\n`);
      await told(side, "wait", "begun");
      return client;
    },
  },
  {
    when: "in the middle of its body",
    phase: "upload",
    until: async (t, side) => {
      const client = await connectRaw(t, side.url);
      client.send(`POST /watch-upload HTTP/1.1\r\n${host}Content-Length: 1000000\r\n\r\n${"u".repeat(100_000)}`);
      await told(side, "upload", "data");
      return client;
    },
  },
  {
    when: "when the answer has begun",
    phase: "head",
    until: async (t, side) => {
      const client = (await connectRaw(t, side.url)).send(`GET /watch-head HTTP/1.1\r\n${host}\r\n`);
      await client.until((text) => text.includes("begun"));
      return client;
    },
  },
  {
    when: "in the middle of a download that it does not keep up with",
    phase: "download",
    until: async (t, side) => {
      const client = (await connectRaw(t, side.url)).send(`GET /watch-download HTTP/1.1\r\n${host}\r\n`);
      await client.until((text) => text.length > 100_000);
      client.socket.pause();
      return client;
    },
  },
  {
    when: "in the middle of server-sent events",
    phase: "events",
    until: async (t, side) => {
      const client = (await connectRaw(t, side.url)).send(`GET /events HTTP/1.1\r\n${host}\r\n`);
      await client.until((text) => text.includes("id: 3\ndata: tick\n\n"));
      return client;
    },
  },
  {
    when: "after its answer",
    phase: "answered",
    until: async (t, side) => {
      const client = await connectRaw(t, side.url);
      client.send(`POST /watch-answered HTTP/1.1\r\n${host}Content-Length: 4\r\n\r\nbody`);
      await client.until((text) => text.endsWith("answered"));
      return client;
    },
  },
];

for (const { name, args } of models) {
  test(`${name}: a program hears of a client that leaves as on bare node:http`, async (t) => {
    const { lines, url } = await startBare(t);
    const bare: Side = { url, all: lines.all, waitFor: (fits) => lines.waitFor(fits) };
    const server = await startServer(t, { app: "protocol/app.js", args });
    const ours: Side = { url: server.url, all: server.lines, waitFor: (fits) => server.waitForLine(fits) };

    for (const phase of phases) {
      await t.test(phase.when, async (t) => {
        const [heard, expected] = await Promise.all([ours, bare].map((side) => heardWhenItLeaves(t, side, phase)));
        assert.deepEqual(heard, expected);
        assert.equal((await get(`${ours.url}/hello`)).status, 200);
      });
    }
    assert.equal((await server.status()).restarts, 0);
  });

  test(`${name}: the AbortSignal of a Fetch handler tells that the client has left`, async (t) => {
    const server = await startServer(t, { app: "protocol/fetch.js", args });
    const side: Side = { url: server.url, all: server.lines, waitFor: (fits) => server.waitForLine(fits) };

    const waiting = (await connectRaw(t, server.url)).send(`GET /wait HTTP/1.1\r\n${host}\r\n`);
    await told(side, "wait", "begun");
    waiting.socket.destroy();
    await told(side, "wait", "aborted");

    const sending = await connectRaw(t, server.url);
    sending.send(`POST /upload HTTP/1.1\r\n${host}Content-Length: 1000\r\n\r\nbegun`);
    await told(side, "upload", "data");
    sending.socket.destroy();
    await told(side, "upload", "aborted");
    await told(side, "upload", "body failed");

    const reading = (await connectRaw(t, server.url)).send(`GET /download HTTP/1.1\r\n${host}\r\n`);
    await reading.until((text) => text.length > 100_000);
    reading.socket.destroy();
    await told(side, "download", "aborted");
    await told(side, "download", "cancelled");

    assert.equal((await server.get("/hello")).status, 200);
    assert.equal((await server.status()).restarts, 0);
  });
}

function told(side: Side, phase: string, event: string): Promise<Line> {
  return side.waitFor((line) => line.told === true && line.phase === phase && line.event === event);
}

/** Everything that the program told of a request, once both its request and its response are closed. */
async function heardWhenItLeaves(t: TestContext, side: Side, { phase, until }: Phase): Promise<string[]> {
  const client = await until(t, side);
  client.socket.destroy();
  await told(side, phase, "request close");
  await told(side, phase, "response close");
  const heard = side.all.filter((line) => line.told === true && line.phase === phase && line.event !== "data");
  return heard.map(({ told: _told, pid: _pid, ...line }) => JSON.stringify(line)).sort();
}
