// Asks a held loop what it runs, and makes a report of the answer. The way to ask is handed in: to the main thread of a
// process from its watchdog, to a thread from the process that hosts it.

import { wallMs } from "../clock.ts";
import type { BlockedReport } from "../metrics/snapshot.ts";
import type { Description } from "./watched-loop.ts";

export interface InquiryParts {
  readonly worker: number;
  readonly heldMs: number;
  /** Has the loop describe itself; calls back with its text, once. */
  readonly ask: (answer: (text: string) => void) => void;
  /** Whether the loop goes round again. */
  readonly isFree: () => boolean;
  /** How much longer it has been held by now than when it was found so, in milliseconds. */
  readonly sinceMs: () => number;
  readonly tell: (report: BlockedReport) => void;
}

/** JavaScript answers within a few milliseconds; this long without an answer is native code. */
const nativeAfterMs = 200;

export function inquire({ worker, heldMs, ask, isFree, sinceMs, tell }: InquiryParts): void {
  const base = { atMs: wallMs(), worker, pid: process.pid };
  let wasNative = false;
  const native = setTimeout(() => {
    if (isFree()) return;
    wasNative = true;
    tell({ ...base, heldMs: heldMs + sinceMs(), isNative: true, ...unknown });
  }, nativeAfterMs);
  ask((text) => {
    clearTimeout(native);
    const { request, stack } = parse(text);
    // It had come round by itself before it was asked: what it runs now is not what held it.
    if (stack.length === 0) return;
    tell({
      ...base,
      heldMs: heldMs + sinceMs(),
      isNative: wasNative,
      method: request?.method ?? null,
      path: request?.path ?? null,
      ageMs: request?.ageMs ?? null,
      id: request?.id ?? null,
      stack,
    });
  });
}

const unknown = { method: null, path: null, ageMs: null, id: null, stack: [] };

function parse(text: string): Description {
  // The text is made by `describe`, of the same version.
  return JSON.parse(text) as Description;
}
