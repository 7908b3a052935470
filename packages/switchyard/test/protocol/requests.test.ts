// A program sees of a request what it sees on bare node:http: every field of IncomingMessage, of its socket and of its fresh
// response, for requests as awkward as HTTP allows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startBare } from "../harness/bare.ts";
import { models } from "../harness/models.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startServer } from "../harness/server.ts";

const close = "Connection: close\r\n";
const host = "Host: x\r\n";

const requests: Readonly<Record<string, string>> = {
  "a plain GET": `GET /fields HTTP/1.1\r\n${host}${close}\r\n`,
  "fields that come twice":
    `GET /fields HTTP/1.1\r\n${host}X-Dup: 1\r\nx-dup: 2\r\nCookie: a=1\r\nCookie: b=2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n` +
    `Content-Type: a/b\r\nContent-Type: c/d\r\nAuthorization: 1\r\nAuthorization: 2\r\nReferer: r\r\nReferer: s\r\n` +
    `User-Agent: u\r\nUser-Agent: v\r\nAccept: x\r\nAccept: y\r\n${close}\r\n`,
  "Host twice": `GET /fields HTTP/1.1\r\n${host}Host: y\r\n${close}\r\n`,
  "empty values, space around values, and odd letter case": `GET /fields HTTP/1.1\r\nhOsT:   x  \r\nX-Empty:\r\nX-Space: \t two words \t\r\nX-MiXeD: Yes\r\n${close}\r\n`,
  "bytes above 127": `GET /fields?q=%E4 HTTP/1.1\r\n${host}X-Latin: caf\xe9 \xff\r\n${close}\r\n`,
  "names of Object.prototype": `GET /fields HTTP/1.1\r\n${host}__proto__: a\r\nconstructor: b\r\ntoString: c\r\nhasOwnProperty: d\r\n${close}\r\n`,
  "more fields than Node reads": `GET /fields HTTP/1.1\r\n${host}${close}${"a:1\r\n".repeat(2_500)}\r\n`,
  "one long field": `GET /fields HTTP/1.1\r\n${host}${close}X-Long: ${"l".repeat(15_000)}\r\n\r\n`,
  "HTTP/1.0 without Host": "GET /fields HTTP/1.0\r\n\r\n",
  "HTTP/1.0 that takes chunks": "GET /fields HTTP/1.0\r\nTE: chunked\r\n\r\n",
  "HTTP/1.1 without Host": `GET /fields HTTP/1.1\r\n${close}\r\n`,
  "an absolute URL": `GET http://example.com/fields?a=1#f HTTP/1.1\r\n${host}${close}\r\n`,
  "a query with characters that should be escaped": `GET /fields?a|b={c}^"d' HTTP/1.1\r\n${host}${close}\r\n`,
  "several options of Connection": `GET /fields HTTP/1.1\r\n${host}Connection: TE, close\r\nTE: trailers\r\n\r\n`,
  "a POST with a length": `POST /fields HTTP/1.1\r\n${host}${close}Content-Length: 5\r\n\r\nb\xf6dy!`,
  "a POST of nothing": `POST /fields HTTP/1.1\r\n${host}${close}Content-Length: 0\r\n\r\n`,
  "a POST without a length": `POST /fields HTTP/1.1\r\n${host}${close}\r\n`,
  "a POST in chunks with extensions and trailers":
    `POST /fields HTTP/1.1\r\n${host}${close}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n` +
    `3;ext=1\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Sum: 19\r\nX-Sum: twice\r\nSet-Cookie: a\r\n\r\n`,
  "a GET with a body": `GET /fields HTTP/1.1\r\n${host}${close}Content-Length: 3\r\n\r\nabc`,
  "DELETE with a body in chunks": `DELETE /fields HTTP/1.1\r\n${host}${close}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
  "a method of WebDAV": `PROPFIND /fields HTTP/1.1\r\n${host}${close}\r\n`,
  "a method with a dash": `M-SEARCH /fields HTTP/1.1\r\n${host}${close}\r\n`,
};

for (const { name, args } of models) {
  test(`${name}: a program sees the same request as on bare node:http`, async (t) => {
    const bare = await startBare(t);
    const server = await startServer(t, { app: "protocol/app.js", args });
    for (const [what, text] of Object.entries(requests)) {
      await t.test(what, async (t) => {
        const [ours, theirs] = await Promise.all(
          [server.url, bare.url].map(async (url) => seen(await (await connectRaw(t, url)).send(text).ended())),
        );
        assert.deepEqual(ours, theirs);
      });
    }
    assert.equal((await server.status()).restarts, 0);
  });
}

/** The status line and, where the program answered, what it saw. */
function seen(text: string): { status: string; saw: unknown } {
  const status = text.slice(0, text.indexOf("\r\n"));
  if (!status.includes("200")) return { status, saw: null };
  const body = text.slice(text.indexOf("\r\n\r\n") + 4).replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/g, "");
  return { status, saw: JSON.parse(body) };
}
