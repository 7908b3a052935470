import assert from "node:assert/strict";
import { test } from "node:test";
import { parseServeFlags } from "../../src/config/flags.ts";
import { faultOfLanes, laneFromText, laneText } from "../../src/config/lane-options.ts";
import { lanesOf } from "../../src/config/lanes.ts";
import type { UserLane } from "../../src/config/settings.ts";
import { SwitchyardError } from "../../src/errors.ts";

const server = { model: "hybrid", queueLimit: 10, queueTimeoutMs: 20, runTimeoutMs: 30, bodyLimitBytes: 40 } as const;
const lanesWith = (lanes: UserLane[], model: "hybrid" | "sync" = "hybrid") =>
  lanesOf({ ...server, model, lanes }, { count: 2 });

test("a flag's lane is read with its methods and workers, and written the same", () => {
  const forms: [string, UserLane][] = [
    ["/reports/**=sync:2", { match: "/reports/**", model: "sync", workers: 2 }],
    ["/a=b/*=greenlet", { match: "/a=b/*", model: "greenlet" }],
    ["/slow=sync:1-4", { match: "/slow", model: "sync", workers: { min: 1, max: 4 } }],
    ["GET,POST /slow=async:1", { match: "/slow", model: "async", methods: ["GET", "POST"], workers: 1 }],
  ];
  for (const [text, lane] of forms) {
    assert.deepEqual(laneFromText(text), lane);
    assert.equal(laneText(lane), text);
  }
});

test("--lane may be given many times, and the lanes keep their order", () => {
  const { values } = parseServeFlags(["--lane", "/a=sync:1", "--port", "1", "--lane=/b=greenlet"]);
  assert.deepEqual(values.get("lanes"), [
    { match: "/a", model: "sync", workers: 1 },
    { match: "/b", model: "greenlet" },
  ]);
});

test("a wrong --lane is refused with what is wrong of it", () => {
  const refusals: [string, RegExp][] = [
    ["/a", /it takes a pattern and a model/],
    ["/a=hybrid", /it takes a pattern and a model/],
    ["a=sync", /it has the pattern "a", and a pattern begins with \//],
    ["/a=sync:0", /it sets workers to 0, and it takes a whole number/],
    ["/a=sync:4-2", /it sets workers to \{"min":4,"max":2\}/],
  ];
  for (const [text, saw] of refusals) {
    assert.throws(
      () => parseServeFlags(["--lane", text]),
      (error) => error instanceof SwitchyardError && error.code === "SY_OPTION_VALUE" && saw.test(error.saw),
      text,
    );
  }
});

test("each wrong part of a lane in the config file is named, with a way to mend it", () => {
  const lane = { match: "/a", model: "sync" };
  const faults: [unknown, RegExp, RegExp][] = [
    ["/a=sync", /no list/, /Write a list/],
    [["/a"], /lanes\[0\] that is no object/, /Write \{/],
    [[lane, { model: "sync" }], /gives lanes\[1\] no match/, /Add the paths/],
    [[{ match: "/a" }], /gives lanes\[0\] no model/, /Add model/],
    [[{ ...lane, workrs: 2 }], /lanes\[0\]\.workrs, which is no key/, /Did you mean workers/],
    [
      [{ ...lane, model: "hybrid" }],
      /lanes\[0\]\.model to "hybrid", and it takes one of sync, async, greenlet/,
      /Give/,
    ],
    [[{ ...lane, match: ["/a", "b"] }], /has in lanes\[0\]\.match the pattern "b"/, /literal text/],
    [[{ ...lane, match: [] }], /lanes\[0\]\.match to \[\]/, /Give/],
    [[{ ...lane, methods: ["get"] }], /lanes\[0\]\.methods to \["get"\]/, /Give/],
    [[{ ...lane, workers: { min: 0, max: 2 } }], /lanes\[0\]\.workers/, /Give/],
    [[{ ...lane, queueLimit: -1 }], /lanes\[0\]\.queueLimit to -1/, /Give/],
    [[{ ...lane, name: "default" }], /lanes\[0\]\.name to "default"/, /Give/],
    [
      [
        { ...lane, name: "a" },
        { ...lane, name: "a" },
      ],
      /two lanes of the name "a"/,
      /a name of its own/,
    ],
    [
      [{ match: "/a", model: "async", queueLimit: 1 }],
      /lanes\[0\]\.queueLimit, and that lane has no workers/,
      /workers/,
    ],
    [[{ ...lane, inFlightLimit: 2 }], /a sync worker has one request/, /Remove it/],
    [[{ ...lane, workers: 3, processes: 2 }], /no multiple/, /equal share/],
    [[{ ...lane, workers: 2, processes: 2, isolation: "process" }], /isolation to process/, /Remove one/],
  ];
  for (const [value, saw, fix] of faults) {
    const fault = faultOfLanes(value);
    assert.match(fault?.saw ?? "", saw);
    assert.match(fault?.fix ?? "", fix);
  }
  assert.equal(faultOfLanes([lane, { ...lane, workers: { min: 1, max: 2 }, idleMs: 5, methods: ["GET"] }]), null);
});

test("a lane that says little has the server's limits, a low priority beside loops, and a name", () => {
  const [first, second] = lanesWith([
    { match: "/reports/:year/*", model: "sync" },
    { match: "/reports", model: "greenlet" },
  ]);
  const { queueLimit, queueTimeoutMs, runTimeoutMs, bodyLimitBytes } = server;
  assert.deepEqual(first, {
    name: "reports",
    match: ["/reports/:year/*"],
    methods: null,
    model: "sync",
    origin: "config",
    workers: { min: 1, max: 5 },
    isolation: "thread",
    threadsEach: 0,
    inFlightLimit: 1,
    queueLimit,
    queueTimeoutMs,
    runTimeoutMs,
    bodyLimitBytes,
    order: "oldest-first",
    priority: "low",
    growAfterMs: 100,
    idleMs: 30_000,
  });
  assert.equal(second?.name, "reports-2");
  assert.equal(second?.workers, null);
  assert.equal(second?.priority, "normal");
});

test("in a sync server no lane is without workers of its own, and none gives way to loops", () => {
  const [async, sync] = lanesWith(
    [
      { match: "/a", model: "async" },
      { match: "/b", model: "sync", workers: 2 },
    ],
    "sync",
  );
  assert.deepEqual(async?.workers, { min: 1, max: 1 });
  assert.equal(sync?.priority, "normal");
});
