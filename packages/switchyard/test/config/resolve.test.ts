import assert from "node:assert/strict";
import { test } from "node:test";
import { parseServeFlags } from "../../src/config/flags.ts";
import type { LoadedConfig } from "../../src/config/load.ts";
import type { OptionKey } from "../../src/config/option.ts";
import { resolveSettings } from "../../src/config/resolve.ts";
import type { ServeSettings } from "../../src/config/settings.ts";

interface Given {
  flags?: string;
  config?: Partial<ServeSettings>;
  env?: Record<string, string>;
}

function settingsFrom({ flags = "", config, env = {} }: Given): ServeSettings {
  const loaded: LoadedConfig | null =
    config === undefined
      ? null
      : {
          file: "/etc/switchyard.config.ts",
          app: null,
          values: new Map(Object.entries(config) as [OptionKey, unknown][]),
        };
  return resolveSettings({
    flags: parseServeFlags(flags.split(" ").filter((word) => word !== "")),
    config: loaded,
    env,
    cwd: "/srv",
    app: "/srv/app.ts",
  });
}

test("with nothing given, every option has its default", () => {
  assert.deepEqual(settingsFrom({}), {
    app: "/srv/app.ts",
    given: [],
    model: "auto",
    autoThresholdMs: 20,
    workers: "auto",
    threads: 0,
    preemptMs: 0,
    host: "127.0.0.1",
    port: 3000,
    unix: null,
    unixMode: null,
    user: null,
    group: null,
    trustProxy: ["127.0.0.0/8", "::1", "unix"],
    proxyProtocol: false,
    adminPort: 0,
    adminHost: "127.0.0.1",
    adminTokenFile: null,
    controlSocket: "auto",
    tlsCert: null,
    tlsKey: null,
    lanes: [],
    queueLimit: 1024,
    queueTimeoutMs: 30_000,
    runTimeoutMs: 60_000,
    blockedThresholdMs: 500,
    headersTimeoutMs: 10_000,
    tlsHandshakeTimeoutMs: 10_000,
    requestTimeoutMs: 300_000,
    keepAliveTimeoutMs: 5_000,
    maxHeaderBytes: 16_384,
    bodyLimitBytes: 1_073_741_824,
    startTimeoutMs: 30_000,
    drainTimeoutMs: 30_000,
    lameDuckMs: 0,
    pidFile: null,
    maxRequests: 0,
    maxLifetimeMs: 0,
    memoryLimitBytes: 0,
    heapLimitBytes: 0,
    logLevel: "info",
    accessLog: "json",
    logFile: null,
    accessLogFile: null,
    verbose: false,
  } satisfies ServeSettings);
});

test("a flag comes before the config file, it before the environment, and that before the default", () => {
  const env = { PORT: "3" };
  assert.equal(settingsFrom({ flags: "--port 1", config: { port: 2 }, env }).port, 1);
  assert.equal(settingsFrom({ config: { port: 2 }, env }).port, 2);
  assert.equal(settingsFrom({ env }).port, 3);
  assert.equal(settingsFrom({ env: { PORT: "" } }).port, 3000);
});

test("what was given is known by whichever way it was, also where it is the default", () => {
  const given = { flags: "--keep-alive-timeout 5s", config: { model: "sync" as const }, env: { PORT: "3" } };
  assert.deepEqual(settingsFrom(given).given.toSorted(), ["host", "keepAliveTimeoutMs", "model", "port"]);
});

test("null in the config file turns an option off, and does not fall through to the default", () => {
  const settings = settingsFrom({ config: { accessLog: null, adminPort: null } });
  assert.equal(settings.accessLog, null);
  assert.equal(settings.adminPort, null);
});

test("the host is every address when the port comes from PORT, and only then", () => {
  assert.equal(settingsFrom({ env: { PORT: "8080" } }).host, "0.0.0.0");
  assert.equal(settingsFrom({ flags: "--port 80", env: { PORT: "8080" } }).host, "127.0.0.1");
  assert.equal(settingsFrom({ flags: "--host ::1", env: { PORT: "8080" } }).host, "::1");
  assert.equal(settingsFrom({ config: { host: "10.0.0.1" }, env: { PORT: "8080" } }).host, "10.0.0.1");
});

test("a PORT that is no port is refused by its name", () => {
  assert.throws(() => settingsFrom({ env: { PORT: "http" } }), {
    code: "SY_OPTION_VALUE",
    saw: /environment variable PORT is "http"/,
  });
  assert.equal(settingsFrom({ flags: "--port 1", env: { PORT: "http" } }).port, 1);
});

test("threads alone mean one process", () => {
  assert.equal(settingsFrom({ flags: "--model sync --threads 4" }).workers, 1);
  assert.equal(settingsFrom({ config: { threads: 4 } }).workers, 1);
  assert.equal(settingsFrom({ flags: "--threads 4 --workers 2" }).workers, 2);
  assert.equal(settingsFrom({ flags: "--threads 4 --workers auto" }).workers, "auto");
  assert.equal(settingsFrom({ flags: "--threads 0" }).workers, "auto");
});

test("relative paths among the flags are relative to the current folder", () => {
  const settings = settingsFrom({ flags: "--unix run/app.sock --tls-cert cert.pem --tls-key /keys/key.pem" });
  assert.equal(settings.unix, "/srv/run/app.sock");
  assert.equal(settings.tlsCert, "/srv/cert.pem");
  assert.equal(settings.tlsKey, "/keys/key.pem");
});

test("a UNIX socket and a port exclude each other, and the nearer one to the command wins", () => {
  assert.throws(() => settingsFrom({ flags: "--unix a --port 1" }), { code: "SY_OPTION_VALUE", saw: /unix and port/ });
  assert.throws(() => settingsFrom({ config: { unix: "/a", host: "::" } }), {
    code: "SY_CONFIG_VALUE",
    saw: /unix and host/,
  });
  assert.equal(settingsFrom({ flags: "--port 1", config: { unix: "/a" } }).unix, null);
  assert.equal(settingsFrom({ flags: "--unix a", config: { port: 1 } }).unix, "/srv/a");
  assert.equal(settingsFrom({ flags: "--unix a", env: { PORT: "1" } }).unix, "/srv/a");
});

test("a certificate needs its key, and a key its certificate", () => {
  assert.throws(() => settingsFrom({ flags: "--tls-cert a" }), {
    code: "SY_OPTION_VALUE",
    saw: /--tls-cert is given without --tls-key/,
  });
  assert.throws(() => settingsFrom({ flags: "--tls-key a" }), { code: "SY_OPTION_VALUE" });
  assert.throws(() => settingsFrom({ config: { tlsKey: "/a" } }), {
    code: "SY_CONFIG_VALUE",
    saw: /tlsKey is given without tlsCert/,
  });
  assert.equal(settingsFrom({ flags: "--tls-cert a", config: { tlsKey: "/b" } }).tlsKey, "/b");
});

test("the time for headers is never longer than the time for the whole request", () => {
  assert.equal(settingsFrom({ flags: "--request-timeout 5s" }).headersTimeoutMs, 5_000);
  assert.equal(settingsFrom({ config: { requestTimeoutMs: 0 } }).headersTimeoutMs, 10_000);
  assert.equal(settingsFrom({ flags: "--request-timeout 5s --headers-timeout 0" }).headersTimeoutMs, 0);
  assert.throws(() => settingsFrom({ flags: "--request-timeout 5s --headers-timeout 6s" }), {
    code: "SY_OPTION_VALUE",
    saw: /--headers-timeout is 6000 ms, and --request-timeout is 5000 ms/,
  });
  assert.throws(() => settingsFrom({ config: { headersTimeoutMs: 400_000 } }), { code: "SY_CONFIG_VALUE" });
});
