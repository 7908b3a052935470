import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccessLogFormat } from "../../src/config/settings.ts";
import { type AccessEntry, lineFormat, maxLineBytes } from "../../src/log/access-line.ts";

const entry: AccessEntry = {
  method: "GET",
  path: "/users/7?full=1",
  httpVersion: "1.1",
  status: 200,
  bytes: 1234,
  waitMs: 0.25,
  runMs: 12.3456,
  model: "sync",
  worker: 3,
  remote: "10.0.0.7",
  referer: "https://example.org/",
  userAgent: "curl/8.1",
};
const atMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const formats: AccessLogFormat[] = ["json", "common", "combined"];

function lineOf(format: AccessLogFormat, part: Partial<AccessEntry> = {}, pretty = false): string {
  return lineFormat({ format, pretty, colour: false, pid: 42 })({ ...entry, ...part }, atMs);
}

test("a JSON line holds everything that is known of the request", () => {
  assert.deepEqual(JSON.parse(lineOf("json")), {
    level: "info",
    time: "2026-01-02T03:04:05.678Z",
    pid: 42,
    component: "access",
    method: "GET",
    path: "/users/7?full=1",
    status: 200,
    bytes: 1234,
    waitMs: 0.25,
    runMs: 12.346,
    model: "sync",
    worker: 3,
    remote: "10.0.0.7",
    httpVersion: "1.1",
    referer: "https://example.org/",
    userAgent: "curl/8.1",
  });
});

test("what is not known is left out of a JSON line, and an error's code is in it", () => {
  const bare = {
    remote: undefined,
    referer: undefined,
    userAgent: undefined,
    worker: null,
    status: 503,
    code: "SY_QUEUE_FULL",
  };
  const line = JSON.parse(lineOf("json", bare));
  assert.deepEqual(Object.keys(line).slice(4), [
    ..."method path status bytes waitMs runMs model worker code httpVersion".split(" "),
  ]);
  assert.equal(line.worker, null);
  assert.equal(line.code, "SY_QUEUE_FULL");
});

test("lengths of time are exact to the microsecond", () => {
  for (const [given, written] of [
    [0, 0],
    [0.001, 0.001],
    [0.0099, 0.01],
    [1.05, 1.05],
    [999.9996, 1000],
    [61_234.567, 61_234.567],
  ]) {
    assert.equal(JSON.parse(lineOf("json", { runMs: given! })).runMs, written);
  }
});

test("a client's fields are right for each of several clients in turn", () => {
  const format = lineFormat({ format: "json", pretty: false, colour: false, pid: 1 });
  for (const userAgent of ["a", "b", "b", undefined, "a"]) {
    assert.equal(JSON.parse(format({ ...entry, userAgent }, atMs)).userAgent, userAgent);
  }
  for (const remote of ["1.1.1.1", "2.2.2.2", "", undefined]) {
    assert.equal(JSON.parse(format({ ...entry, remote }, atMs)).remote, remote === "" ? undefined : remote);
  }
});

test("the time of a line is the request's, though it is only formatted once for many", () => {
  const format = lineFormat({ format: "json", pretty: false, colour: false, pid: 1 });
  const times = [0, 0, 1, 1000, 999].map((after) => JSON.parse(format(entry, atMs + after)).time.slice(17, 23));
  assert.deepEqual(times, ["05.678", "05.678", "05.679", "06.678", "06.677"]);
});

test("common and combined lines are Apache's", () => {
  const time = String.raw`\[0[123]/Jan/2026:\d\d:\d\d:05 [+-]\d{4}\]`;
  const common = String.raw`10\.0\.0\.7 - - ${time} "GET /users/7\?full=1 HTTP/1\.1" 200 1234`;
  assert.match(lineOf("common"), new RegExp(`^${common}\n$`));
  assert.match(lineOf("combined"), new RegExp(`^${common} "https://example\\.org/" "curl/8\\.1"\n$`));
});

test("what is missing from a common or combined line is a dash", () => {
  const bare = { bytes: 0, remote: undefined, referer: undefined, userAgent: undefined };
  assert.match(lineOf("common", bare), /^- - - \[.*\] "GET .*" 200 -\n$/);
  assert.match(lineOf("combined", bare), / 200 - "-" "-"\n$/);
});

test("the date of a common line is the machine's, and its offset is that date's", () => {
  const text = /\[(.*)\]/.exec(lineOf("common"))![1]!;
  const [, day, month, year, time, offset] = /^(\d+)\/(\w+)\/(\d+):(\S+) (.*)$/.exec(text)!;
  assert.equal(Date.parse(`${day} ${month} ${year} ${time} ${offset}`), Math.floor(atMs / 1000) * 1000);
});

test("no client can forge a line, break a quote, or move a terminal's cursor", () => {
  const evil = 'a"b\\c\nd\re\tf\x1b[2Jg\x00h\x7fi\x9bj\u2028k\xe9';
  for (const format of formats) {
    for (const pretty of [false, true]) {
      const line = lineOf(format, { path: evil, userAgent: evil, referer: evil, remote: evil, method: evil }, pretty);
      assert.match(line, /^[\x20-\x7e]*\n$/, `${format} ${pretty}`);
    }
  }
  assert.equal(JSON.parse(lineOf("json", { path: evil, userAgent: evil })).userAgent, evil);
  assert.match(
    lineOf("common", { path: evil }),
    /a\\"b\\\\c\\x0ad\\x0de\\x09f\\x1b\[2Jg\\x00h\\x7fi\\x9bj\\xe2\\x80\\xa8k\\xe9/,
  );
});

test("no line is longer than a pipe takes in one piece, and what is cut is marked", () => {
  for (const text of ["a".repeat(16_000), "\x01".repeat(16_000), '"'.repeat(16_000), "\ud83d\ude80".repeat(8_000)]) {
    for (const format of formats) {
      for (const pretty of [false, true]) {
        const line = lineOf(format, { path: text, userAgent: text, referer: text }, pretty);
        assert.ok(line.length <= maxLineBytes, `${format}: ${line.length}`);
        assert.ok(line.endsWith("\n"));
        assert.ok(line.includes("..."));
      }
    }
    const { path } = JSON.parse(lineOf("json", { path: text, userAgent: text }));
    assert.ok(text.startsWith(path.slice(0, -3)) && path.length > 100);
  }
});

test("a long path alone is kept whole where it fits", () => {
  const path = `/${"a".repeat(3_000)}`;
  assert.equal(JSON.parse(lineOf("json", { path })).path, path);
});

test("on a terminal, json is a short line for people, coloured by status", () => {
  assert.match(
    lineOf("json", {}, true),
    /^\d\d:\d\d:\d\d 200 GET \/users\/7\?full=1 12\.3 ms after 0\.3 ms in the queue, 1234 bytes, worker 3\n$/,
  );
  const colours = [200, 304, 404, 500].map((status) => {
    const line = lineFormat({ format: "json", pretty: true, colour: true, pid: 1 })({ ...entry, status }, atMs);
    return line.split("\x1b[")[3]?.slice(0, 2);
  });
  assert.deepEqual(colours, ["32", "36", "33", "31"]);
});
