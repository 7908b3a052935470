// What JavaScript, the command line and the machine may do to a process with greenlets in it: none of it ends the process in
// another way than without them. Each is a child process, whose exit code and output are checked.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { hub } from "../../src/index.ts";
import { assertEnded, runFixture } from "../child.ts";
import { compileAddon, whyNoCompiler } from "../native-addon.ts";

let addon: { file: string; remove(): void } | undefined;
before(() => {
  if (whyNoCompiler === undefined) addon = compileAddon("calls-back");
});
after(() => addon?.remove());

interface Row {
  readonly behaviour: string;
  readonly fixture: string;
  readonly nodeArgs?: string[];
  readonly limits?: string;
  readonly args?: () => string[];
  readonly output: string;
  /** Why it can't be tried here. */
  readonly skip?: string | undefined;
}

const isRoot = process.getuid?.() === 0;
const linuxOnly = process.platform === "linux" ? undefined : "the limit is Linux's";

const rows: Row[] = [
  ...[
    { nodeArgs: ["--stack-size=200"] },
    { nodeArgs: ["--stack-size=3000"], limits: "-s unlimited" },
    { limits: "-s 1024" },
  ].map((how) => ({
    behaviour: `JavaScript goes deep on greenlets' stacks and on the thread's own with ${Object.values(how).join(" and ulimit ")}`,
    fixture: "stack-depths",
    output: "deep enough everywhere",
    skip: linuxOnly,
    ...how,
  })),
  {
    behaviour: "native code that needs much of a stack runs on a greenlet's",
    fixture: "native-on-stack",
    nodeArgs: ["--no-warnings"],
    output: "all ran, all ran, all ran",
  },
  {
    behaviour: "built-ins that call back may wait while V8 moves everything and compiles anew",
    fixture: "suspension-points",
    nodeArgs: ["--expose-gc", "--stress-compaction", "--gc-interval=20000"],
    args: () => ["3"],
    output: "3 greenlets, all right",
  },
  {
    behaviour: "errors that nobody looks at are uncaught, each once, and everything else goes on",
    fixture: "uncaught-in-greenlet",
    output:
      "went on\nuncaughtException: in a tick\nuncaughtException: in a timer\n" +
      "unhandledRejection: after a wait\nunhandledRejection: at once",
  },
  {
    behaviour: "greenlets wait in code of other vm contexts, and never where a time limit would strike another one",
    fixture: "vm-contexts",
    output: "contexts are kept apart",
  },
  {
    behaviour: "signals are heard while greenlets switch, and a handler in a greenlet may wait",
    fixture: "signals",
    output: "every signal heard",
  },
  {
    behaviour: "children, clusters and workers are started in greenlets, with others parked",
    fixture: "children",
    output: "all were started and ended",
  },
  {
    behaviour: "a process changes its user and groups in a greenlet, however it stands, and outside",
    fixture: "credentials",
    output: "changed everywhere",
  },
  {
    behaviour: "a process may change its folder and title, load an addon and replace itself in a greenlet",
    fixture: "own-process",
    nodeArgs: ["--no-warnings"],
    args: () => [String(addon?.file), "replace"],
    output: "all done\nreplaced",
    skip: whyNoCompiler,
  },
  {
    behaviour: "a debugger stops in greenlets, steps and looks around; heap snapshots and reports are made",
    fixture: "inspected",
    output: "debugged 5 greenlets, 20 parked",
  },
  {
    behaviour: "Express keeps 200 requests apart that wait in nested middleware and under its body parser",
    fixture: "express-app",
    output: "200 of 200 requests got their own",
  },
  {
    behaviour: "better-sqlite3 works, and a wait in a function that it calls is refused",
    fixture: "better-sqlite3",
    args: () => [String(betterSqlite3)],
    output: "better-sqlite3 works",
    skip:
      whereBetterSqlite3() === undefined
        ? "better-sqlite3 is not installed; name its folder in BETTER_SQLITE3"
        : undefined,
  },
  {
    behaviour: "where the address space is small, one greenlet too many is refused and the rest go on",
    fixture: "runs-out",
    limits: "-v 3000000",
    output: "ERR_TOO_MANY_GREENLETS 1 many",
    skip: linuxOnly,
  },
  {
    behaviour: "where threads are few, one greenlet too many is refused and the rest go on",
    fixture: "runs-out",
    limits: "-u 60",
    args: () => ["as another user"],
    output: "ERR_TOO_MANY_GREENLETS 1 many",
    skip:
      linuxOnly ??
      (hub.backend === "impersonation-light"
        ? "greenlets are no threads on this backend"
        : isRoot
          ? undefined
          : "the limit is a user's, and another user can be had by root alone"),
  },
  {
    behaviour: "when the thread that holds connections of node:sqlite dies, whoever waits for it is told",
    fixture: "sqlite-thread-dies",
    nodeArgs: ["--no-warnings"],
    output: "every caller was told",
  },
];

const betterSqlite3 = whereBetterSqlite3();

for (const { behaviour, fixture, nodeArgs = [], limits, args, output, skip } of rows) {
  test(behaviour, { skip }, async () => {
    const ending = await runFixture(`${fixture}.ts`, { nodeArgs, limits, args: args?.() ?? [] });
    assertEnded(ending, 0);
    assert.equal(ending.stdout, `${output}\n`);
  });
}

test("a signal that ends a process ends it with greenlets parked and running", async () => {
  const ending = await runFixture("signals.ts", { args: ["end"] });
  assert.deepEqual([ending.code, ending.signal, ending.stdout], [null, "SIGTERM", "every signal heard\n"]);
});

test("a program that may load no addon is told so by its first greenlet", async () => {
  const ending = await runFixture("no-addon.ts", { nodeArgs: ["--permission", "--allow-fs-read=*"] });
  assertEnded(ending, 0);
  assert.match(ending.stdout, /^imported\nERR_ADDON_UNAVAILABLE /);
});

/** A folder of that package: it is compiled when it is installed, which takes too long for the tests of another one. */
function whereBetterSqlite3(): string | undefined {
  if (process.env.BETTER_SQLITE3 !== undefined) return process.env.BETTER_SQLITE3;
  try {
    return createRequire(import.meta.url).resolve("better-sqlite3");
  } catch {
    return undefined;
  }
}
