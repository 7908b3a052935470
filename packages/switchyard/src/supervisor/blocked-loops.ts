// The loops that were held for too long: how often, the last of them, and each as text for the log.

import type { BlockedReport, RequestBrief } from "../metrics/snapshot.ts";

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

/**
 * One sentence, and the stack below it, a frame to a line.
 *
 * @param inFlight What its worker last told of its requests; said where the loop itself can't say which one holds it.
 */
export function blockedText(report: BlockedReport, inFlight: readonly RequestBrief[]): string {
  const { worker, heldMs, stack, isNative, isLoading, path } = report;
  const held = `Worker ${worker}'s loop ${isNative && stack.length > 0 ? "was" : "has been"} held for ${Math.round(heldMs)} ms`;
  const by = isLoading ? "while it loads the application" : `by ${requestText(report)}`;
  if (stack.length > 0) {
    const frames = stack.map((frame) => `\n    at ${frame}`).join("");
    return `${held} ${by}${isNative ? ", in native code, which returned to" : ""}:${frames}`;
  }
  if (!isNative) return `${held} ${by}, by Node's own loading of modules.`;
  const native = "native code (a synchronous call, or an addon's); what it returns to is told when it does.";
  if (isLoading) return `${held} ${by}, by ${native}`;
  if (path !== null) return `${held} ${by}, in ${native}`;
  const oldest = inFlight.map(({ method, path, ageMs }) => `${method} ${path} (${Math.round(ageMs)} ms old)`);
  const then = oldest.length === 0 ? "" : ` The oldest requests that it had just before: ${oldest.join(", ")}.`;
  return `${held}, by ${native}${then}`;
}

function requestText({ method, path, ageMs, id }: BlockedReport): string {
  if (path === null) return "code of no request";
  const named = id === null ? "" : ` (${id})`;
  return `${method} ${path}${named}, ${Math.round(ageMs ?? 0)} ms old`;
}
