// The measuring side of the load generator: starts its thread, gives it one order at a time, ends it.

import { Worker } from "node:worker_threads";
import { siblingModule } from "../../pool/sibling-module.ts";
import type { LoadOrder, LoadResult } from "./orders.ts";

export interface Generator {
  /** Runs a load; rejects when the generator is closed meanwhile. */
  run(order: LoadOrder): Promise<LoadResult>;
  /** Ends the load that runs now, if any; `run` resolves with what it has seen by then. */
  cut(): void;
  close(): Promise<void>;
}

export function startGenerator(): Generator {
  const thread = new Worker(siblingModule(import.meta.url, "./main"));
  let pending: PromiseWithResolvers<LoadResult> | null = null;
  const fail = (error: Error) => {
    pending?.reject(error);
    pending = null;
  };
  thread.on("message", (result: LoadResult) => {
    pending?.resolve(result);
    pending = null;
  });
  thread.on("error", fail);
  thread.on("exit", () => fail(new Error("The load generator has ended.")));
  return {
    run(order) {
      pending = Promise.withResolvers<LoadResult>();
      thread.postMessage(order);
      return pending.promise;
    },
    cut() {
      if (pending !== null) thread.postMessage("cut");
    },
    async close() {
      await thread.terminate();
    },
  };
}
