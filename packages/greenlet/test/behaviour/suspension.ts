// Places of JavaScript in which a greenlet may wait, with others running meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as immediately } from "node:timers/promises";
import vm from "node:vm";
import { sleep, spawn, spawnNow, wait } from "../../src/index.ts";

/** A value by way of a wait. */
function later<T>(value: T): T {
  return wait(immediately(value)) as T;
}

const places: Record<string, () => unknown> = {
  "a sort's comparison": () => [3, 1, 2].sort((a, b) => later(a - b)),
  "a typed array's sort": () => [...new Int32Array([3, 1, 2]).sort((a, b) => later(a - b))],
  forEach: () => {
    const seen: number[] = [];
    [1, 2, 3].forEach((n) => void seen.push(later(n)));
    return seen;
  },
  "map, filter and reduce": () =>
    [1, 2, 3, 4]
      .map((n) => later(n * 2))
      .filter((n) => later(n > 2))
      .reduce((a, b) => later(a + b)),
  "Array.from and flatMap": () => Array.from({ length: 3 }, (_, i) => later(i)).flatMap((n) => later([n, n])),
  "a Map's and a Set's forEach": () => {
    const seen: unknown[] = [];
    new Map([[1, "a"]]).forEach((value, key) => void seen.push(later(key), later(value)));
    new Set([2]).forEach((value) => void seen.push(later(value)));
    return seen;
  },
  "a getter and a setter": () => {
    let held = 0;
    const object = {
      get value() {
        return later(held);
      },
      set value(n) {
        held = later(n + 1);
      },
    };
    object.value = 1;
    return object.value;
  },
  "every trap of a Proxy that reads": () => {
    const proxy = new Proxy({} as Record<string, number>, {
      get: (_, name) => later(`got ${String(name)}`),
      has: () => later(true),
      ownKeys: () => later(["a"]),
      getOwnPropertyDescriptor: () => later({ value: 1, enumerable: true, configurable: true }),
    });
    return [proxy.x, "y" in proxy, Object.keys(proxy)];
  },
  "a Proxy's apply and construct": () => {
    const target = new Proxy(class {}, { construct: () => later({ made: 1 }) });
    const call = new Proxy(() => 0, { apply: () => later(4) });
    return [new target(), call()];
  },
  "a constructor, super and a field": () => {
    class Base {
      base = later("base");
    }
    class Derived extends Base {
      field = later("field");
      constructor() {
        later(0);
        super();
        later(1);
      }
    }
    return { ...new Derived() };
  },
  "a static initialiser": () => {
    class Once {
      static value = later(9);
    }
    return Once.value;
  },
  "a generator and its return()": () => {
    const seen: string[] = [];
    function* numbers() {
      try {
        yield later(1);
        yield later(2);
      } finally {
        seen.push(later("closed"));
      }
    }
    for (const n of numbers()) {
      seen.push(String(n));
      if (later(n) === 1) break;
    }
    return seen;
  },
  "a Promise's executor": () => wait(new Promise((resolve) => resolve(later(1)))),
  "toString, valueOf and toPrimitive": () => `${{ toString: () => later("text") }}${+{ valueOf: () => later(2) }}`,
  "JSON.parse's reviver and toJSON": () => [
    JSON.parse("[1]", (_, v) => later(v)),
    JSON.stringify({ toJSON: () => later(3) }),
  ],
  "a string's replace": () => "a-b".replace(/[ab]/g, (c) => later(c.toUpperCase())),
  "catch and finally with an exception under way": () => {
    const seen: string[] = [];
    try {
      try {
        throw new Error("x");
      } finally {
        seen.push(later("finally"));
      }
    } catch (error) {
      seen.push(later((error as Error).message));
    }
    return seen;
  },
  "a tagged template and eval": () => {
    const tag = (strings: TemplateStringsArray, n: number) => later(strings.join("_") + n);
    // biome-ignore lint/security/noGlobalEval: a wait under eval is what is tested
    return [tag`a${1}b`, (0, eval)("(f) => f(2)")(later)];
  },
  "another vm context": () => vm.runInNewContext("later(5) + 1", { later }),
  "the synchronous part of an async function": () => wait((async () => later("async"))()),
  "Reflect.apply of a bound function": () => Reflect.apply(later.bind(null, 8), undefined, []),
};

const expected: Record<string, unknown> = {
  "a sort's comparison": [1, 2, 3],
  "a typed array's sort": [1, 2, 3],
  forEach: [1, 2, 3],
  "map, filter and reduce": 18,
  "Array.from and flatMap": [0, 0, 1, 1, 2, 2],
  "a Map's and a Set's forEach": [1, "a", 2],
  "a getter and a setter": 2,
  "every trap of a Proxy that reads": ["got x", true, ["a"]],
  "a Proxy's apply and construct": [{ made: 1 }, 4],
  "a constructor, super and a field": { base: "base", field: "field" },
  "a static initialiser": 9,
  "a generator and its return()": ["1", "closed"],
  "a Promise's executor": 1,
  "toString, valueOf and toPrimitive": "text2",
  "JSON.parse's reviver and toJSON": [[1], "3"],
  "a string's replace": "A-B",
  "catch and finally with an exception under way": ["finally", "x"],
  "a tagged template and eval": ["a_b1", 2],
  "another vm context": 6,
  "the synchronous part of an async function": "async",
  "Reflect.apply of a bound function": 8,
};

for (const [place, run] of Object.entries(places)) {
  test(`a greenlet may wait in ${place}, with twenty others in the same place`, async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => spawn(run)));
    for (const result of results) assert.deepEqual(structuredClone(result), expected[place]);
  });
}

test("a greenlet may wait in Error.prepareStackTrace", async (t) => {
  const original = Error.prepareStackTrace;
  t.after(() => {
    Error.prepareStackTrace = original;
  });
  Error.prepareStackTrace = () => later("prepared");
  assert.equal(await spawn(() => new Error("x").stack), "prepared");
});

test("parked stacks survive garbage collection, with what they hold", async () => {
  const greenlets = Array.from({ length: 50 }, (_, i) =>
    spawn(() => {
      const held = { list: Array.from({ length: 100 }, (_, j) => ({ i, j })) };
      for (let round = 0; round < 5; round++) sleep();
      return held.list.every((entry, j) => entry.i === i && entry.j === j);
    }),
  );
  const collect = setInterval(() => globalThis.gc?.(), 1);
  const intact = await Promise.all(greenlets);
  clearInterval(collect);
  assert.ok(intact.every(Boolean));
});

test("a stack overflow is a RangeError, again and again, also under native code, and the greenlet lives on", async () => {
  const nested = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
  const overflows: (() => unknown)[] = [
    function recurse(): unknown {
      return [recurse()];
    },
    () =>
      [1, 2].sort(function compare(): number {
        return [1, 2].sort(compare).length;
      }),
    () => {
      const loop: { toJSON?: unknown } = {};
      loop.toJSON = () => JSON.stringify(loop);
      return JSON.stringify(loop);
    },
    () => {
      // biome-ignore lint/security/noGlobalEval: the parser's own recursion is what is tested
      return (0, eval)(nested);
    },
  ];
  await spawn(() => {
    for (const overflow of [...overflows, ...overflows]) assert.throws(overflow, RangeError);
    sleep();
    assert.throws(overflows[0] ?? (() => {}), RangeError);
  });
});

test("greenlets start each other fifty deep, and each waits", async () => {
  const depth = (n: number): number => {
    if (n === 0) return 0;
    const inner = spawnNow(() => depth(n - 1));
    sleep();
    return inner.get() + 1;
  };
  assert.equal(await spawn(() => depth(50)), 50);
});
