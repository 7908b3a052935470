// Watches the loops of threads from the loop of the process that hosts them, which runs no application and is free.
//
// One session of the inspector reaches all threads (the protocol's domain NodeWorker), and is there only while one of them
// is asked.

import { Session } from "node:inspector";
import { nowMs } from "../clock.ts";
import type { BlockedReport } from "../metrics/snapshot.ts";
import { type Beats, beatOf, isLoading, untilHeldOf } from "./beats.ts";
import { HoldDetector } from "./hold-detector.ts";
import { inquire } from "./inquiry.ts";
import { lookEveryMs, type WatchLimits } from "./threshold.ts";
import { type Description, describeExpression, isDebugged } from "./watched-loop.ts";

export interface ThreadWatchParts {
  readonly worker: number;
  readonly threadId: number;
  readonly beats: Beats;
  readonly limits: WatchLimits;
  readonly tell: (report: BlockedReport) => void;
}

/** @returns what ends the watch. */
export function watchThread({ worker, threadId, beats, limits, tell }: ThreadWatchParts): () => void {
  if (isDebugged()) return () => {};
  const detector = new HoldDetector();
  const timer = setInterval(() => {
    const heldMs = detector.look(beatOf(beats), untilHeldOf(beats), nowMs());
    if (heldMs === null) return;
    const askedAtMs = nowMs();
    inquire({
      worker,
      heldMs,
      ask: (answer) => askThread(threadId, answer),
      isFree: () => detector.isFree(beatOf(beats)),
      isLoading: isLoading(beats),
      sinceMs: () => nowMs() - askedAtMs,
      tell,
    });
  }, lookEveryMs(limits)).unref();
  return () => clearInterval(timer);
}

/**
 * Asks every thread, since the inspector's numbers for them are its own, and takes the answer of this one. What waits for
 * the answer of a thread that ends first is one idle session.
 */
function askThread(threadId: number, answer: (text: string) => void): void {
  const session = new Session();
  session.connect();
  let isOver = false;
  session.on("NodeWorker.attachedToWorker", ({ params }) => {
    if (isOver) return;
    const message = JSON.stringify({ id: 1, method: "Runtime.evaluate", params: { expression: describeExpression } });
    session.post("NodeWorker.sendMessageToWorker", { sessionId: params.sessionId, message });
  });
  session.on("NodeWorker.receivedMessageFromWorker", ({ params }) => {
    const text = valueIn(params.message);
    // Made by `describe`, of the same version.
    if (isOver || text === null || (JSON.parse(text) as Description).thread !== threadId) return;
    isOver = true;
    // Node delivers this between any two lines of ours, by an interrupt, and crashes when the session ends in the middle of it.
    setImmediate(() => {
      session.disconnect();
      answer(text);
    });
  });
  session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
}

/** What the expression's value was, when this is the answer to it. */
function valueIn(message: string): string | null {
  // The inspector's protocol: an answer has the number of its question.
  const { id, result } = JSON.parse(message) as {
    id?: number;
    result?: { result?: { value?: unknown }; exceptionDetails?: unknown };
  };
  const value = result?.result?.value;
  // A thread that is ended meanwhile answers with an exception.
  return id === 1 && result?.exceptionDetails === undefined && typeof value === "string" ? value : null;
}
