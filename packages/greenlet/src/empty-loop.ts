// A process or thread that ends because its event loop is empty, with greenlets still parked: told, as Node tells of a
// top-level await that never settles.
//
// Changes no exit code. A greenlet of which that is expected, one that serves a queue for ever, says so by unref().

import { countOf, describeSome } from "./description.ts";
import { framesBelow } from "./error-frames.ts";
import type { Greenlet } from "./greenlet.ts";
import { hubLimits } from "./limits.ts";

let wasLoopEmpty = false;
let isWatched = false;

/** From now on; once. */
export function watchEmptyLoop(): void {
  if (isWatched) return;
  isWatched = true;
  process.on("beforeExit", () => {
    wasLoopEmpty = true;
  });
  process.on("exit", function onExit() {
    if (endsByEmptyLoop(onExit)) warnOfParked();
  });
}

/** In an "exit" listener, which is `listener`: whether the thread ends because there was nothing left to do. */
export function endsByEmptyLoop(listener: () => void): boolean {
  // Somebody may have given the loop more to do in "beforeExit", and that have ended the program.
  return wasLoopEmpty && !framesBelow(listener).some((frame) => /at process\.(exit|_fatalException) /.test(frame));
}

function warnOfParked(): void {
  // Greenlets are all that is counted.
  const greenlets = hubLimits.members() as unknown as Greenlet[];
  const parked = greenlets.filter((greenlet) => greenlet.state === "parked" && greenlet.hasRef());
  if (parked.length === 0) return;
  const [are, them] = parked.length === 1 ? ["is", "it"] : ["are", "them"];
  const warning = new Error(
    `The event loop is empty and ${countOf(parked)} ${are} still parked: nothing is left that could resume ${them}.`,
  );
  warning.name = "GreenletWarning";
  // emitWarning() tells in the next tick, and there is none.
  process.emit("warning", Object.assign(warning, { detail: describeSome(parked) }));
}
