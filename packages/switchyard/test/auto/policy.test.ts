import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteEvidence } from "../../src/auto/evidence.ts";
import { patternOfRoute } from "../../src/auto/framework-route.ts";
import { AutoPolicy, type Change } from "../../src/auto/policy.ts";
import { patternOfPath, textOf } from "../../src/auto/shape.ts";

function seen(path: string, more: Partial<RouteEvidence> = {}): RouteEvidence {
  const pattern = patternOfPath(path);
  const holds = more.holds ?? 1;
  return {
    ...{ method: "GET", pattern, route: textOf(pattern), isFrameworks: false, samplePath: path },
    ...{ requests: holds, holds, heldMs: holds * 50, longestMs: 60, waitedMs: 0, isEventStream: false },
    ...{ firsts: 0, firstHeldMs: 0, largeAnswers: 0 },
    ...more,
  };
}

const types = (changes: Change[]) => changes.map(({ type }) => type);

/** A policy that has moved /report at the moment 0. */
function moved(): AutoPolicy {
  const policy = new AutoPolicy();
  assert.deepEqual(types(policy.observeLoop(seen("/report", { holds: 3 }), 0)), ["move"]);
  return policy;
}

test("a route is moved once it was seen to hold a loop three times within five seconds", () => {
  const policy = new AutoPolicy();
  assert.deepEqual(policy.observeLoop(seen("/users/1"), 0), []);
  assert.deepEqual(policy.observeLoop(seen("/users/2"), 6_000), []);
  assert.deepEqual(policy.observeLoop(seen("/users/3"), 7_000), []);
  const [change] = policy.observeLoop(seen("/users/4"), 8_000);
  assert.equal(change?.type, "move");
  assert.deepEqual(
    policy.moves.map(({ route, holds, longestMs, meanMs }) => ({ route, holds, longestMs, meanMs })),
    [{ route: "/users/:id", holds: 3, longestMs: 60, meanMs: 50 }],
  );
  policy.assertInvariants();
});

test("evidence of several loops is summed", () => {
  const policy = new AutoPolicy();
  assert.deepEqual(policy.observeLoop(seen("/report"), 0), []);
  assert.deepEqual(policy.observeLoop(seen("/report"), 1), []);
  assert.deepEqual(types(policy.observeLoop(seen("/report"), 2)), ["move"]);
});

test("a route of which few requests hold a loop stays: it may have been a collection of garbage", () => {
  const policy = new AutoPolicy();
  assert.deepEqual(policy.observeLoop(seen("/hello", { holds: 4, requests: 1_000 }), 0), []);
  assert.deepEqual(policy.moves, []);
});

test("methods are routes of their own", () => {
  const policy = new AutoPolicy();
  policy.observeLoop(seen("/report", { method: "POST", holds: 3 }), 0);
  assert.deepEqual(
    policy.moves.map(({ method }) => method),
    ["POST"],
  );
});

test("a route that answers with a stream of events never moves", () => {
  const policy = new AutoPolicy();
  assert.deepEqual(policy.observeLoop(seen("/events", { isEventStream: true, holds: 3 }), 0), []);
  assert.deepEqual(policy.observeLoop(seen("/events", { holds: 30 }), 1), []);
});

test("a route stays while most of its answers are large", () => {
  const policy = new AutoPolicy();
  assert.deepEqual(policy.observeLoop(seen("/download", { holds: 4, largeAnswers: 3 }), 0), []);
  assert.deepEqual(types(policy.observeLoop(seen("/download", { holds: 4 }), 1)), ["move"]);
});

test("the first requests of paths move their route once they are known to be one, and no route of one path", () => {
  const policy = new AutoPolicy();
  const first = { holds: 0, firsts: 1, firstHeldMs: 60 };
  for (let i = 0; i < 100; i++) assert.deepEqual(policy.observeLoop(seen("/start", first), i), []);
  const names = Array.from({ length: 40 }, (_, index) => letters(index));
  const at = names.findIndex((name, i) => policy.observeLoop(seen(`/by/${name}`, first), 200 + i).length > 0);
  assert.ok(at > 16 && at < 39, `moved with name ${at}`);
  policy.assertInvariants();
});

test("a route that waits for other things most of its time stays on the loop", () => {
  const policy = new AutoPolicy();
  assert.deepEqual(policy.observeLoop(seen("/slow", { holds: 10, waitedMs: 5_000 }), 0), []);
  assert.deepEqual(policy.moves, []);
});

test("a route comes back when it is short for many requests in a row, not before its stay is over", () => {
  const policy = moved();
  const short = seen("/report", { requests: 40, holds: 0 });
  assert.deepEqual(policy.observePool(short, 9_999), []);
  assert.deepEqual(types(policy.observePool(seen("/report"), 10_000)), []);
  assert.deepEqual(policy.observePool({ ...short, requests: 39 }, 10_001), []);
  const [change] = policy.observePool({ ...short, requests: 1 }, 10_002);
  assert.deepEqual([change?.type, change?.type === "back" && change.why], ["back", "short"]);
  assert.deepEqual(policy.moves, []);
});

test("a route that has come back stays twice as long the next time", () => {
  const policy = moved();
  const short = seen("/report", { requests: 40, holds: 0 });
  policy.observePool(short, 10_000);
  assert.deepEqual(types(policy.observeLoop(seen("/report", { holds: 3 }), 11_000)), ["move"]);
  assert.deepEqual(policy.observePool(short, 30_000), []);
  assert.deepEqual(types(policy.observePool(short, 31_000)), ["back"]);
  policy.assertInvariants();
});

test("a moved route that turns out to wait for other things goes back, and is not moved again", () => {
  const policy = moved();
  const [change] = policy.observePool(seen("/report", { holds: 20, heldMs: 1_000, waitedMs: 9_000 }), 100);
  assert.deepEqual([change?.type, change?.type === "back" && change.why], ["back", "waits"]);
  assert.deepEqual(policy.observeLoop(seen("/report", { holds: 30 }), 200), []);
  policy.assertInvariants();
});

test("what the loops still had in flight when a route was moved changes nothing", () => {
  const policy = moved();
  assert.deepEqual(policy.observeLoop(seen("/report", { holds: 8 }), 1), []);
  assert.equal(policy.moves.length, 1);
});

test("another route that the pattern of a moved one takes is left out of it", () => {
  const policy = new AutoPolicy();
  const own = { isFrameworks: true };
  const page = seen("/big", { ...own, holds: 3, pattern: patternOfRoute("/:page")!, route: "/:page" });
  assert.deepEqual(types(policy.observeLoop(page, 0)), ["move"]);
  const hello = seen("/hello", { ...own, holds: 0, requests: 5, pattern: patternOfRoute("/hello")! });
  assert.deepEqual(types(policy.observePool(hello, 1)), ["move"]);
  assert.deepEqual(
    policy.moves.map(({ except }) => except.map(textOf)),
    [["/hello"]],
  );
});

test("many paths that differ in one segment become one route, but never by their first segment", () => {
  const policy = new AutoPolicy();
  for (let i = 0; i < 26; i++) {
    const name = String.fromCharCode(97 + i);
    policy.observeLoop(seen(`/by/${name}`), i);
    policy.observeLoop(seen(`/${name}`), i);
  }
  assert.deepEqual(
    policy.moves.map(({ route }) => route),
    ["/by/:id"],
  );
  policy.assertInvariants();
});

test("a client that asks for a million paths fills no memory, and what is forgotten is counted", () => {
  const policy = new AutoPolicy();
  policy.observeLoop(seen("/report", { holds: 3 }), 0);
  for (let i = 0; i < 2_000; i++) policy.observeLoop(seen(`/${letters(i)}/${letters(i * 7)}`), i);
  policy.assertInvariants();
  assert.ok(policy.forgotten > 1_000);
  assert.deepEqual(
    policy.moves.map(({ route }) => route),
    ["/report"],
  );
});

function letters(number: number): string {
  return [...String(number)].map((digit) => "abcdefghij"[Number(digit)]).join("");
}
