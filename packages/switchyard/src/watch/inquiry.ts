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
  readonly isLoading: boolean;
  /** How much longer it has been held by now than when it was found so, in milliseconds. */
  readonly sinceMs: () => number;
  readonly tell: (report: BlockedReport) => void;
}

/** JavaScript answers within a few milliseconds; this long without an answer, in milliseconds, is native code. */
export const nativeAfterMs = 200;

export function inquire({ worker, heldMs, ask, isFree, isLoading, sinceMs, tell }: InquiryParts): void {
  const base = { atMs: wallMs(), worker, pid: process.pid, isLoading };
  let wasNative = false;
  const native = setTimeout(() => {
    if (isFree()) return;
    wasNative = true;
    tell({ ...base, heldMs: heldMs + sinceMs(), isNative: true, ...unknown });
  }, nativeAfterMs);
  ask((text) => {
    clearTimeout(native);
    const report = reportOf(parse(text), { ...base, heldMs: heldMs + sinceMs(), isNative: wasNative });
    if (report !== null) tell(report);
  });
}

/** What nobody can say of a loop that does not answer. */
export const unknown = { method: null, path: null, ageMs: null, id: null, stack: [] };

type Circumstances = Pick<BlockedReport, "atMs" | "worker" | "pid" | "isLoading" | "heldMs" | "isNative">;

/** @returns null when what it runs now is not what held it: it has come round by itself, or native code has returned to Node. */
export function reportOf({ request, stack }: Description, circumstances: Circumstances): BlockedReport | null {
  // What Node itself does to load modules holds a loop without any frame of the program.
  if (stack.length === 0 && (circumstances.isNative || !circumstances.isLoading)) return null;
  return {
    ...circumstances,
    method: request?.method ?? null,
    path: request?.path ?? null,
    ageMs: request?.ageMs ?? null,
    id: request?.id ?? null,
    stack,
  };
}

function parse(text: string): Description {
  // The text is made by `describe`, of the same version.
  return JSON.parse(text) as Description;
}
