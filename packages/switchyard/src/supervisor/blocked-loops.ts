// The loops that were held for too long: how often, the last of them, and each as text for the log.

import type { BlockedReport } from "../metrics/snapshot.ts";

/** How many are kept for people to look at. */
const keptReports = 20;

export class BlockedLoops {
  #recent: BlockedReport[] = [];
  #count = 0;

  /** The latest last. */
  get recent(): readonly BlockedReport[] {
    return this.#recent;
  }

  get count(): number {
    return this.#count;
  }

  add(report: BlockedReport): void {
    this.#count++;
    this.#recent = [...this.#recent, report].slice(-keptReports);
  }
}

/** One sentence, and the stack below it, a frame to a line. */
export function blockedText(report: BlockedReport): string {
  const { worker, heldMs, stack, isNative } = report;
  const held = `Worker ${worker}'s loop ${isNative && stack.length > 0 ? "was" : "has been"} held for ${Math.round(heldMs)} ms`;
  if (stack.length === 0) {
    return `${held}, by native code (a synchronous call, or an addon's); what it returns to is told when it does.`;
  }
  const frames = stack.map((frame) => `\n    at ${frame}`).join("");
  return `${held} by ${requestText(report)}${isNative ? ", in native code, which returned to" : ""}:${frames}`;
}

function requestText({ method, path, ageMs, id }: BlockedReport): string {
  if (path === null) return "code of no request";
  const named = id === null ? "" : ` (${id})`;
  return `${method} ${path}${named}, ${Math.round(ageMs ?? 0)} ms old`;
}
