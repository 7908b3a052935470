// The last connections of a server that ends: those that the kernel has accepted and no loop has taken yet.

import type { Server } from "node:net";

/**
 * Resolves when no connection waits in the kernel's queue, or `most` were taken out of it. The close of the last listening
 * socket would reset those that wait, and their clients may have sent requests already.
 */
export function acceptWaiting(server: Server, most: number): Promise<void> {
  return new Promise((resolve) => {
    let accepted = 0;
    const count = () => {
      accepted++;
    };
    server.on("connection", count);
    /** @param before how many had been accepted when this turn of the loop began, or null when some of it was over. */
    const look = (before: number | null) => {
      if (accepted !== before && accepted < most) {
        const now = accepted;
        setImmediate(() => look(now));
        return;
      }
      server.off("connection", count);
      resolve();
    };
    // In each turn a loop accepts one or all, as its libuv has it; a whole turn without any tells that nobody waits.
    setImmediate(() => look(null));
  });
}
