import assert from "node:assert/strict";
import { test } from "node:test";
import { parseServeFlags } from "../../src/config/flags.ts";
import { eachOption } from "../../src/config/options.ts";

function valuesOf(...args: string[]): Record<string, unknown> {
  return Object.fromEntries(parseServeFlags(args).values);
}

test("every kind of flag is read with its unit", () => {
  const values = valuesOf(
    ..."--model sync --workers 4 --threads 2 --host ::1 --port 0 --unix a.sock --admin-port off --log-level debug".split(
      " ",
    ),
    ..."--access-log combined --verbose --queue-limit 10 --run-timeout 2m --headers-timeout 500".split(" "),
    ..."--request-timeout 1.5s --keep-alive-timeout 250ms --drain-timeout 1h --max-header-bytes 32kb".split(" "),
    ..."--body-limit 10MB".split(" "),
  );
  assert.deepEqual(values, {
    model: "sync",
    workers: 4,
    threads: 2,
    host: "::1",
    port: 0,
    unix: "a.sock",
    adminPort: null,
    logLevel: "debug",
    accessLog: "combined",
    verbose: true,
    queueLimit: 10,
    runTimeoutMs: 120_000,
    headersTimeoutMs: 500,
    requestTimeoutMs: 1_500,
    keepAliveTimeoutMs: 250,
    drainTimeoutMs: 3_600_000,
    maxHeaderBytes: 32_768,
    bodyLimitBytes: 10_485_760,
  });
});

test("what is not given is not there, so that a default can't hide the config file", () => {
  assert.deepEqual(valuesOf("app.ts"), {});
});

test("the application may stand before, between and after flags, and after a lone --", () => {
  for (const line of ["app.ts --port 1", "--port 1 app.ts", "--verbose app.ts --port=1", "--port 1 -- app.ts"]) {
    assert.equal(parseServeFlags(line.split(" ")).app, "app.ts", line);
  }
});

test("the last of a flag given twice counts, and --no-access-log is one of them", () => {
  assert.deepEqual(valuesOf("--port", "1", "--port", "2"), { port: 2 });
  assert.deepEqual(valuesOf("--access-log", "json", "--no-access-log"), { accessLog: null });
  assert.deepEqual(valuesOf("--no-access-log", "--access-log=common"), { accessLog: "common" });
  assert.deepEqual(valuesOf("--access-log", "off"), { accessLog: null });
});

test("an unknown flag is refused, with the nearest one named", () => {
  const nearest = {
    "--prot": "--port",
    "--worker": "--workers",
    "--queue_limit": "--queue-limit",
    "--acces-log": "--access-log",
  };
  for (const [given, meant] of Object.entries(nearest)) {
    assert.throws(() => parseServeFlags([given, "1"]), {
      code: "SY_UNKNOWN_OPTION",
      saw: `The option ${given} is not known.`,
      fix: new RegExp(`Did you mean ${meant}\\?`),
    });
  }
  assert.throws(() => parseServeFlags(["--quantum-tunnel"]), {
    code: "SY_UNKNOWN_OPTION",
    fix: /^"switchyard serve --help"/,
  });
  assert.throws(() => parseServeFlags(["-p", "80"]), { code: "SY_UNKNOWN_OPTION" });
});

test("a second argument is refused", () => {
  assert.throws(() => parseServeFlags(["a.ts", "b.ts"]), { code: "SY_UNKNOWN_OPTION", saw: /"a\.ts" and "b\.ts"/ });
});

test("a value that is not allowed is refused, with what was given and what is allowed", () => {
  const refused: [string, string, RegExp][] = [
    ["--port", "65536", /a whole number from 0 to 65535/],
    ["--port", "80.5", /whole number/],
    ["--port", "0x50", /whole number/],
    ["--port=-1", "", /whole number/],
    ["--workers", "0", /from 1 to 1024, or auto/],
    ["--workers", "many", /or auto/],
    ["--threads", "-2", /whole number/],
    ["--model", "fibers", /one of auto, sync, async, hybrid, greenlet/],
    ["--admin-port", "on", /or off/],
    ["--log-level", "loud", /one of trace, debug/],
    ["--access-log", "apache", /json, common, combined/],
    ["--run-timeout", "5 weeks", /length of time/],
    ["--run-timeout", "1e3", /length of time/],
    ["--start-timeout", "0", /1 ms or more/],
    ["--drain-timeout", "30d", /length of time/],
    ["--drain-timeout", "99999h", /length of time/],
    ["--body-limit", "10xb", /number of bytes/],
    ["--max-header-bytes", "10", /number of bytes/],
  ];
  for (const [flag, value, allowed] of refused) {
    assert.throws(
      () => parseServeFlags(value === "" ? [flag] : [flag, value]),
      { code: "SY_OPTION_VALUE", saw: allowed },
      `${flag} ${value}`,
    );
  }
  assert.throws(() => parseServeFlags(["--model", "grenlet"]), { fix: /^Did you mean greenlet\?/ });
});

test("a flag with no value, or with another flag where its value belongs, is refused", () => {
  assert.throws(() => parseServeFlags(["--port"]), { code: "SY_OPTION_VALUE", saw: /--port has no value/ });
  assert.throws(() => parseServeFlags(["--host="]), { code: "SY_OPTION_VALUE", saw: /--host has no value/ });
  assert.throws(() => parseServeFlags(["--host", "--port", "1"]), {
    code: "SY_OPTION_VALUE",
    saw: /followed by --port/,
  });
  assert.throws(() => parseServeFlags(["--config"]), { code: "SY_OPTION_VALUE", saw: /--config has no value/ });
  assert.throws(() => parseServeFlags(["--verbose=yes"]), { code: "SY_OPTION_VALUE", saw: /takes none/ });
});

test("every option's default is a value that it takes, as it is printed and as it is kept", () => {
  for (const { key, record } of eachOption()) {
    if (record.kind.placeholder === "" || record.default === null) continue;
    const text = record.kind.toText(record.default);
    assert.deepEqual(valuesOf(`--${record.flag}=${text}`), { [key]: record.default });
  }
});
