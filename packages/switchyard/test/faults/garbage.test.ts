// Bytes that are not HTTP, or not any that may be served: the right 4xx, a closed connection, and nothing for the
// application to see. (RFC 9112 §6.3 on lengths that contradict each other.)

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Accounting, sendRaw, tally } from "../harness/accounting.ts";
import { startServer } from "../harness/server.ts";

const head = "GET /run HTTP/1.1\r\nHost: test\r\n";
const post = "POST /body HTTP/1.1\r\nHost: test\r\n";

const garbage: Record<string, { bytes: string | Uint8Array; status: number }> = {
  "random bytes": { bytes: Buffer.concat([Buffer.from([0x81]), randomBytes(2_000)]), status: 400 },
  // The beginning of a TLS 1.3 ClientHello.
  "a TLS hello": { bytes: Buffer.from(`16030100f8010000f40303${"00".repeat(240)}`, "hex"), status: 400 },
  "the HTTP/2 preface": { bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: 400 },
  "an absurd method": { bytes: `FROBNICATE${"X".repeat(100)} / HTTP/1.1\r\nHost: test\r\n\r\n`, status: 400 },
  "a version that does not exist": { bytes: "GET /run HTTP/7.3\r\nHost: test\r\n\r\n", status: 400 },
  "no Host": { bytes: "GET /run HTTP/1.1\r\n\r\n", status: 400 },
  "a NUL in the target": { bytes: "GET /r\0un HTTP/1.1\r\nHost: test\r\n\r\n", status: 400 },
  "a NUL in a header": { bytes: `${head}X-Nul: a\0b\r\n\r\n`, status: 400 },
  "a header with no colon": { bytes: `${head}nonsense\r\n\r\n`, status: 400 },
  "a space before the colon": { bytes: `${head}X-Name : value\r\n\r\n`, status: 400 },
  "a folded header": { bytes: `${head}X-Folded: a\r\n b\r\n\r\n`, status: 400 },
  "a bare line feed in a header": { bytes: `${head}X-Line: a\rb\r\n\r\n`, status: 400 },
  "Content-Length beside Transfer-Encoding": {
    bytes: `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    status: 400,
  },
  "two Content-Lengths": { bytes: `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`, status: 400 },
  "a Content-Length that is no number": { bytes: `${post}Content-Length: five\r\n\r\nhello`, status: 400 },
  "a negative Content-Length": { bytes: `${post}Content-Length: -5\r\n\r\nhello`, status: 400 },
  "an unknown Transfer-Encoding": { bytes: `${post}Transfer-Encoding: chunked, rot13\r\n\r\nhello`, status: 400 },
  "a request line of 100 kB": { bytes: `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: test\r\n\r\n`, status: 431 },
  "headers of 100 kB": { bytes: `${head}X-Long: ${"a".repeat(100_000)}\r\n\r\n`, status: 431 },
  "ten thousand headers": { bytes: `${head}${"X-Many: 1\r\n".repeat(10_000)}\r\n`, status: 431 },
};

/** Faults in a body come after a head that is well formed, so the application has begun by then. */
const badBodies: Record<string, string> = {
  "a chunk size that is no number": "xyz\r\nhello\r\n0\r\n\r\n",
  "a chunk size beyond all numbers": "fffffffffffffffff\r\nhello",
  "a chunk that is longer than it says": "3\r\nhello\r\n0\r\n\r\n",
};

for (const model of ["async", "sync"]) {
  test(`${model}: garbage gets the right 4xx and a closed connection, and the application sees none of it`, async (t) => {
    const server = await startServer(t, {
      app: "faults/app.mjs",
      args: ["--model", model, "--workers", "1", "--no-access-log"],
    });
    const client = new Accounting(server);
    for (const [what, { bytes, status }] of Object.entries(garbage)) {
      const { statuses, text } = await sendRaw(server, bytes).outcome;
      assert.deepEqual(statuses, [status], what);
      assert.match(text, /\r\nConnection: close\r\n/i, what);
    }
    const refused = Object.keys(garbage).length;
    assert.deepEqual(tally([await client.send("/run").outcome]), { 200: 1 });
    const { totals } = await server.waitForStatus(({ totals }) => totals.answered === 1);
    assert.deepEqual(totals, { begun: 1, inFlight: 0, answered: 1, failed: 0, aborted: 0, refused });
    assert.deepEqual(client.ran, [1]);
  });

  test(`${model}: a body whose framing breaks is answered 400, and its worker serves on`, async (t) => {
    const server = await startServer(t, {
      app: "faults/app.mjs",
      args: ["--model", model, "--workers", "1", "--no-access-log"],
    });
    const client = new Accounting(server);
    for (const [what, body] of Object.entries(badBodies)) {
      const sent = client.send("/body", { method: "POST", headers: "Transfer-Encoding: chunked\r\n", body });
      const { statuses, text } = await sent.outcome;
      assert.deepEqual(statuses, [400], what);
      assert.match(text, /\r\nConnection: close\r\n/i, what);
    }
    assert.deepEqual(tally([await client.send("/run").outcome]), { 200: 1 });
    const { totals } = await server.waitForStatus(({ totals }) => totals.begun === 4 && totals.inFlight === 0);
    assert.equal(totals.answered + totals.failed + totals.aborted, 4);
  });

  test(`${model}: what follows a request in the same breath does not take its answer away`, async (t) => {
    const server = await startServer(t, {
      app: "faults/app.mjs",
      args: ["--model", model, "--workers", "1", "--no-access-log"],
    });
    const { statuses } = await sendRaw(server, `${head}\r\nthis is no request\r\n\r\nnor is this\r\n\r\n`).outcome;
    assert.deepEqual(statuses, [200]);
    await server.waitForStatus(({ totals }) => totals.answered === 1 && totals.refused === 1);
  });
}
