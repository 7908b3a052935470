// `node --import @switchyard/greenlet/main app.js`: the whole program runs in a greenlet, and may wait at its top level.
//
// Patches the standard library as monkey.patchAll() does, then loads the program before Node does, inside a greenlet; Node
// finds it loaded already. What the program requires is loaded without switching, as ever; the program's own top level
// switches. A module with a top-level await can't be loaded inside anything, and is left to Node, on the main stack.

import Module, { createRequire } from "node:module";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";
import { endsByEmptyLoop } from "./empty-loop.ts";
import { GreenletError } from "./errors.ts";
import { current, monkey, spawnNow } from "./index.ts";

/** What Node ends with when a top-level await never settles. */
const unsettledTopLevel = 13;
const entry = process.argv[1];
// Workers inherit --import; what they run has its own beginning.
if (isMainThread && entry !== undefined) {
  monkey.patchAll();
  const program = spawnNow(runProgram, entry);
  program.name = basename(entry);
  process.on("exit", function onExit() {
    if (!program.ready && endsByEmptyLoop(onExit)) process.exitCode ??= unsettledTopLevel;
  });
  await program;
}

function runProgram(file: string): void {
  // Loading counts as one level below none, so that the program's own top level is at none.
  const greenlet = current();
  if (greenlet !== null) greenlet.moduleLoads = -1;
  const path = createRequire(file).resolve(file);
  try {
    // CommonJS wants to know that it is the main module: Node's own name for that is this function's third argument.
    const load = Module as unknown as { _load(path: string, parent: null, isMain: boolean): unknown };
    load._load(path, null, !isEsModule(path));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_REQUIRE_ASYNC_MODULE")) throw error;
    const { message } = new GreenletError("ERR_NOT_IN_GREENLET", {
      saw: `${path}, or a module that it imports, has a top-level await, so it runs outside a greenlet.`,
      fix: "Put what waits into a function, and run that with spawn().",
    });
    process.emitWarning(message, "GreenletWarning");
  }
}

/** Whether Node would load it as an ES module; a file that only its text tells apart counts as CommonJS. */
function isEsModule(path: string): boolean {
  if (/\.m[jt]s$/.test(path)) return true;
  if (/\.c[jt]s$/.test(path)) return false;
  const manifest = Module.findPackageJSON(pathToFileURL(path));
  // Where there is none, Node gives the file itself back.
  if (manifest === undefined || basename(manifest) !== "package.json") return false;
  return (createRequire(path)(manifest) as { type?: unknown }).type === "module"; // any JSON
}
