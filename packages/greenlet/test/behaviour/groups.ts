// Groups, pools, and waiting for several.

import assert from "node:assert/strict";
import { EventEmitter, on } from "node:events";
import { Readable } from "node:stream";
import { test } from "node:test";
import {
  AsyncResult,
  Event,
  GreenletExit,
  Group,
  iterate,
  iwait,
  joinAll,
  killAll,
  Pool,
  sleep,
  spawn,
  spawnNow,
  waitEvent,
} from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";

test("a member that fails cancels the others, and join waits for them before it throws the first error", async () => {
  const steps: string[] = [];
  const failure = new Error("first");
  await spawn(() => {
    const group = new Group();
    group.spawn(() => {
      try {
        sleep(60_000);
      } finally {
        sleep();
        steps.push("cleaned up");
      }
    });
    group.spawn(() => {
      sleep();
      throw failure;
    });
    assert.throws(
      () => group.join(),
      (error) => error === failure,
    );
    steps.push("joined");
    assert.deepEqual([group.size, group.errors], [0, []]);
    group.spawn(() => steps.push("used again"));
    assert.equal(group.join(), true);
  });
  assert.deepEqual(steps, ["cleaned up", "joined", "used again"]);
});

test("a group that is being cancelled takes no members, and lists every error", async () => {
  await spawn(() => {
    const group = new Group();
    group.spawn(() => {
      try {
        sleep(60_000);
      } finally {
        sleep();
        // biome-ignore lint/correctness/noUnsafeFinally: a clean-up that fails is what is tested
        throw new Error("second");
      }
    });
    group.spawn(() => {
      throw new Error("first");
    });
    sleep();
    assert.throws(() => group.spawn(() => {}), { code: "ERR_INVALID_STATE" });
    sleep(1);
    sleep();
    assert.deepEqual(group.errors.map(String), ["Error: first", "Error: second"]);
    assert.throws(() => group.join(), /first/);
  });
});

test("Group.run waits for its members, gives its body's value, and interrupts the body when a member fails", async () => {
  await spawn(() => {
    let ended = false;
    const value = Group.run((group) => {
      group.spawn(() => {
        sleep();
        ended = true;
      });
      return "value";
    });
    assert.deepEqual([value, ended], ["value", true]);
    assert.throws(
      () =>
        Group.run((group) => {
          group.spawn(() => assert.fail("member"));
          sleep(60_000);
        }),
      /member/,
    );
    let killed = false;
    assert.throws(
      () =>
        Group.run((group) => {
          group.spawn(() => {
            try {
              sleep(60_000);
            } finally {
              killed = true;
            }
          });
          sleep();
          assert.fail("body");
        }),
      /body/,
    );
    assert.equal(killed, true);
  });
});

test("a group that its maker never joins reports its error as an unhandled rejection", async () => {
  const ending = await runFixture("group-not-joined.ts");
  assertEnded(ending, 1);
  assert.match(ending.stderr, /nobody joined/);
});

test("a killed maker's group is ended by using, and by kill", async () => {
  let ended = 0;
  const member = () => {
    try {
      sleep(60_000);
    } finally {
      ended++;
    }
  };
  const maker = spawnNow(() => {
    using group = new Group();
    group.spawn(member);
    group.spawn(member);
    sleep(60_000);
  });
  await null;
  maker.kill();
  await maker;
  assert.equal(ended, 2);
  await spawn(() => {
    const group = new Group();
    group.spawn(member);
    sleep();
    assert.equal(group.kill(undefined, { block: true }), true);
  });
  assert.equal(ended, 3);
});

test("a member that is discarded is nobody's, and one that is added belongs", async () => {
  await spawn(() => {
    const group = new Group();
    const released = new Event();
    const other = spawn(() => released.wait());
    group.add(other);
    group.add(other);
    assert.deepEqual([group.size, group.has(other), [...group]], [1, true, [other]]);
    assert.equal(group.join({ timeout: 1 }), false);
    group.discard(other);
    assert.equal(group.join(), true);
    released.set();
    other.join();
  });
});

test("with cancelOnFailure false, a member's error is its own", async () => {
  await spawn(() => {
    const group = new Group({ cancelOnFailure: false });
    const failing = group.spawn(() => assert.fail("own"));
    const other = group.spawn(() => (sleep(), "went on"));
    assert.throws(() => failing.get(), /own/);
    assert.equal(group.join(), true);
    assert.equal(other.value, "went on");
  });
});

test("map gives the values in order, imap as they can be taken, imapUnordered as they come", async () => {
  await spawn(() => {
    const group = new Group();
    const slow = (ms: number) => (sleep(ms), ms);
    assert.deepEqual(group.map(slow, [20, 1, 10]), [20, 1, 10]);
    assert.deepEqual([...group.imap(slow, [20, 1, 10])], [20, 1, 10]);
    const events = [new Event(), new Event()];
    const unordered = group.imapUnordered((i) => (events[i]!.wait(), i), [0, 1]);
    setImmediate(() => events[1]!.set());
    assert.equal(unordered.next().value, 1);
    events[0]!.set();
    assert.deepEqual([...unordered], [0]);
    assert.equal(
      group.apply((a: number, b: number) => a + b, 1, 2),
      3,
    );
    assert.equal(group.size, 0);
  });
});

test("a map that fails ends the rest of it, and neither the group nor its other members", async () => {
  await spawn(() => {
    const group = new Group();
    const bystander = group.spawn(() => (sleep(5), "went on"));
    let running = 0;
    assert.throws(
      () =>
        group.map(
          (i) => {
            running++;
            try {
              if (i === 1) assert.fail("item 1");
              sleep(60_000);
              return i;
            } finally {
              running--;
            }
          },
          [0, 1, 2],
        ),
      /item 1/,
    );
    assert.equal(running, 0);
    assert.equal(group.join(), true);
    assert.equal(bystander.value, "went on");
  });
});

test("a loop over imap that is left early kills what still runs and reads no more items", async () => {
  await spawn(() => {
    const pool = new Pool(2);
    let read = 0;
    function* items() {
      for (;;) yield read++;
    }
    for (const value of pool.imap((i: number) => (sleep(), i), items())) if (value === 3) break;
    assert.ok(read <= 6);
    assert.deepEqual([pool.size, pool.free], [0, 2]);
  });
});

test("a pool runs at most its size at once, in order, and spawn waits for a place", async () => {
  const pool = new Pool(3);
  let running = 0;
  let most = 0;
  const started: number[] = [];
  await spawn(() => {
    for (let i = 0; i < 20; i++) {
      pool.spawn(() => {
        started.push(i);
        most = Math.max(most, ++running);
        sleep();
        running--;
      });
    }
    assert.equal(pool.join(), true);
  });
  assert.deepEqual([most, started], [3, Array.from({ length: 20 }, (_, i) => i)]);
  assert.deepEqual([pool.free, pool.waiting, pool.isFull], [3, 0, false]);
});

test("a full pool refuses trySpawn, and a spawner that is killed while it waits takes no place", async () => {
  const pool = new Pool(1);
  const release = new Event();
  const holder = pool.trySpawn(() => release.wait());
  assert.equal(
    pool.trySpawn(() => {}),
    null,
  );
  const spawner = spawnNow(() => pool.spawn(() => assert.fail("it ran")));
  assert.equal(pool.waiting, 1);
  assert.equal(await spawn(() => pool.waitAvailable({ timeout: 1 })), false);
  const applied = pool.applyAsync((a: number) => a * 2, 21);
  spawner.kill();
  await spawner;
  release.set();
  await holder;
  assert.equal(await applied, 42);
  assert.equal(await pool.joinAsync(), true);
  assert.equal(await spawn(() => pool.waitAvailable()), true);
  assert.deepEqual([pool.free, pool.waiting], [1, 0]);
  assert.throws(() => pool.spawn(() => {}), { code: "ERR_NOT_IN_GREENLET" });
  assert.throws(() => new Pool(0), { code: "ERR_INVALID_ARGUMENT" });
});

test("joinAll gives what is ready in the order in which it became so, within count and timeout", async () => {
  await spawn(() => {
    const last = new AsyncResult();
    const greenlets = [spawn(() => last.get()), spawn(() => sleep(1)), spawn(() => assert.fail("third"))];
    greenlets[1]!.link(() => last.set(0));
    assert.deepEqual(joinAll(greenlets, { count: 1 }), [greenlets[2]]);
    assert.deepEqual(joinAll(greenlets), [greenlets[2], greenlets[1], greenlets[0]]);
    assert.throws(() => joinAll(greenlets, { raise: true }), /third/);
    const never = new Event();
    assert.deepEqual(joinAll([never, greenlets[0]!], { timeout: 1 }), [greenlets[0]]);
    const result = new AsyncResult();
    setImmediate(() => result.set(1));
    assert.deepEqual([...iwait([never, result], { count: 1 })], [result]);
  });
});

test("killAll ends them all, and waits for them where it is told to", async () => {
  await spawn(() => {
    const all = Array.from({ length: 50 }, () => spawnNow(() => sleep(60_000)));
    assert.equal(killAll(all, undefined, { block: true }), true);
    assert.ok(all.every(({ value }) => (value as unknown) instanceof GreenletExit));
  });
});

test("waitEvent gives an event's arguments, throws an error event, and leaves no listener behind", async () => {
  const emitter = new EventEmitter();
  const target = new EventTarget();
  await spawn(() => {
    setImmediate(() => emitter.emit("news", 1, 2));
    assert.deepEqual(waitEvent(emitter, "news"), [1, 2]);
    setImmediate(() => emitter.emit("error", new Error("bad")));
    assert.throws(() => waitEvent(emitter, "news"), /bad/);
    const dom = new globalThis.Event("hello");
    setImmediate(() => target.dispatchEvent(dom));
    assert.deepEqual(waitEvent(target, "hello"), [dom]);
    assert.throws(() => waitEvent(emitter, "news", { timeout: 1 }), { code: "ERR_WAIT_TIMEOUT" });
  });
  assert.deepEqual([emitter.listenerCount("news"), emitter.listenerCount("error")], [0, 0]);
  const killed = spawnNow(() => waitEvent(emitter, "news"));
  killed.kill();
  await killed;
  assert.equal(emitter.listenerCount("news"), 0);
});

test("iterate makes a plain loop of an asynchronous one, and ends its source when it is left early", async () => {
  let closed = false;
  async function* source() {
    try {
      for (let i = 0; ; i++) {
        await null;
        yield i;
      }
    } finally {
      closed = true;
    }
  }
  await spawn(() => {
    assert.equal([...iterate(Readable.from(["a", "b"]))].join(""), "ab");
    assert.deepEqual([...iterate([Promise.resolve(1), 2])], [1, 2]);
    for (const i of iterate(source())) if (i === 2) break;
    assert.equal(closed, true);
    const emitter = new EventEmitter();
    const events = iterate(on(emitter, "n", { close: ["end"] }));
    setImmediate(() => {
      emitter.emit("n", 1);
      emitter.emit("n", 2);
      emitter.emit("end");
    });
    assert.deepEqual([...events], [[1], [2]]);
    async function* failing() {
      yield 1;
      throw new Error("source");
    }
    assert.throws(() => [...iterate(failing())], /source/);
  });
});
