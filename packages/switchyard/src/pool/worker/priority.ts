// A lower CPU priority for a lane's worker, so that the loops have the CPU whenever they want it and the worker what is left.
//
// On Linux the priority belongs to the thread that sets it, although POSIX says the process (setpriority(2), "C library/kernel
// differences"), so a thread of a process with others is lowered alone. Elsewhere only a process of its own can be. Nobody
// but the superuser can raise it again.

import { platform, setPriority } from "node:os";
import { isMainThread } from "node:worker_threads";

/** As `nice` does: about a tenth of the CPU of one at 0, when both want it. */
const lowNice = 10;

export function lowerPriority(): void {
  if (platform() !== "linux" && !isMainThread) return;
  try {
    setPriority(0, lowNice);
  } catch {
    // A sandbox forbids it: the worker runs as the others do.
  }
}
