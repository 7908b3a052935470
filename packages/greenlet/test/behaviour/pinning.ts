// What can't be left on a parked stack: the wait is refused, or counted and told of.

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { after, before, test } from "node:test";
import { hub, type PinReport, sleep, spawn, wait, withoutSwitching } from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";
import { compileAddon, whyNoCompiler } from "../native-addon.ts";

let addon: { file: string; remove(): void } | undefined;
before(() => {
  if (whyNoCompiler === undefined) addon = compileAddon("calls-back");
});
after(() => addon?.remove());

const withAddon: [behaviour: string, program: string, output: string][] = [
  [
    "a wait in a function that an addon has called, in whatever way, is refused with the addon's file, and told of",
    "refuses",
    "80 waits refused",
  ],
  [
    "a greenlet that is started in a function that an addon has called may wait",
    "greenletInside",
    "greenlets started inside may wait",
  ],
  [
    "a wait in a function that a trusted addon has called is told of and parks",
    "trusts",
    "parked under a trusted addon",
  ],
  [
    "an addon that runs the event loop inside a greenlet lets others go on, and a wait in its callbacks is refused",
    "nestedLoop",
    "a nested loop runs on",
  ],
];

for (const [behaviour, program, output] of withAddon) {
  test(behaviour, { skip: whyNoCompiler }, async () => {
    const ending = await runFixture("pinned-by-addon.ts", { args: [String(addon?.file), program] });
    assertEnded(ending, 0);
    assert.equal(ending.stdout, `${output}\n`);
  });
}

test("a wait in a function of node:sqlite is refused with no patch too, and the database is free for others", async () => {
  const ending = await runFixture("pinned-by-sqlite.ts", { nodeArgs: ["--no-warnings"] });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "ERR_PINNED ERR_PINNED ERR_PINNED ERR_PINNED 1 4\n");
});

test("a wait on a stack of WebAssembly's own is refused, and waits for such exports are interleaved", async () => {
  const flag = Number.parseInt(process.versions.node, 10) < 26 ? ["--experimental-wasm-jspi"] : [];
  const ending = await runFixture("pinned-by-wasm.ts", { nodeArgs: flag });
  assertEnded(ending, 0);
  assert.equal(ending.stdout, "ERR_PINNED 20 20\n");
});

test("a wait inside withoutSwitching is told of, to listeners and on the channel, with its frames", async (t) => {
  const before = hub.stats().pins.withoutSwitching;
  const heard: PinReport[] = [];
  const published: unknown[] = [];
  const listener = (report: unknown) => published.push(report);
  subscribe("switchyard.greenlet.pinned", listener);
  t.after(() => unsubscribe("switchyard.greenlet.pinned", listener));
  t.after(hub.onPinned((report) => heard.push(report)));
  function forbidden(): void {
    withoutSwitching(() => sleep());
  }
  const greenlet = spawn(forbidden);
  await assert.rejects(greenlet.promise(), { code: "ERR_SWITCH_FORBIDDEN" });
  assert.equal(hub.stats().pins.withoutSwitching, before + 1);
  assert.deepEqual(
    heard.map(({ by, isRefused, file }) => [by, isRefused, file]),
    [["withoutSwitching", true, ""]],
  );
  assert.equal(heard[0]?.greenlet, greenlet);
  assert.match(String(heard[0]?.stack), /forbidden/);
  assert.deepEqual(published, heard);
});

test("plain waits, and waits in callbacks of V8's built-ins, count as pinned by nothing", async () => {
  const before = hub.stats().pins;
  await spawn(() => {
    for (let round = 0; round < 100; round++) {
      wait(Promise.resolve());
      [2, 1].sort(() => (sleep(), 0));
      JSON.parse("[1]", (_, value) => (sleep(), value));
    }
  });
  assert.deepEqual(hub.stats().pins, before);
});

test("hub.trustAddon takes part of a path only", () => {
  for (const wrong of ["", 5, null] as string[]) {
    assert.throws(() => hub.trustAddon(wrong), { code: "ERR_INVALID_ARGUMENT" });
  }
});
