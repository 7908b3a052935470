// /metrics as Prometheus would read it: parsed by a parser of its text format, under every model.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import parsePrometheus from "parse-prometheus-text-format";
import { metricDefinitions } from "../../src/metrics/definitions.ts";
import { startGate } from "../harness/gate.ts";
import { models } from "../harness/models.ts";
import { until } from "../harness/patience.ts";
import { get, startServer, type TestServer } from "../harness/server.ts";

/** Where every worker serves the one lane that there is. */
const shapes = models.filter(({ args }) => !args.includes("--lane"));

for (const { name, args, model } of shapes) {
  test(`${name}: requests are counted by outcome, and how long they ran is told`, async (t) => {
    const gate = await startGate(t);
    gate.open();
    const server = await start(t, args, gate.env);
    for (let i = 0; i < 5; i++) assert.equal((await server.get("/gate")).status, 200);
    assert.equal((await server.get("/not-there")).status, 404);
    assert.equal((await server.get("/bad-header")).status, 500);
    const count = (each: Metrics, outcome: string) => each.value("requests_total", { lane: "default", outcome });
    // Two workers may have had them, and each tells by itself.
    const metrics = await metricsWhere(server, (each) => count(each, "failed") === 1 && count(each, "answered") === 6);

    assert.equal(count(metrics, "aborted"), 0);
    assert.equal(metrics.value("requests_in_flight", { lane: "default" }), 0);
    assert.equal(metrics.histogram("run_seconds").count, 7);
    assert.equal(metrics.histogram("queue_wait_seconds").count, model === "sync" ? 7 : 0);
    assert.equal(metrics.value("queue_length", { lane: "default" }), model === "sync" ? 0 : undefined);
  });

  test(`${name}: every metric is published as it is defined, and every worker tells how it is`, async (t) => {
    const server = await start(t, args);
    const { workersWanted } = await server.waitForStatus(
      ({ workers, workersWanted }) =>
        workers.length === workersWanted && workers.every(({ vitals }) => vitals !== null && vitals.cpuMs > 0),
    );
    const metrics = await read(server);
    assert.deepEqual(
      metrics.families.map(({ name, type, help }) => ({ name, type, help })),
      metricDefinitions.map(({ name, type, help }) => ({ name, type: type.toUpperCase(), help })),
    );
    for (const { name, labels, unit, type } of metricDefinitions) {
      // The parser keeps no labels of a histogram.
      if (type === "histogram") continue;
      const given = metrics.family(name)?.metrics ?? [];
      for (const metric of given) assert.deepEqual(Object.keys(metric.labels ?? {}), labels, name);
      if (labels[0] === "worker") assert.equal(given.length, workersWanted, name);
      if (unit === "seconds" || unit === "bytes") assert.match(name, new RegExp(`_${unit}(_total)?$`));
    }
    for (const worker of ["1", String(workersWanted)]) {
      assert.ok(Number(metrics.value("worker_heap_used_bytes", { worker })) > 1e6);
      assert.ok(Number(metrics.value("worker_resident_memory_bytes", { worker })) > 1e7);
      assert.ok(Number(metrics.value("worker_cpu_seconds_total", { worker })) > 0);
      const utilization = Number(metrics.value("worker_loop_utilization_ratio", { worker }));
      assert.ok(utilization >= 0 && utilization <= 1);
    }
    assert.equal(metrics.value("workers", { state: "ready" }), workersWanted);
  });

  test(`${name}: health and metrics answer while every worker is in an endless loop, and say so`, async (t) => {
    const server = await start(t, args);
    const { workersWanted, pid } = await server.status();
    assert.ok(pid > 0);
    const stuck: Promise<unknown>[] = [];
    t.after(() => Promise.all(stuck));
    // A loop that is stuck takes no connection, so the next goes to another worker.
    for (let count = 1; count <= workersWanted; count++) {
      stuck.push(server.get("/spin").catch(() => {}));
      await metricsWhere(
        server,
        (each) => each.all("worker_silent_seconds").filter((value) => value > 1).length === count,
      );
    }
    const metrics = await read(server);
    assert.equal(metrics.value("workers", { state: "ready" }), workersWanted);
    const admin = await adminUrl(server);
    for (const path of ["", "status", "livez", "readyz"]) assert.equal((await get(admin + path)).status, 200, path);
    server.child.kill("SIGKILL");
  });
}

for (const { name, args, model } of shapes.filter(({ name }) => name !== "sync --threads 2")) {
  test(`${name}: no count goes backwards when workers die`, async (t) => {
    const server = await start(t, args);
    let answered = 0;
    let cpu = 0;
    for (let death = 1; death <= 2; death++) {
      for (let i = 0; i < 10; i++) await server.get("/run");
      answered += 10;
      const before = await metricsWhere(
        server,
        (each) => each.value("requests_total", { outcome: "answered" }) === answered,
      );
      assert.equal(before.histogram("run_seconds").count, model === "sync" ? answered + death - 1 : answered);
      const cpuBefore = Number(before.value("worker_cpu_seconds_total", { worker: "1" }));
      assert.ok(cpuBefore >= cpu);
      cpu = cpuBefore;
      const { workers } = await server.waitForStatus((status) => status.workers.length === status.workersWanted);
      process.kill(workers[0]!.pid, "SIGKILL");
      const after = await metricsWhere(server, (each) => Number(each.value("restarts_total")) === death);
      assert.equal(after.value("requests_total", { outcome: "answered" }), answered);
      await server.waitForStatus((status) => status.workers.length === status.workersWanted);
      // One request in the middle of its worker's death, where there is somebody to count it.
      if (model !== "sync") continue;
      assert.equal((await server.get("/exit")).status, 502);
      await server.waitForStatus((status) => status.restarts === death + death && status.workers.length === 2);
      break;
    }
  });
}

test("each lane has a queue and counts of its own", async (t) => {
  const server = await start(t, ["--model", "async", "--lane", "/run=sync:1"]);
  assert.equal((await server.get("/run")).status, 200);
  assert.equal((await server.get("/pid")).status, 200);
  const { lanes } = await server.status();
  const lane = lanes.find(({ match }) => match.includes("/run"))!.name;
  const answered = (each: Metrics, name: string) => each.value("requests_total", { lane: name, outcome: "answered" });
  const metrics = await metricsWhere(server, (each) => answered(each, lane) === 1 && answered(each, "default") === 1);
  assert.equal(metrics.value("queue_length", { lane }), 0);
  assert.equal(metrics.value("queue_length", { lane: "default" }), undefined);
});

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly metrics: readonly {
    readonly labels?: Readonly<Record<string, string>>;
    readonly value?: string;
    readonly buckets?: Readonly<Record<string, string>>;
  }[];
}

class Metrics {
  readonly families: readonly Family[];
  readonly text: string;

  constructor(text: string) {
    this.text = text;
    // The package has no types; its README describes these.
    this.families = parsePrometheus(text) as Family[];
  }

  family(name: string): Family | undefined {
    return this.families.find((each) => each.name === name);
  }

  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const fits = (given: Readonly<Record<string, string>> = {}) =>
      Object.entries(labels).every(([label, value]) => given[label] === value);
    const metric = this.family(`switchyard_${name}`)?.metrics.find((each) => fits(each.labels));
    return metric?.value === undefined ? undefined : Number(metric.value);
  }

  all(name: string): number[] {
    return (this.family(`switchyard_${name}`)?.metrics ?? []).map(({ value }) => Number(value));
  }

  /** The first lane's, checked for what every histogram must be. */
  histogram(name: string): { count: number; sum: number } {
    const [metric] = this.family(`switchyard_${name}`)?.metrics ?? [];
    assert.ok(metric?.buckets);
    const bounds = Object.entries(metric.buckets)
      .map(([le, count]) => [Number(le.replace("+Inf", "Infinity")), Number(count)] as const)
      .sort(([a], [b]) => a - b);
    for (const [index, [bound, count]] of bounds.entries()) {
      const [lower, below] = bounds[index - 1] ?? [-1, 0];
      assert.ok(bound > lower && count >= below, `${name}: ${JSON.stringify(bounds)}`);
    }
    // The parser leaves these two out where a histogram has labels.
    const read = (part: string) =>
      Number(new RegExp(`^switchyard_${name}_${part}{.*} (.*)$`, "m").exec(this.text)?.[1]);
    assert.deepEqual(bounds.at(-1), [Number.POSITIVE_INFINITY, read("count")]);
    return { count: read("count"), sum: read("sum") };
  }
}

function start(
  t: TestContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  return startServer(t, { app: "faults/app.mjs", args: [...args, "--no-access-log"], env });
}

async function adminUrl(server: TestServer): Promise<string> {
  return String((await server.waitForLine(({ msg }) => msg?.startsWith("Status page: ") ?? false)).url);
}

async function read(server: TestServer): Promise<Metrics> {
  const answer = await get(`${await adminUrl(server)}metrics`);
  assert.equal(answer.status, 200);
  assert.match(String(answer.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
  return new Metrics(answer.body);
}

async function metricsWhere(server: TestServer, fits: (metrics: Metrics) => boolean): Promise<Metrics> {
  let metrics: Metrics | null = null;
  return until(
    async () => {
      metrics = await read(server);
      return fits(metrics) && metrics;
    },
    () => metrics?.text,
    50,
  );
}
