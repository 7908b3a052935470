// What a worker tells its parent in the moment in which its program ends it: by process.exit(), or by an error that nobody
// caught. A worker that is killed, or whose heap is full, says nothing any more; its parent knows it by its exit.

import type { ServerResponse } from "node:http";
import type { Parent } from "../ipc/parent.ts";
import type { RequestBrief } from "../metrics/snapshot.ts";
import type { Faults } from "./faults.ts";

export interface LastWordsParts {
  readonly parent: Parent;
  readonly worker: number;
  readonly faults: Faults;
  readonly brief: (response: ServerResponse) => RequestBrief | null;
}

export function sendLastWords({ parent, worker, faults, brief }: LastWordsParts): void {
  process.once("exit", (code) => {
    if (code === 0) return;
    const response = faults.current;
    const request = response === undefined ? null : brief(response);
    const { lastError } = faults;
    // The event is the last that happens here: what a pipe or port takes at once is what arrives.
    void parent.send({
      type: "lastWords",
      words: { worker, request, error: lastError === null ? null : String(lastError) },
    });
  });
}
