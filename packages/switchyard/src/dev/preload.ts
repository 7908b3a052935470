// Loaded into every process of `switchyard dev` before anything else: writes down which files of the application are
// loaded, one a line with the time of its last change, so that they can be watched; and opens the inspector when that is wanted.
//
// It uses nothing but Node, and is quiet about what it can't do: the application must load as it would without it.

import fs from "node:fs";
import { registerHooks } from "node:module";
import net from "node:net";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";

const { SWITCHYARD_DEV_LOADS: list, SWITCHYARD_DEV_INSPECT: inspect } = process.env;
/** The package's own folder: its files are no part of the application. */
const ownFolder = fileURLToPath(new URL("../", import.meta.url));
const entry = process.argv[1] ?? "";
/** Of before anything is patched, so that no module is loaded with a pause in the middle. */
const { appendFileSync, statSync } = fs;

if (list !== undefined) {
  registerHooks({
    load(url, context, nextLoad) {
      if (url.startsWith("file:")) note(list, url);
      return nextLoad(url, context);
    },
  });
}

// Only a process that runs the application, and not the processes that it starts.
const runsApplication = entry.startsWith(ownFolder) && /(?:loop|pool.worker).main\.[jt]s$/.test(entry);
if (inspect !== undefined && isMainThread && runsApplication) openInspector(Number(inspect));

function note(file: string, url: string): void {
  try {
    const path = fileURLToPath(url);
    if (!path.startsWith(ownFolder) && !/[\\/]node_modules[\\/]/.test(path))
      appendFileSync(file, `${path}\t${statSync(path).mtimeMs}\n`);
  } catch {
    // The list is gone: the command that reads it has ended, and so will this process.
  }
}

/** Opens it as soon as the port is free: the process before this one may have it for a moment yet. */
function openInspector(port: number): void {
  const probe = net.createServer();
  probe.unref();
  probe.once("error", () => setTimeout(openInspector, 200, port).unref());
  probe.listen(port, "127.0.0.1", () => {
    probe.close(() => process.getBuiltinModule("node:inspector").open(port, "127.0.0.1"));
  });
}
