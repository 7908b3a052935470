// Spans of OpenTelemetry, as a collector gets them from the real server.

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { startCollector } from "../harness/collector.ts";
import { startGate } from "../harness/gate.ts";
import { models } from "../harness/models.ts";
import { get, startServer } from "../harness/server.ts";

const shapes = models.filter(({ name }) =>
  ["hybrid --workers 2", "sync --workers 2", "a sync lane beside loops"].includes(name),
);
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentSpanId = "00f067aa0ba902b7";
const context = { traceparent: `00-${traceId}-${parentSpanId}-01`, tracestate: "rojo=1" };
const app = "faults/app.mjs";

assert.equal(shapes.length, 3);

for (const { name, args, model } of shapes) {
  const isLane = args.includes("--lane");

  test(`${name}: each request gets a server span, with its parent, its lane, worker, wait and run`, async (t) => {
    const collector = await startCollector(t);
    const env = { ...collector.env, OTEL_SERVICE_NAME: "shop", OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20b" };
    const server = await startServer(t, { app, args: [...args, "--no-access-log"], env });
    const before = Date.now();
    const headers = { ...context, "User-Agent": "test/1" };
    assert.equal((await server.get("/not-there?token=secret", { headers })).status, 404);
    const [span] = await collector.waitFor(1);
    const after = Date.now();
    assert.ok(span !== undefined);

    assert.equal(span.traceId, traceId);
    assert.equal(span.parentSpanId, parentSpanId);
    assert.equal(span.traceState, "rojo=1");
    assert.match(span.spanId, /^[0-9a-f]{16}$/);
    assert.equal(span.kind, 2);
    assert.equal(span.name, "GET");
    assert.deepEqual(span.status, {});
    assert.equal(span.resource["service.name"], "shop");
    const { port } = new URL(server.url);
    const { attributes } = span;
    const {
      "network.peer.port": peerPort,
      "switchyard.wait_ms": waitMs,
      "switchyard.run_ms": runMs,
      ...rest
    } = attributes;
    const { "switchyard.worker": worker, "switchyard.lane": lane, ...fields } = rest;
    assert.deepEqual(fields, {
      "http.request.method": "GET",
      "url.path": "/not-there",
      "url.scheme": "http",
      "server.address": "127.0.0.1",
      "server.port": Number(port),
      "client.address": "127.0.0.1",
      "network.peer.address": "127.0.0.1",
      "user_agent.original": "test/1",
      "http.response.status_code": 404,
      "network.protocol.version": "1.1",
      "switchyard.outcome": "answered",
    });
    assert.ok(Number(peerPort) > 0);
    assert.ok(Number(worker) >= (isLane ? 101 : 1), String(worker));
    assert.equal(lane === "default", !isLane, String(lane));
    assert.ok(model === "sync" ? Number(waitMs) >= 0 : waitMs === 0);
    assert.ok(Number(runMs) > 0);
    const startedAtMs = Number(span.startTimeUnixNano) / 1e6;
    const endedAtMs = Number(span.endTimeUnixNano) / 1e6;
    assert.ok(startedAtMs >= before - 1 && startedAtMs < endedAtMs && endedAtMs <= after + 1);

    const [sending] = collector.sendings;
    assert.equal(sending?.path, "/v1/traces");
    assert.equal(sending?.headers["x-key"], "a b");
    assert.equal(sending?.headers["content-type"], "application/json");
  });

  test(`${name}: a failed request is an error, one that the client leaves has no status`, async (t) => {
    const collector = await startCollector(t);
    const gate = await startGate(t);
    const server = await startServer(t, {
      app,
      args: [...args, "--no-access-log"],
      env: { ...collector.env, ...gate.env },
    });
    assert.equal((await server.get("/bad-header")).status, 500);
    const [failed] = await collector.waitFor(1);
    assert.deepEqual(failed?.status, { code: 2 });
    assert.equal(failed?.attributes["error.type"], "500");
    assert.equal(failed?.attributes["switchyard.outcome"], "failed");
    assert.equal(failed?.parentSpanId, undefined);
    assert.match(failed?.traceId ?? "", /^[0-9a-f]{32}$/);

    const left = http.get(`${server.url}/gate`, { agent: false }).on("error", () => {});
    await gate.waitFor(1);
    left.destroy();
    const [aborted] = await collector.waitFor(1, ({ attributes }) => attributes["url.path"] === "/gate");
    assert.equal(aborted?.attributes["switchyard.outcome"], "aborted");
    assert.equal(aborted?.attributes["http.response.status_code"], undefined);
    assert.deepEqual(aborted?.status, {});
  });

  test(`${name}: spans that wait are sent when the server drains`, async (t) => {
    const collector = await startCollector(t);
    const env = { ...collector.env, OTEL_BSP_SCHEDULE_DELAY: "3600000" };
    const server = await startServer(t, { app, args: [...args, "--no-access-log"], env });
    for (let i = 0; i < 10; i++) await server.get("/not-there");
    assert.equal(collector.spans.length, 0);
    assert.equal(await server.stop(), 0);
    assert.equal(collector.spans.length, 10);
  });

  test(`${name}: a collector that hangs harms neither requests nor the drain, and what is dropped is told`, async (t) => {
    const collector = await startCollector(t);
    const env = { ...collector.env, OTEL_BSP_MAX_QUEUE_SIZE: "2", OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "1" };
    // One worker, so that it is known who has how many spans.
    const one = isLane
      ? args.map((arg, at) => (args[at - 1] === "--workers" ? "1" : arg))
      : [...args.slice(0, 2), "--workers", "1"];
    const server = await startServer(t, { app, args: [...one, "--no-access-log"], env });
    const held = collector.holdNext();
    await server.get("/not-there");
    await held;
    for (let i = 0; i < 9; i++) assert.equal((await server.get("/not-there")).status, 404);
    // One is on its way, and one waits.
    await server.waitForStatus(({ dropped }) => dropped.spans === 8);
    assert.equal(await server.stop(), 0);
    const told = server.lines.filter(({ msg }) => msg?.startsWith("Spans are not all delivered"));
    assert.equal(told.at(-1)?.droppedInAll, 10);
  });
}

for (const { name, args } of shapes.slice(0, 2)) {
  test(`${name}: the application sees the traceparent of the client, and none where it sent none`, async (t) => {
    const collector = await startCollector(t);
    const server = await startServer(t, {
      app: "protocol/app.js",
      args: [...args, "--no-access-log"],
      env: collector.env,
    });
    const sent = await server.get("/fields", { headers: context });
    for (const value of Object.values(context)) assert.ok(sent.body.includes(value), sent.body);
    assert.ok(!(await server.get("/fields")).body.includes("traceparent"));
    await collector.waitFor(2);
  });
}

const hybrid = ["--model", "hybrid", "--workers", "1", "--no-access-log"];

test("a collector that is down gets the spans when it is there again", async (t) => {
  const collector = await startCollector(t);
  collector.answer = { status: 503, body: "" };
  const server = await startServer(t, { app, args: hybrid, env: collector.env });
  assert.equal((await server.get("/not-there")).status, 404);
  const warning = await server.waitForLine(({ msg }) => msg?.startsWith("Spans are not all delivered") ?? false);
  assert.match(warning.msg ?? "", /it answered 503/);
  assert.equal(warning.waiting, 1);
  collector.answer = { status: 200, body: "{}" };
  await collector.waitFor(1);
  assert.equal(await server.stop(), 0);
  assert.equal(collector.spans.length, 1);
});

test("with nobody at the address requests are answered and the server ends, and with a refusal too", async (t) => {
  const collector = await startCollector(t);
  collector.answer = { status: 400, body: "" };
  const dead = { ...collector.env, OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };
  for (const [env, why] of [
    [dead, /ECONNREFUSED/],
    [collector.env, /it answered 400/],
  ] as const) {
    const server = await startServer(t, { app, args: hybrid, env });
    assert.equal((await server.get("/not-there")).status, 404);
    await server.waitForLine(({ msg }) => why.test(msg ?? ""));
    assert.equal((await server.get("/not-there")).status, 404);
    assert.equal(await server.stop(), 0);
    assert.equal(server.lines.findLast(({ droppedInAll }) => droppedInAll !== undefined)?.droppedInAll, 2);
  }
});

test("a framework's route names the span", async (t) => {
  const collector = await startCollector(t);
  const server = await startServer(t, { app: "fastify/app.js", args: hybrid, env: collector.env });
  await server.get("/status/201");
  const [span] = await collector.waitFor(1);
  assert.equal(span?.name, "GET /status/:code");
  assert.equal(span?.attributes["http.route"], "/status/:code");
});

test("a request that is refused before the application gets a span, and a trusted proxy's client is its client", async (t) => {
  const collector = await startCollector(t);
  const args = [...hybrid, "--body-limit", "10", "--trust-proxy", "127.0.0.1"];
  const server = await startServer(t, { app, args, env: collector.env });
  const headers = { "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https" };
  const answer = await get(`${server.url}/upload`, { method: "POST", headers, body: "more than ten bytes" });
  assert.equal(answer.status, 413);
  const [span] = await collector.waitFor(1);
  assert.equal(span?.name, "POST");
  assert.equal(span?.attributes["http.response.status_code"], 413);
  assert.equal(span?.attributes["switchyard.outcome"], "refused");
  assert.equal(span?.attributes["client.address"], "192.0.2.7");
  assert.equal(span?.attributes["network.peer.address"], "127.0.0.1");
  assert.equal(span?.attributes["url.scheme"], "https");
});

test("a caller that does not sample has no span, nor has anybody where the environment forbids it", async (t) => {
  const collector = await startCollector(t);
  const server = await startServer(t, { app, args: hybrid, env: collector.env });
  await server.get("/unsampled", { headers: { traceparent: context.traceparent.replace(/01$/, "00") } });
  await server.get("/sampled", { headers: context });
  await collector.waitFor(1);
  assert.equal(await server.stop(), 0);
  assert.deepEqual(
    collector.spans.map(({ attributes }) => attributes["url.path"]),
    ["/sampled"],
  );
  for (const forbids of [
    { OTEL_SDK_DISABLED: "true" },
    { OTEL_TRACES_SAMPLER: "always_off" },
    { OTEL_TRACES_EXPORTER: "none" },
  ]) {
    const silent = await startServer(t, { app, args: hybrid, env: { ...collector.env, ...forbids } });
    await silent.get("/silent");
    assert.equal(await silent.stop(), 0);
  }
  assert.equal(collector.spans.length, 1);
});

test("settings that make no sense are warned of, and the server serves", async (t) => {
  for (const [env, warning] of [
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317" }, /is no http or https URL/],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
      /OTLP_TRACES_PROTOCOL=http\/json/,
    ],
  ] as const) {
    const server = await startServer(t, { app, args: hybrid, env });
    await server.waitForLine(({ msg }) => warning.test(msg ?? ""));
    assert.equal((await server.get("/not-there")).status, 404);
    assert.equal(await server.stop(), 0);
  }
});
