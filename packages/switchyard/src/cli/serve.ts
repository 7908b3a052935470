// `switchyard serve`: puts the settings together, checks that there is an application to serve, and hands over to the
// supervisor.

import { parseServeFlags } from "../config/flags.ts";
import type { ServeSettings } from "../config/settings.ts";
import { errorOf, SwitchyardError } from "../errors.ts";
import { siblingModule } from "../pool/sibling-module.ts";
import { printError, printText } from "./print.ts";
import type { Reread } from "./reread.ts";
import { readSettings } from "./settings.ts";

/** Serves until the server is told to stop, and returns the exit code. */
export async function serve(args: readonly string[]): Promise<number> {
  const flags = parseServeFlags(args);
  if (flags.help) return printText((await import("./help.ts")).serveHelp());
  const settings = await readSettings(flags);

  const [{ createLogger }, { runSupervisor }] = await Promise.all([
    import("../log/logger.ts"),
    import("../supervisor/supervisor.ts"),
  ]);
  try {
    return await runSupervisor({
      settings,
      log: createLogger({ level: settings.logLevel, component: "supervisor", file: settings.logFile }),
      readSettings: () => readAgain(args),
      startControl: async (options) =>
        (await import("../control/socket.ts")).startControlSocket({
          ...options,
          cwd: process.cwd(),
        }),
      startAdmin: async (options) => (await import("../control/admin.ts")).startAdminServer(options),
    });
  } catch (error) {
    // Here and not in main.ts, since the config file may ask for stacks too.
    return printError(error, { verbose: settings.verbose });
  }
}

/** Reads the settings of the same command line again, by what the config file says now. */
async function readAgain(args: readonly string[]): Promise<ServeSettings> {
  // In a thread of its own: a module is loaded once in each, so here the config file would stay what it was.
  const { Worker } = await import("node:worker_threads");
  const thread = new Worker(siblingModule(import.meta.url, "./reread"), { workerData: args });
  const { promise, resolve, reject } = Promise.withResolvers<ServeSettings>();
  thread.once("message", (answer: Reread) => {
    if ("settings" in answer) resolve(answer.settings);
    else reject(errorOf(answer.error));
  });
  thread.once("error", reject);
  thread.once("exit", (code) => reject(endedEarly(code)));
  try {
    return await promise;
  } finally {
    void thread.terminate();
  }
}

function endedEarly(code: number): SwitchyardError {
  return new SwitchyardError("SY_CONFIG_THREW", {
    saw: `The config file ended its thread while it was read again (exit code ${code}).`,
    fix: "Remove the call of process.exit() from it.",
  });
}
