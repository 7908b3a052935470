// The primitives for several greenlets: order, timeouts, signals, kills at each point, and that nothing stays behind.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AsyncResult,
  BoundedSemaphore,
  Channel,
  Condition,
  Event,
  type Greenlet,
  LifoQueue,
  Local,
  Lock,
  PriorityQueue,
  Queue,
  Semaphore,
  sleep,
  spawn,
  spawnLater,
  spawnNow,
  Timeout,
  withTimeout,
} from "../../src/index.ts";

/** One wait on one primitive: how to begin it, how many wait, and what lets exactly one of them through. */
interface Case {
  wait(options: { timeout?: number; signal?: AbortSignal }): unknown;
  waitAsync?(options: { timeout?: number; signal?: AbortSignal }): Promise<unknown>;
  waiting(): number;
  letOneThrough(): void;
  /** What the wait gives when its timeout passes: false, or an error. */
  onTimeout: "false" | "error";
  /** For what lets all through at once. */
  wakesAll?: boolean;
}

const cases: Record<string, () => Case> = {
  "Semaphore.acquire": () => {
    const semaphore = new Semaphore(0);
    return {
      wait: (o) => semaphore.acquire(o),
      waitAsync: (o) => semaphore.acquireAsync(o),
      waiting: () => semaphore.waiting,
      letOneThrough: () => semaphore.release(),
      onTimeout: "false",
    };
  },
  "Event.wait": () => {
    const event = new Event();
    return {
      wait: (o) => event.wait(o),
      waitAsync: (o) => event.waitAsync(o),
      waiting: () => event.waiting,
      letOneThrough: () => event.set(),
      onTimeout: "false",
      wakesAll: true,
    };
  },
  "AsyncResult.get": () => {
    const result = new AsyncResult<number>();
    return {
      wait: (o) => result.get(o),
      waitAsync: (o) => result.getAsync(o),
      waiting: () => result.waiting,
      letOneThrough: () => result.set(1),
      onTimeout: "error",
      wakesAll: true,
    };
  },
  "Queue.get": () => {
    const queue = new Queue<number>();
    return {
      wait: (o) => queue.get(o),
      waitAsync: (o) => queue.getAsync(o),
      waiting: () => queue.waiting.getters,
      letOneThrough: () => queue.put(1),
      onTimeout: "error",
    };
  },
  "Queue.peek": () => {
    const queue = new Queue<number>();
    return {
      wait: (o) => queue.peek(o),
      waiting: () => queue.waiting.getters,
      letOneThrough: () => queue.put(1),
      onTimeout: "error",
      wakesAll: true,
    };
  },
  "Queue.put": () => {
    const queue = new Queue<number>(1);
    queue.tryPut(0);
    return {
      wait: (o) => queue.put(1, o),
      waitAsync: (o) => queue.putAsync(1, o),
      waiting: () => queue.waiting.putters,
      letOneThrough: () => void queue.tryGet(),
      onTimeout: "error",
    };
  },
  "Queue.join": () => {
    const queue = new Queue<number>();
    queue.put(1);
    return {
      wait: (o) => queue.join(o),
      waitAsync: (o) => queue.joinAsync(o),
      waiting: () => queue.unfinished && 0,
      letOneThrough: () => queue.taskDone(),
      onTimeout: "false",
      wakesAll: true,
    };
  },
  "Channel.get": () => {
    const channel = new Channel<number>();
    return {
      wait: (o) => channel.get(o),
      waitAsync: (o) => channel.getAsync(o),
      waiting: () => channel.waiting.getters,
      letOneThrough: () => void channel.tryPut(1),
      onTimeout: "error",
    };
  },
  "Channel.put": () => {
    const channel = new Channel<number>();
    return {
      wait: (o) => channel.put(1, o),
      waitAsync: (o) => channel.putAsync(1, o),
      waiting: () => channel.waiting.putters,
      letOneThrough: () => void channel.tryGet(),
      onTimeout: "error",
    };
  },
  "Lock.acquire": () => {
    const lock = new Lock();
    const release = new Event();
    spawnNow(() => lock.use(() => release.wait()));
    return {
      wait: (o) => lock.acquire(o) && (lock.release(), true),
      waiting: () => lock.waiting,
      letOneThrough: () => release.set(),
      onTimeout: "false",
      wakesAll: true,
    };
  },
  "Condition.wait": () => {
    const condition = new Condition();
    return {
      wait: (o) => condition.lock.use(() => condition.wait(o)),
      waiting: () => condition.waiting,
      letOneThrough: () => void spawnNow(() => condition.lock.use(() => condition.notify())),
      onTimeout: "false",
    };
  },
};

for (const [name, make] of Object.entries(cases)) {
  test(`${name} lets those that wait through in the order in which they came`, async () => {
    const { wait, waiting, letOneThrough, wakesAll } = make();
    const order: number[] = [];
    const greenlets = [0, 1, 2].map((i) =>
      spawnNow(() => {
        wait({});
        order.push(i);
      }),
    );
    assert.ok(greenlets.every((greenlet) => greenlet.state === "parked"));
    for (let i = 0; i < (wakesAll ? 1 : 3); i++) letOneThrough();
    await Promise.all(greenlets);
    assert.deepEqual(order, [0, 1, 2]);
    assert.equal(waiting(), 0);
  });

  test(`${name} ends by its timeout and by its signal, and leaves nobody waiting`, async () => {
    const { wait, waiting, onTimeout } = make();
    const reason = new Error("aborted");
    await spawn(() => {
      if (onTimeout === "false") assert.equal(wait({ timeout: 1 }), false);
      else assert.throws(() => wait({ timeout: 1 }), { code: "ERR_WAIT_TIMEOUT" });
      const controller = new AbortController();
      setImmediate(() => controller.abort(reason));
      assert.throws(
        () => wait({ signal: controller.signal }),
        (error) => error === reason,
      );
      assert.throws(
        () => wait({ signal: AbortSignal.abort(reason) }),
        (error) => error === reason,
      );
      assert.throws(() => wait({ timeout: -1 }), { code: "ERR_INVALID_ARGUMENT" });
    });
    assert.equal(waiting(), 0);
  });

  test(`${name} passes over a waiter that was killed before, and the next one gets what it would have got`, async () => {
    const { wait, waiting, letOneThrough } = make();
    const killed = spawnNow(() => wait({}));
    const next = spawnNow(() => wait({}));
    killed.kill();
    letOneThrough();
    await Promise.all([killed, next]);
    assert.deepEqual([killed.value instanceof Error, next.successful], [true, true]);
    assert.equal(waiting(), 0);
  });

  test(`${name}: a waiter killed after it was let through has got what it was given, and is killed at its next wait`, async () => {
    const { wait, waiting, letOneThrough } = make();
    let got = false;
    let wentOn = false;
    const greenlet = spawnNow(() => {
      wait({});
      got = true;
      sleep();
      wentOn = true;
    });
    letOneThrough();
    greenlet.kill();
    await greenlet;
    // A condition's waiter still has to get its lock, and is killed there.
    if (name !== "Condition.wait" && name !== "Lock.acquire") assert.equal(got, true);
    assert.equal(wentOn, false);
    assert.equal(waiting(), 0);
  });

  test(`${name} is refused outside a greenlet, where the promise form works`, async () => {
    const { wait, waitAsync, waiting, letOneThrough, onTimeout } = make();
    assert.throws(() => wait({}), { code: "ERR_NOT_IN_GREENLET" });
    if (waitAsync === undefined) return;
    const reason = new Error("aborted");
    if (onTimeout === "false") assert.equal(await waitAsync({ timeout: 1 }), false);
    else await assert.rejects(waitAsync({ timeout: 1 }), { code: "ERR_WAIT_TIMEOUT" });
    const controller = new AbortController();
    setImmediate(() => controller.abort(reason));
    await assert.rejects(waitAsync({ signal: controller.signal }), (error) => error === reason);
    const both = [waitAsync({}), spawnNow(() => wait({}))];
    letOneThrough();
    await both[0];
    letOneThrough === undefined || (both[1] as Greenlet).kill();
    await both[1];
    assert.equal(waiting(), 0);
  });
}

test("a semaphore never lets a newcomer overtake those that wait", async () => {
  const semaphore = new Semaphore(1);
  const order: string[] = [];
  await spawn(() => {
    semaphore.acquire();
    const waiter = spawnNow(() => {
      semaphore.acquire();
      order.push("waiter");
      semaphore.release();
    });
    semaphore.release();
    assert.equal(semaphore.tryAcquire(), false);
    semaphore.acquire();
    order.push("newcomer");
    waiter.join();
  });
  assert.deepEqual(order, ["waiter", "newcomer"]);
});

test("a semaphore is given back by use and hold, also after an error, and a bounded one refuses one too many", async () => {
  const semaphore = new BoundedSemaphore(2);
  await spawn(() => {
    assert.throws(() => semaphore.use(() => assert.fail("inside")), /inside/);
    {
      using _ = semaphore.hold();
      assert.equal(semaphore.free, 1);
      using __ = semaphore.hold();
      assert.throws(() => semaphore.hold({ timeout: 1 }), { code: "ERR_WAIT_TIMEOUT" });
    }
    assert.equal(semaphore.free, 2);
  });
  assert.throws(() => semaphore.release(), { code: "ERR_INVALID_STATE" });
  assert.throws(() => new Semaphore(-1), { code: "ERR_INVALID_ARGUMENT" });
});

test("a lock may be taken again by its owner, and by nobody else until it is released as often", async () => {
  const lock = new Lock();
  const steps: string[] = [];
  const owner = spawnNow(() => {
    lock.use(() =>
      lock.use(() => {
        sleep();
        steps.push("owner");
      }),
    );
  });
  const other = spawnNow(() => {
    assert.equal(lock.tryAcquire(), false);
    assert.throws(() => lock.release(), { code: "ERR_INVALID_STATE" });
    lock.use(() => steps.push("other"));
  });
  await Promise.all([owner, other]);
  assert.deepEqual([steps, lock.isLocked], [["owner", "other"], false]);
});

test("a condition's waiter has the lock again when it goes on, also when it was killed meanwhile", async () => {
  const condition = new Condition();
  const { lock } = condition;
  const seen: boolean[] = [];
  const waiter = spawnNow(() => {
    using _ = lock.hold();
    using __ = lock.hold();
    try {
      condition.wait();
    } finally {
      seen.push(lock.isMine);
    }
  });
  await spawn(() => {
    using _ = lock.hold();
    waiter.kill();
    sleep();
    assert.deepEqual(seen, []);
  });
  await waiter;
  assert.deepEqual([seen, lock.isLocked], [[true], false]);
});

test("a notification to a waiter that is killed before it has the lock goes to the next", async () => {
  const condition = new Condition();
  const { lock } = condition;
  const wait = () => lock.use(() => condition.wait());
  const [first, second] = [spawnNow(wait), spawnNow(wait)];
  await spawn(() => {
    using _ = lock.hold();
    condition.notify();
    first.kill();
    sleep();
  });
  await first;
  assert.equal(await second, true);
  await assert.rejects(spawn(() => condition.notify()).promise(), { code: "ERR_INVALID_STATE" });
});

test("waitFor asks again after each notification", async () => {
  const condition = new Condition();
  let count = 0;
  const waiter = spawnNow(() => condition.lock.use(() => condition.waitFor(() => count === 2)));
  for (let i = 0; i < 2; i++) {
    await spawn(() => {
      using _ = condition.lock.hold();
      count++;
      condition.notifyAll();
    });
  }
  assert.equal(await waiter, true);
  assert.equal(await spawn(() => condition.lock.use(() => condition.waitFor(() => false, { timeout: 1 }))), false);
});

test("an event that is cleared at once has still woken those that waited", async () => {
  const event = new Event();
  const waiter = spawnNow(() => event.wait());
  event.set();
  event.clear();
  assert.equal(await waiter, true);
  assert.equal(event.isSet, false);
});

test("a result gives its value or its error to everybody, in greenlets, links and await, and is set once", async () => {
  const error = new Error("no");
  const [good, bad] = [new AsyncResult<number>(), new AsyncResult<number>()];
  const linked = new Promise((resolve) => good.link((result) => resolve(result.value)));
  const inGreenlet = spawnNow(() => good.get());
  good.set(5);
  bad.setException(error);
  assert.deepEqual([await inGreenlet, await good, await linked], [5, 5, 5]);
  await assert.rejects(bad.getAsync(), (seen) => seen === error);
  assert.deepEqual([bad.ready, bad.successful, bad.exception], [true, false, error]);
  assert.throws(() => good.set(6), { code: "ERR_INVALID_STATE" });
});

test("queues give in their order: first in, last in, smallest", async () => {
  const fill = <Q extends { put(item: number): void }>(queue: Q): Q => {
    for (const item of [3, 1, 2, 1]) queue.put(item);
    return queue;
  };
  const drain = (queue: { tryGet(): number | undefined; size: number }) => {
    const items: (number | undefined)[] = [];
    while (queue.size > 0) items.push(queue.tryGet());
    return items;
  };
  assert.deepEqual(drain(fill(new Queue<number>())), [3, 1, 2, 1]);
  assert.deepEqual(drain(fill(new LifoQueue<number>())), [1, 2, 1, 3]);
  assert.deepEqual(drain(fill(new PriorityQueue<number>())), [1, 1, 2, 3]);
  assert.deepEqual(drain(fill(new PriorityQueue<number>({ compare: (a, b) => b - a }))), [3, 2, 1, 1]);
});

test("a priority queue keeps the order of arrival among equals, over thousands of items", () => {
  const queue = new PriorityQueue<{ rank: number; arrival: number }>({ compare: (a, b) => a.rank - b.rank });
  const items = Array.from({ length: 3000 }, (_, arrival) => ({ rank: (arrival * 7919) % 13, arrival }));
  for (const item of items) queue.put(item);
  const sorted = items.toSorted((a, b) => a.rank - b.rank || a.arrival - b.arrival);
  assert.deepEqual(
    items.map(() => queue.tryGet()),
    sorted,
  );
});

test("a bounded queue holds back its producers, and loses and reorders nothing", async () => {
  const queue = new Queue<number>(3);
  let most = 0;
  const producer = spawn(() => {
    for (let i = 0; i < 5000; i++) {
      queue.put(i);
      most = Math.max(most, queue.size);
    }
    queue.shutdown();
  });
  const got = await spawn(() => [...queue]);
  await producer;
  assert.deepEqual(
    got,
    Array.from({ length: 5000 }, (_, i) => i),
  );
  assert.ok(most <= 3);
});

test("a shut-down queue refuses more, gives what it has, and ends the loops over it", async () => {
  const queue = new Queue<number>(2);
  queue.tryPut(1);
  queue.tryPut(2);
  const producer = spawnNow(() => queue.put(3));
  queue.shutdown();
  await assert.rejects(producer.promise(), { code: "ERR_SHUT_DOWN" });
  assert.throws(() => queue.tryPut(4), { code: "ERR_SHUT_DOWN" });
  const items: number[] = [];
  for await (const item of queue) items.push(item);
  assert.deepEqual(items, [1, 2]);
  await assert.rejects(spawn(() => queue.get()).promise(), { code: "ERR_SHUT_DOWN" });

  const dropped = new Queue<number>();
  dropped.put(1);
  dropped.shutdown(true);
  assert.deepEqual([dropped.size, await dropped.joinAsync()], [0, true]);
});

test("join ends when every item has been dealt with", async () => {
  const queue = new Queue<number>();
  queue.put(1);
  queue.put(2);
  const joined = spawnNow(() => queue.join());
  queue.tryGet();
  queue.taskDone();
  assert.equal(joined.ready, false);
  queue.taskDone();
  assert.equal(await joined, true);
  assert.throws(() => queue.taskDone(), { code: "ERR_INVALID_STATE" });
});

test("a channel's put returns when the item was taken, and its loops end at shutdown", async () => {
  const channel = new Channel<string>();
  const order: string[] = [];
  const producer = spawn(() => {
    for (const item of ["a", "b"]) {
      channel.put(item);
      order.push(`put ${item}`);
    }
    channel.shutdown();
  });
  await spawn(() => {
    for (const item of channel) {
      order.push(`got ${item}`);
      sleep();
    }
  });
  await producer;
  assert.deepEqual(order.toSorted(), ["got a", "got b", "put a", "put b"]);
  assert.throws(() => channel.tryPut("c"), { code: "ERR_SHUT_DOWN" });
});

test("a Timeout is thrown where its greenlet waits and known by identity, so that nested ones don't mix", async () => {
  await spawn(() => {
    using outer = new Timeout(5).start();
    try {
      using _ = new Timeout(60_000).start();
      sleep(30_000);
      assert.fail("it went on");
    } catch (error) {
      assert.equal(error, outer);
    }
    const error = new TypeError("mine");
    assert.throws(
      () => {
        using _ = new Timeout(1, error).start();
        sleep(30_000);
      },
      (seen) => seen === error,
    );
  });
});

test("a cancelled Timeout is never thrown, also when its time has passed while the greenlet was woken", async () => {
  await spawn(() => {
    const timeout = new Timeout(1).start();
    timeout.cancel();
    assert.equal(timeout.pending, false);
    sleep(5);
    assert.throws(() => timeout.start(), { code: "ERR_INVALID_STATE" });
  });
  assert.throws(() => new Timeout(1).start(), { code: "ERR_NOT_IN_GREENLET" });
  assert.throws(() => new Timeout(-1), { code: "ERR_INVALID_ARGUMENT" });
});

test("withTimeout gives the value, the fallback, or throws; an inner timeout is not its own", async () => {
  await spawn(() => {
    assert.equal(
      withTimeout(60_000, () => 1),
      1,
    );
    assert.equal(
      withTimeout(1, () => sleep(30_000), "late"),
      "late",
    );
    assert.throws(() => withTimeout(1, () => sleep(30_000)), { name: "Timeout", code: "ERR_WAIT_TIMEOUT" });
    assert.throws(() => withTimeout(60_000, () => withTimeout(1, () => sleep(30_000)), "not this"), {
      name: "Timeout",
    });
  });
});

test("a Local has a value for each greenlet and one for the main stack", async () => {
  const local = new Local(() => 0);
  local.set(7);
  const values = await Promise.all(
    [1, 2].map((n) =>
      spawn(() => {
        assert.equal(local.get(), 0);
        local.set(n);
        sleep();
        return local.get();
      }),
    ),
  );
  assert.deepEqual([values, local.get()], [[1, 2], 7]);
  local.delete();
  assert.equal(local.get(), 0);
});

test("spawnLater starts after its time, and never when it was killed before", async () => {
  let runs = 0;
  const first = spawnLater(1, () => ++runs);
  const second = spawnLater(60_000, () => ++runs);
  second.kill();
  assert.equal(await first, 1);
  await second;
  assert.equal(runs, 1);
});

test("a timeout of Infinity, or of a month, is no timeout of a millisecond", async () => {
  const event = new Event();
  const waits = [Infinity, 2 ** 31, 2 ** 40].map((timeout) => spawnNow(() => event.wait({ timeout })));
  const sleeper = spawnNow(() => sleep(2 ** 40));
  await new Promise((resolve) => setTimeout(resolve, 3));
  assert.ok([...waits, sleeper].every((greenlet) => greenlet.state === "parked"));
  event.set();
  sleeper.kill();
  assert.deepEqual(await Promise.all(waits), [true, true, true]);
});

test("a greenlet's signal is aborted by its kill, and `using` ends it at the end of the block", async () => {
  const steps: string[] = [];
  await spawn(() => {
    using child = spawnNow(() => {
      try {
        sleep(60_000);
      } finally {
        steps.push("child ended");
      }
    });
    child.signal.addEventListener("abort", () => steps.push("aborted"));
    assert.match(child.stack(), /at .*sync\.ts/);
    assert.match(child.waitsFor, /a timer of 60000 ms/);
  });
  assert.deepEqual(steps, ["aborted", "child ended"]);
});
