// ServerResponse may hand its bytes over in any pieces: cut anywhere, a response is read as the same head, body, trailers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ResponseWire } from "../../src/exchange/wire.ts";
import type { ResponseHead } from "../../src/ipc/messages.ts";

interface Read {
  readonly interim: ResponseHead[];
  readonly head: ResponseHead | null;
  readonly body: string;
  readonly trailers: string[] | null;
}

const text = "grüße, 世界, \r\n0\r\n\r\n and more";
const bytes = Buffer.byteLength(text);

/** Responses as Node writes them, and how they are to be read. */
const framings: Record<string, { wire: string; expected: Partial<Read> }> = {
  "with a length": {
    wire: `HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Length: ${bytes}\r\nConnection: keep-alive\r\n\r\n${text}`,
    expected: { head: head(200, "OK", ["X-One", "1", "Content-Length", String(bytes)]), body: text },
  },
  "in chunks": {
    wire:
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n` +
      `${bytes.toString(16)}\r\n${text}\r\n3\r\nend\r\n0\r\n\r\n`,
    expected: {
      head: head(200, "OK", [], { close: true, transferEncoding: "chunked" }),
      body: `${text}end`,
      trailers: [],
    },
  },
  "in chunks, with trailers": {
    wire: "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: a:b\r\nX-Two: 2\r\n\r\n",
    expected: {
      head: head(200, "OK", ["Trailer", "X-Sum"], { transferEncoding: "chunked" }),
      body: "hello",
      trailers: ["X-Sum", "a:b", "X-Two", "2"],
    },
  },
  "until the connection closes": {
    wire: `HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n${text}`,
    expected: { head: head(200, "OK", [], { close: true }), body: text },
  },
  "with no body": {
    wire: 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nKeep-Alive: timeout=5\r\n\r\n',
    expected: { head: head(304, "Not Modified", ["ETag", '"x"']) },
  },
  "with no headers and an empty reason": {
    wire: "HTTP/1.1 204 \r\n\r\n",
    expected: { head: head(204, "", []) },
  },
  "after interim responses": {
    wire: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    expected: {
      interim: [head(100, "Continue", []), head(103, "Early Hints", ["Link", "</a.css>"])],
      head: head(200, "OK", ["Content-Length", "2"]),
      body: "hi",
    },
  },
};

for (const [what, { wire, expected }] of Object.entries(framings)) {
  const whole: Read = { interim: [], head: null, body: "", trailers: null, ...expected };

  test(`a response ${what} is read the same, cut at any byte`, () => {
    const all = Buffer.from(wire);
    for (let cut = 0; cut <= all.length; cut++) {
      assert.deepEqual(read([all.subarray(0, cut), all.subarray(cut)]), whole, `cut at ${cut}`);
    }
    assert.deepEqual(read([...all].map((byte) => Buffer.from([byte]))), whole, "byte by byte");
  });

  test(`a response ${what} is read the same as text, cut at any character`, () => {
    for (let cut = 0; cut <= wire.length; cut++) {
      assert.deepEqual(read([wire.slice(0, cut), wire.slice(cut)]), whole, `cut at ${cut}`);
    }
  });

  test(`a response ${what} is read the same when text and bytes take turns`, () => {
    for (let cut = 0; cut <= wire.length; cut++) {
      assert.deepEqual(read([wire.slice(0, cut), Buffer.from(wire.slice(cut))]), whole, `cut at ${cut}`);
    }
  });
}

test("a body in another encoding arrives as its bytes", () => {
  const start = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
  const pieces: Buffer[] = [];
  const wire = wireTo({ body: (piece) => pieces.push(Buffer.from(piece as Uint8Array)) });
  wire.write(start, "latin1");
  wire.write("\xe9\xff", "latin1");
  wire.write("c3a9", "hex");
  assert.equal(Buffer.concat(pieces).toString("hex"), "e9ffc3a9");
});

function read(pieces: readonly (string | Uint8Array)[]): Read {
  const interim: ResponseHead[] = [];
  const body: Buffer[] = [];
  let finalHead: ResponseHead | null = null;
  let trailers: string[] | null = null;
  const wire = wireTo({
    interim: (each) => interim.push(each),
    head: (each) => {
      assert.equal(finalHead, null, "one head");
      finalHead = each;
    },
    body: (piece) => body.push(typeof piece === "string" ? Buffer.from(piece) : Buffer.from(piece)),
    trailers: (raw) => {
      assert.equal(trailers, null, "trailers once");
      trailers = raw;
    },
  });
  for (const piece of pieces) wire.write(piece, "utf8");
  return { interim, head: finalHead, body: Buffer.concat(body).toString(), trailers };
}

function wireTo(reader: Partial<ConstructorParameters<typeof ResponseWire>[0]>): ResponseWire {
  return new ResponseWire({ interim() {}, head() {}, body() {}, trailers() {}, ...reader });
}

function head(
  status: number,
  statusMessage: string,
  rawHeaders: string[],
  rest: Partial<ResponseHead> = {},
): ResponseHead {
  return { status, statusMessage, rawHeaders, transferEncoding: null, close: false, ...rest };
}
