// What a command and a running server say to each other over the control socket: one line of JSON each way, then the end.

import type { ErrorReport } from "../errors.ts";
import type { ServerStatus } from "../metrics/snapshot.ts";

export type ControlRequest =
  | { readonly command: "status" }
  | { readonly command: "reload" }
  | { readonly command: "scale"; readonly lane: string; readonly workers: number }
  | { readonly command: "restart"; readonly worker: number }
  | { readonly command: "stop"; readonly how: "graceful" | "quick" }
  | { readonly command: "reopenLogs" };

/** The status is that after the command was done. */
export type ControlAnswer =
  | { readonly ok: true; readonly status: ServerStatus }
  | { readonly ok: false; readonly error: ErrorReport };

/** How long a request's line may be, in bytes. */
export const requestBytes = 4096;

/** The request that a line holds, or null for anything else. */
export function requestOf(line: string): ControlRequest | null {
  const said = parsed(line);
  if (typeof said !== "object" || said === null || !("command" in said)) return null;
  switch (said.command) {
    case "status":
    case "reload":
    case "reopenLogs":
      return { command: said.command };
    case "scale":
      if (!("lane" in said && "workers" in said)) return null;
      if (typeof said.lane !== "string" || typeof said.workers !== "number") return null;
      return { command: "scale", lane: said.lane, workers: said.workers };
    case "restart":
      if (!("worker" in said) || typeof said.worker !== "number") return null;
      return { command: "restart", worker: said.worker };
    case "stop":
      if (!("how" in said) || (said.how !== "graceful" && said.how !== "quick")) return null;
      return { command: "stop", how: said.how };
    default:
      return null;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
