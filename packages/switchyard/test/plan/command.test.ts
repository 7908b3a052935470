// `switchyard plan` as a user runs it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { errorRecords } from "../../src/errors.ts";
import { folderWith } from "../config/folder.ts";

const bin = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));

function plan(t: TestContext, args: string, files: Readonly<Record<string, string>> = {}) {
  const cwd = folderWith(t, files);
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, "plan", ...args.split(" ")], {
    cwd,
    encoding: "utf8",
  });
  return { exitCode: status, stdout, stderr, cwd };
}

const usual = "--rate 200 --slo p99=300ms --service 40ms --cpus 4";

function accessLine(entry: object): string {
  return JSON.stringify({ component: "access", status: 200, model: "sync", worker: 1, waitMs: 0, ...entry });
}

test("plan says what it assumes, and the workers for each model at the load, twice and ten times it", (t) => {
  const { stdout, exitCode } = plan(t, `${usual} --cpu 2ms`);
  assert.equal(exitCode, 0);
  assert.match(stdout, /Requests take 40 ms \(2 ms of it CPU; spread 1; given by hand\)\. 4 CPUs\./);
  for (const load of [/^200 requests\/s$/m, /^Twice the load, 400 requests\/s$/m, /^Ten times the load, 2,000/m]) {
    assert.match(stdout, load);
  }
  for (const model of ["sync", "async", "hybrid", "greenlet"])
    assert.match(stdout, new RegExp(`^  ${model} +\\d`, "m"));
});

test("the same plan is printed every time", (t) => {
  const args = `${usual} --cpu 2ms --spread 0.5 --connections 20`;
  assert.equal(plan(t, args).stdout, plan(t, args).stdout);
});

test("a load over capacity ends with SY_PLAN_IMPOSSIBLE, which says what the most would be", (t) => {
  const { stderr, exitCode } = plan(t, "--rate 1000 --slo p99=300ms --service 40ms --cpu 5ms --cpus 2");
  assert.equal(exitCode, errorRecords.SY_PLAN_IMPOSSIBLE.exitCode);
  assert.match(stderr, /^error SY_PLAN_IMPOSSIBLE: 1,000 requests\/s are more .* 2 CPUs can do 400/);
  const fleet = plan(t, "--rate 1000 --slo p99=300ms --service 40ms --machines 2 --workers 10");
  assert.equal(fleet.exitCode, errorRecords.SY_PLAN_IMPOSSIBLE.exitCode);
  assert.match(fleet.stderr, /2 machines with 10 workers each can do, 500\/s/);
});

test("--machines shows each policy, and how many machines a larger load takes", (t) => {
  const { stdout } = plan(t, `${usual} --machines 5`);
  for (const policy of ["random", "round-robin", "least-busy", "two-choices"]) {
    assert.match(stdout, new RegExp(`^  ${policy} +\\d`, "m"));
  }
  assert.match(stdout, /Twice the load, 400 requests\/s, is more than they can do: it takes 10 such machines/);
});

test("service times and rate are taken from an access log, of the path that is named", (t) => {
  const lines = Array.from({ length: 101 }, (_, i) => {
    const time = new Date(Date.UTC(2026, 0, 1) + i * 100).toISOString();
    return [accessLine({ time, path: `/slow?n=${i}`, runMs: 50 }), accessLine({ time, path: "/fast", runMs: 1 })];
  });
  const noise = [
    "Serving at http://127.0.0.1:3000",
    "{ not json",
    accessLine({ path: "/slow", status: 499, runMs: 9 }),
  ];
  const files = { "access.log": [...lines.flat(), ...noise].join("\n") };
  const { stdout, stderr } = plan(t, "--slo p99=300ms --log access.log --path /slow --models sync", files);
  assert.match(stdout, /Requests take 50 ms .*all alike; 101 lines of access\.log/, stderr);
  assert.match(stdout, /^10 requests\/s$/m);
});

test("the rate is taken from a log in the common or combined form, and the times are given by hand", (t) => {
  const lines = Array.from({ length: 121 }, (_, i) => {
    const time = `10/Oct/2026:13:${String(50 + Math.floor(i / 60)).padStart(2, "0")}:${String(i % 60).padStart(2, "0")} +0200`;
    return [
      `203.0.113.7 - ann [${time}] "GET /slow?n=${i} HTTP/1.1" 200 2326 "https://example.com/" "A \\"browser\\""`,
      `::1 - - [${time}] "POST /other HTTP/2.0" 204 0`,
    ];
  });
  const files = { "access.log": [...lines.flat(), "no line of a log", '- - - [] "" 200 -'].join("\n") };
  const args = "--slo p99=300ms --log access.log --path /slow --models sync";
  const { stdout, stderr } = plan(t, `${args} --service 40ms`, files);
  assert.match(stdout, /Requests take 40 ms .*given by hand; the rate of 121 lines of access\.log/, stderr);
  assert.match(stdout, /^1 requests\/s$/m);
  const without = plan(t, args, files);
  assert.equal(without.exitCode, errorRecords.SY_PLAN_SOURCE.exitCode);
  assert.match(without.stderr, /does not say how long requests take/);
});

test("a log whose requests come in bursts is told by its busiest minute", (t) => {
  const at = (ms: number) => accessLine({ time: new Date(ms).toISOString(), path: "/", runMs: 50 });
  const quiet = Array.from({ length: 60 }, (_, i) => at(i * 60_000));
  const busy = Array.from({ length: 599 }, (_, i) => at(59 * 60_000 + i * 100));
  const files = { "access.log": [...quiet, ...busy].join("\n") };
  const { stdout } = plan(t, "--slo p99=300ms --log access.log --models sync", files);
  assert.match(stdout, /659 lines of access\.log, whose busiest minute had 10\/s/);
});

test("the times of a path are taken from a compare run's JSON, and the plan is written as JSON", (t) => {
  const services = [
    { path: "/a", quantilesMs: [10, 20, 30], cpuMs: 4 },
    { path: "/b", quantilesMs: [1], cpuMs: 0.5 },
  ];
  const files = { "run.json": JSON.stringify({ services }) };
  const args = "--rate 10 --slo p90=1s --from run.json";
  const { stdout, cwd } = plan(t, `${args} --path /a --json plan.json`, files);
  assert.match(stdout, /Requests take 20 ms \(4 ms of it CPU; .* measured, \/a\)/);
  const written = JSON.parse(readFileSync(`${cwd}/plan.json`, "utf8"));
  assert.equal(written.plans[0].plan.answers[0].answer.is, "kept");
  const { stderr, exitCode } = plan(t, args, files);
  assert.equal(exitCode, errorRecords.SY_PLAN_SOURCE.exitCode);
  assert.match(stderr, /more than one path[\s\S]*--path "\/a", --path "\/b"/);
});

for (const [args, code, saw] of [
  ["--slo p99=300ms --service 40ms", "SY_OPTION_VALUE", /how many requests arrive/],
  ["--rate 200 --service 40ms", "SY_OPTION_VALUE", /not told an objective/],
  ["--rate 200 --slo p99=300ms", "SY_OPTION_VALUE", /how long requests take/],
  ["--rate 0 --slo p99=300ms --service 40ms", "SY_OPTION_VALUE", /--rate was given "0"/],
  ["--rate fast --slo p99=300ms --service 40ms", "SY_OPTION_VALUE", /--rate was given "fast"/],
  ["--rate 200 --slo 300ms --service 40ms", "SY_OPTION_VALUE", /--slo was given "300ms"/],
  ["--rate 200 --slo p99=300ms --service 40ms --cpu 50ms", "SY_OPTION_VALUE", /--cpu is 50 ms/],
  ["--rate 200 --slo p99=300ms --service 0", "SY_OPTION_VALUE", /longer than 0/],
  ["--rate 200 --slo p99=300ms --service 40ms --connections 5 --connection-time 1s", "SY_OPTION_VALUE", /1000 ms/],
  ["--rate 200 --slo p99=300ms --service 40ms --from x", "SY_OPTION_VALUE", /more than once/],
  ["--rate 200 --slo p99=300ms --log missing.log", "SY_PLAN_SOURCE", /missing\.log can't be read/],
  ["--rate 200 --slo p99=300ms --from missing.json", "SY_PLAN_SOURCE", /missing\.json can't be read/],
  ["--rate 200 --slo p99=300ms --service 40ms app.ts", "SY_UNKNOWN_OPTION", /given "app\.ts"/],
  ["--rat 200", "SY_UNKNOWN_OPTION", /--rat is not known/],
] as const) {
  test(`plan ${args} is refused with ${code}`, (t) => {
    const { stdout, stderr, exitCode } = plan(t, args);
    assert.equal(exitCode, errorRecords[code].exitCode, stderr);
    assert.match(stderr, saw);
    assert.equal(stdout, "");
  });
}
