// process.exit() in a greenlet: what listens to "exit" runs on its stack, and is the last that runs.
//
// Were the greenlet parked there, the event loop would go round in a process that Node takes for ended already: servers would
// answer on, and process.nextTick() does nothing any more, so that a child process that is waited for is never heard of. So a
// wait is refused, and patched functions block.

import { runningTask } from "./switching.ts";

let isEnding = false;

/** Whether the thread ends by a call in a greenlet, which must not be parked. */
export function isExiting(): boolean {
  return isEnding;
}

/** From now on; once. Before the program's own listeners. */
export function stayOnStackAtExit(): void {
  process.prependListener("exit", () => {
    const task = runningTask();
    if (task === null) return;
    isEnding = true;
    task.switchBans++;
  });
}
