// Model greenlet: a request is a greenlet, which starts at once and may suspend anywhere in the application's code.
//
// What a request's body sets off (a parser that calls `next()` when it has read all) would run on the loop's own stack,
// where nothing can suspend. So the events of a request that has a body are delivered in a greenlet too.

import type { IncomingMessage } from "node:http";
import type * as Greenlets from "@switchyard/greenlet";
import type { RequestListener } from "../edge/listener.ts";
import type { Faults } from "./faults.ts";
import { callOf, type Handling } from "./run-async.ts";

export function runGreenlet(application: Handling, faults: Faults, greenlets: typeof Greenlets): RequestListener {
  const { spawnNow } = greenlets;
  const call = callOf(application, faults);
  const start: RequestListener = (request, response) => {
    if (!request.complete) deliverInGreenlet(request, greenlets);
    spawnNow(call, request, response);
  };
  return (request, response) => faults.run(start, request, response);
}

function deliverInGreenlet(request: IncomingMessage, { inGreenlet, spawnNow }: typeof Greenlets): void {
  const emit = request.emit;
  const deliver = (event: string, args: unknown[]) => {
    emit.call(request, event, ...args);
  };
  request.emit = (event: string | symbol, ...args: unknown[]) => {
    // Only what bodies are read by; `pause` and `resume` come many times and set nothing off.
    if (inGreenlet() || (event !== "end" && event !== "data" && event !== "readable")) {
      return emit.call(request, event as string, ...args);
    }
    if (request.listenerCount(event) === 0) return false;
    spawnNow(deliver, event, args);
    return true;
  };
}
