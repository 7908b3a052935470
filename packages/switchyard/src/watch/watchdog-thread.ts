// The thread beside a process's loop where the addon can't be loaded: looks whether it is held, asks what it runs, and writes
// the report to the parent.

import { writeSync } from "node:fs";
import { Session } from "node:inspector";
import { workerData } from "node:worker_threads";
import { nowMs } from "../clock.ts";
import type { BlockedReport } from "../metrics/snapshot.ts";
import { beatOf, isLoading, untilHeldOf } from "./beats.ts";
import { HoldDetector } from "./hold-detector.ts";
import { inquire } from "./inquiry.ts";
import type { WatchdogData } from "./watchdog.ts";
import { describeExpression } from "./watched-loop.ts";

// Set by startWatchdog.
const { beats, everyMs, worker, fd } = workerData as WatchdogData;
const detector = new HoldDetector();
let isAsking = false;

setInterval(look, everyMs);

function look(): void {
  const heldMs = detector.look(beatOf(beats), untilHeldOf(beats), nowMs());
  if (heldMs === null || isAsking) return;
  const askedAtMs = nowMs();
  isAsking = true;
  inquire({
    worker,
    heldMs,
    ask,
    isFree: () => detector.isFree(beatOf(beats)),
    isLoading: isLoading(beats),
    sinceMs: () => nowMs() - askedAtMs,
    tell,
  });
}

function ask(answer: (text: string) => void): void {
  const session = new Session();
  session.connectToMainThread();
  session.post("Runtime.evaluate", { expression: describeExpression }, (error, reply) => {
    isAsking = false;
    session.disconnect();
    if (error === null && typeof reply.result.value === "string") answer(reply.result.value);
  });
}

function tell(report: BlockedReport): void {
  try {
    writeSync(fd, `${JSON.stringify(report)}\n`);
  } catch {
    // The parent has gone: so will this process.
  }
}
