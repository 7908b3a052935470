import assert from "node:assert/strict";
import { test } from "node:test";
import { current, GreenletExit, sleep, spawn, spawnNow, wait } from "../../src/index.ts";

test("a greenlet killed before it has started never runs and counts as successful", async () => {
  let hasRun = false;
  const greenlet = spawn(() => {
    hasRun = true;
  });
  assert.equal(greenlet.kill(), true);
  assert.ok(((await greenlet.promise()) as unknown) instanceof GreenletExit);
  assert.deepEqual([hasRun, greenlet.successful], [false, true]);
});

test("a parked greenlet is killed where it waits: and its finally blocks run and may wait", async () => {
  const steps: string[] = [];
  const greenlet = spawnNow(() => {
    try {
      sleep(1_000_000);
    } finally {
      steps.push("finally");
      sleep();
      steps.push("waited in finally");
    }
  });
  assert.equal(greenlet.kill(), false);
  await greenlet;
  assert.deepEqual(steps, ["finally", "waited in finally"]);
});

test("a kill with a reason throws that reason, which is the greenlet's error when nothing catches it", async () => {
  const reason = new Error("stop");
  const greenlet = spawnNow(() => wait(new Promise(() => {})));
  greenlet.kill(reason);
  await assert.rejects(greenlet.promise(), (seen) => seen === reason);
  assert.equal(greenlet.exception, reason);
});

test("only the first kill is thrown, and a greenlet may catch it and go on", async () => {
  let caught = 0;
  const greenlet = spawnNow(() => {
    for (let i = 0; i < 2; i++) {
      try {
        sleep(i === 0 ? 1_000_000 : 1);
      } catch {
        caught++;
      }
    }
    return "went on";
  });
  greenlet.kill();
  greenlet.kill();
  await null;
  greenlet.kill();
  assert.equal(await greenlet, "went on");
  assert.equal(caught, 1);
});

test("the current greenlet kills itself at once", async () => {
  let wentOn = false;
  const greenlet = spawn(() => {
    current()?.kill();
    wentOn = true;
  });
  assert.ok(((await greenlet.promise()) as unknown) instanceof GreenletExit);
  assert.equal(wentOn, false);
});

test("a greenlet that has started the current one gets its kill at its next wait", async () => {
  const steps: string[] = [];
  const outer = spawnNow(() => {
    const self = current();
    spawnNow(() => {
      self?.kill();
      steps.push("killer ends");
    });
    steps.push("outer runs on");
    sleep();
    steps.push("never");
  });
  await outer;
  assert.deepEqual(steps, ["killer ends", "outer runs on"]);
});

test("kill with block waits for the end, for as long as its timeout", async () => {
  await spawn(() => {
    const stubborn = spawnNow(() => {
      try {
        sleep(1_000_000);
      } catch {
        sleep(50);
      }
      return "ended";
    });
    assert.equal(stubborn.kill(undefined, { block: true, timeout: 1 }), false);
    assert.equal(stubborn.kill(undefined, { block: true }), true);
    assert.equal(stubborn.value, "ended");
    assert.equal(stubborn.kill(), true);
  });
});

test("a greenlet whose returned promise is pending is done when it is killed", async () => {
  const greenlet = spawnNow(() => new Promise<never>(() => {}));
  assert.equal(greenlet.kill(), true);
  assert.ok(((await greenlet.promise()) as unknown) instanceof GreenletExit);
});

test("2,000 parked greenlets are unwound", async () => {
  let unwound = 0;
  const greenlets = Array.from({ length: 2000 }, () =>
    spawnNow(() => {
      try {
        wait(new Promise(() => {}));
      } finally {
        unwound++;
      }
    }),
  );
  for (const greenlet of greenlets) greenlet.kill();
  await Promise.all(greenlets);
  assert.equal(unwound, 2000);
});
