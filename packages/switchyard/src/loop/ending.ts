// The end of a worker, after its last request: the application's turn to clean up.
//
// Many programs end by themselves on SIGTERM: they listen for it, close their server and their database, and exit. The
// worker has by then answered all that was in flight, so such a program gets the signal that it waits for and ends
// itself, at once or when nothing keeps its loop alive any more; the parent kills it at the deadline. Any other
// application is closed by its close hooks (Fastify's, Nest's) and the worker exits. (docs/decisions/stopping.md)

import type { Application } from "../app/application.ts";
import type { Parent } from "../ipc/parent.ts";
import type { Log } from "../log/log.ts";

export interface EndingParts {
  readonly application: Application;
  readonly parent: Parent;
  readonly log: Log;
}

/** May return while the program still cleans up; nothing of the worker's own may keep the loop alive by then. */
export async function endApplication({ application, parent, log }: EndingParts): Promise<void> {
  // What else listens for the signal is the program's.
  parent.leaveSignals();
  if (process.listenerCount("SIGTERM") === 0) {
    await application.close();
    process.exit(0);
  }
  parent.release();
  try {
    process.emit("SIGTERM", "SIGTERM");
  } catch (error) {
    log.error({ err: error }, "The application threw in its SIGTERM listener; its worker ends.");
    process.exit(1);
  }
}
