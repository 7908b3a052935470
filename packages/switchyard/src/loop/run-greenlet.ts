// Model greenlet: a request is a greenlet, which starts at once and may suspend anywhere in the application's code.
//
// What a request's body sets off (a parser that calls `next()` when it has read all) would run on the loop's own stack,
// where nothing can suspend. So the events of a request are delivered in a greenlet too: of one that has a body always, of
// one that has none once somebody listens, because most such requests are never listened to.
//
// Greenlets are bounded (hub.maxGreenlets), and a request that can't have one is answered 503.

import type { IncomingMessage, ServerResponse } from "node:http";
import type * as Greenlets from "@switchyard/greenlet";
import type { RequestListener } from "../edge/listener.ts";
import { refuse } from "../edge/refusals.ts";
import { type Faults, hasBody } from "./faults.ts";
import { callOf, type Handling } from "./run-async.ts";

export function runGreenlet(application: Handling, faults: Faults, greenlets: typeof Greenlets): RequestListener {
  const { spawnNow } = greenlets;
  const call = callOf(application, faults);
  function onFirstListener(this: IncomingMessage, event: string, listener: (...args: unknown[]) => void) {
    Reflect.deleteProperty(this, "on");
    deliverInGreenlet(this, greenlets);
    return this.on(event, listener);
  }
  const start: RequestListener = (request, response) => {
    if (hasBody(request)) deliverInGreenlet(request, greenlets);
    else request.on = onFirstListener;
    try {
      spawnNow(call, request, response);
    } catch (error) {
      if (isAboutLimit(error, greenlets)) refuseForNow(response, greenlets);
      else faults.answer(error, response, "could not be given a greenlet");
    }
  };
  return (request, response) => faults.run(start, request, response);
}

function deliverInGreenlet(request: IncomingMessage, greenlets: typeof Greenlets): void {
  const { inGreenlet, spawnNow } = greenlets;
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
    try {
      spawnNow(deliver, event, args);
    } catch (error) {
      if (!isAboutLimit(error, greenlets)) throw error;
      // What reads the body need not wait; if it does, `wait` says why it can't.
      deliver(event, args);
    }
    return true;
  };
}

function isAboutLimit(error: unknown, { GreenletError }: typeof Greenlets): boolean {
  return error instanceof GreenletError && error.code === "ERR_TOO_MANY_GREENLETS";
}

function refuseForNow(response: ServerResponse, { hub }: typeof Greenlets): void {
  refuse(response, 503, `${hub.maxGreenlets} requests are in this worker already.`, {
    retryAfterSeconds: 1,
    keepOpen: true,
  });
}
