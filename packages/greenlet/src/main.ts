// `node --import @switchyard/greenlet/main app.js`: the whole program runs in a greenlet, and may wait at its top level.
//
// Patches the standard library as monkey.patchAll() does, then loads the program before Node does, inside a greenlet; Node
// finds it loaded already. What the program requires is loaded without switching, as ever; the program's own top level
// switches. A module with a top-level await can't be loaded inside anything, and is left to Node, on the main stack; so is
// what is no file (--eval, --print, standard input), and a file that is only to be checked or tested.

import Module, { createRequire, registerHooks } from "node:module";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";
import { endsByEmptyLoop } from "./empty-loop.ts";
import { GreenletError } from "./errors.ts";
import type { Greenlet } from "./greenlet.ts";
import { current, monkey, spawnNow } from "./index.ts";
import { isEsModule } from "./module-kind.ts";

/** What Node ends with when a top-level await never settles. */
const unsettledTopLevel = 13;
const path = programPath();
if (path !== null) {
  monkey.patchAll();
  const program = spawnNow(runProgram, path);
  program.name = basename(path);
  process.on("exit", function onExit() {
    if (!program.ready && endsByEmptyLoop(onExit)) process.exitCode ??= unsettledTopLevel;
  });
  await ended(program);
}

/** The file that Node will run, where it is one that can be run in a greenlet. */
function programPath(): string | null {
  const [, entry] = process.argv;
  // Workers inherit --import; what they run has its own beginning.
  if (!isMainThread || entry === undefined || entry === "-") return null;
  const { _eval: text } = process as { _eval?: unknown }; // what --eval and --print were given; not declared
  if (text !== undefined || process.execArgv.some((option) => /^(-c|--check|--test|-i|--interactive)$/.test(option))) {
    return null;
  }
  try {
    return createRequire(entry).resolve(entry);
  } catch {
    // Node will say what is wrong.
    return null;
  }
}

function runProgram(file: string): void {
  // Loading counts as one level below none, so that the program's own top level is at none.
  const greenlet = current();
  if (greenlet !== null) greenlet.moduleLoads = -1;
  const isEsm = isEsModule(file);
  const hooks = isEsm ? sayItIsMain(pathToFileURL(file).href) : null;
  try {
    // CommonJS wants to know that it is the main module: Node's own name for that is this function's third argument.
    const load = Module as unknown as { _load(path: string, parent: null, isMain: boolean): unknown };
    load._load(file, null, !isEsm);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_REQUIRE_ASYNC_MODULE")) throw error;
    const { message } = new GreenletError("ERR_NOT_IN_GREENLET", {
      saw: `${file}, or a module that it imports, has a top-level await, so it runs outside a greenlet.`,
      fix: "Put what waits into a function, and run that with spawn().",
    });
    process.emitWarning(message, "GreenletWarning");
  } finally {
    hooks?.deregister();
  }
}

/** Has the ES module see `import.meta.main` as it would: what is loaded by this way is nobody's main module to Node. */
function sayItIsMain(url: string): { deregister(): void } {
  return registerHooks({
    load: (asked, context, nextLoad) => {
      const loaded = nextLoad(asked, context);
      if (asked !== url || loaded.source === undefined || loaded.source === null) return loaded;
      const source =
        typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source as Uint8Array);
      if (!/\bimport\s*\.\s*meta\b/.test(source)) return loaded;
      // On the first line, so that no line has another number.
      const [hashbang = ""] = /^#!.*\n?/.exec(source) ?? [];
      return { ...loaded, source: `${hashbang}import.meta.main = true; ${source.slice(hashbang.length)}` };
    },
  });
}

/** Once the program's top level has been run. Where it threw, never, or Node would run it again. */
async function ended(program: Greenlet<void>): Promise<void> {
  const whoDiffer = ["uncaughtException", "uncaughtExceptionMonitor", "unhandledRejection"];
  try {
    await program;
  } catch (error) {
    // As a rejection it shows the program's own line; to who listens, it must be an exception.
    if (!whoDiffer.some((event) => process.listenerCount(event) > 0)) throw error;
    queueMicrotask(() => {
      throw error;
    });
    await new Promise(() => {});
  }
}
