// Model greenlet: a rejection that Node finds unhandled while its request is in the middle of a run.
//
// A handler may make a promise, read a file, and then await the promise. Under plain Node nothing happens between the two.
// Here the read parks the request's greenlet, as preemption may at any point, and the event loop goes round: a promise that
// is rejected by then counts as unhandled, and Faults would answer 500 for it, or a listener of the program's own would end
// the process. So what Node says of such a promise is passed on only once the request's run is over. One that was handled
// until then nobody hears of. Rejections of other requests, and of none, are passed on at once.

import type { ServerResponse } from "node:http";
import type { Faults } from "./faults.ts";

/** A run that goes on within a turn or two of the loop is the rule; one that waits for a program may last. */
const firstLookMs = 1;
const mostBetweenLooksMs = 32;

/** @param isMidRun Whether a test is true in the async context of any greenlet that its own code has not parked. */
export function holdEarlyRejections(faults: Faults, isMidRun: (test: () => boolean) => boolean): void {
  const held = new Set<unknown>();
  const emit = process.emit as (this: NodeJS.Process, event: string, ...args: unknown[]) => boolean;
  const isInRun = (response: ServerResponse) => isMidRun(() => faults.current === response);

  function hold(response: ServerResponse, reason: unknown, promise: unknown): void {
    held.add(promise);
    const lookIn = (ms: number) => {
      // A timer that is started here belongs to the request, and so does what it emits.
      setTimeout(() => {
        if (!held.has(promise)) return;
        if (isInRun(response)) {
          lookIn(Math.min(2 * ms, mostBetweenLooksMs));
          return;
        }
        held.delete(promise);
        // What Node does of itself when nobody listens.
        if (!emit.call(process, "unhandledRejection", reason, promise)) throw reason;
      }, ms);
    };
    lookIn(firstLookMs);
  }

  function emitInTime(this: NodeJS.Process, event: string, ...args: unknown[]): boolean {
    if (event === "unhandledRejection") {
      const [reason, promise] = args;
      const response = faults.current;
      if (response !== undefined && isInRun(response)) {
        hold(response, reason, promise);
        return true;
      }
    }
    if (event === "rejectionHandled" && held.delete(args[0])) return true;
    return emit.call(this, event, ...args);
  }
  // The overloads, one for each event, can't be written in one signature.
  process.emit = emitInTime as typeof process.emit;
}
