// Model greenlet: a request is a greenlet, which starts at once and may suspend anywhere in the application's code.
//
// What a request's body sets off (a parser that calls `next()` when it has read all) would run on the loop's own stack,
// where nothing can suspend. So the events of a request are delivered in a greenlet too: of one that has a body always, of
// one that has none once somebody listens, because most such requests are never listened to but by Node itself, once they
// are answered.
//
// Greenlets are bounded (hub.maxGreenlets), and a request that can't have one is answered 503. One that computes for longer
// than runTimeoutMs without waiting, where requests are preempted, is ended and answered 504; the others go on.

import type { IncomingMessage, ServerResponse } from "node:http";
import type * as Greenlets from "@switchyard/greenlet";
import type { RequestListener } from "../edge/listener.ts";
import { refuse } from "../edge/refusals.ts";
import { type Faults, hasBody } from "./faults.ts";
import { callOf, type Handling } from "./run-async.ts";

export function runGreenlet(application: Handling, faults: Faults, greenlets: typeof Greenlets): RequestListener {
  const { spawnNow } = greenlets;
  const call = callOf(application, faults);
  const limitMs = greenlets.hub.preemption?.limitMs;
  const watch: Watch = (greenlet, response) => {
    // What has ended well needs no watching, and without a limit nothing ends otherwise.
    if (limitMs === undefined || greenlet.successful || response === undefined) return;
    greenlet.linkException(() => {
      if (isAbout(greenlet.exception, "ERR_RUN_LIMIT", greenlets)) faults.answerOverdue(response, limitMs);
      else faults.answer(greenlet.exception, response, "failed");
    });
  };
  function onFirstListener(this: IncomingMessage, event: string, listener: (...args: unknown[]) => void) {
    // Overwritten and not deleted: an object that has lost a property is slow ever after.
    this.on = Object.getPrototypeOf(this).on;
    // A handler adds it, so it is known now whose request this is.
    const response = faults.current;
    // Node listens to the end of each request that it has answered: a greenlet for that would be a second one for each.
    if (response?.writableEnded !== true) deliverInGreenlet(this, greenlets, (greenlet) => watch(greenlet, response));
    return this.on(event, listener);
  }
  const start: RequestListener = (request, response) => {
    if (hasBody(request)) deliverInGreenlet(request, greenlets, (greenlet) => watch(greenlet, response));
    else request.on = onFirstListener;
    try {
      watch(spawnNow(call, request, response), response);
    } catch (error) {
      if (isAbout(error, "ERR_TOO_MANY_GREENLETS", greenlets)) refuseForNow(response, greenlets);
      else faults.answer(error, response, "could not be given a greenlet");
    }
  };
  return (request, response) => faults.run(start, request, response);
}

/** Answers the request whose greenlet is ended from outside. */
type Watch = (greenlet: Greenlets.Greenlet, response: ServerResponse | undefined) => void;

function deliverInGreenlet(
  request: IncomingMessage,
  greenlets: typeof Greenlets,
  watch: (greenlet: Greenlets.Greenlet) => void,
): void {
  const { inGreenlet, spawnNow } = greenlets;
  const emit = request.emit;
  const deliver = (event: string, args: unknown[]) => {
    emit.call(request, event, ...args);
  };
  // Not assigned where it is written: see Faults.
  const emitInGreenlet = (event: string | symbol, ...args: unknown[]) => {
    // Only what bodies are read by; `pause` and `resume` come many times and set nothing off.
    if (inGreenlet() || (event !== "end" && event !== "data" && event !== "readable")) {
      return emit.call(request, event as string, ...args);
    }
    if (request.listenerCount(event) === 0) return false;
    try {
      watch(spawnNow(deliver, event, args));
    } catch (error) {
      if (!isAbout(error, "ERR_TOO_MANY_GREENLETS", greenlets)) throw error;
      // What reads the body need not wait; if it does, `wait` says why it can't.
      deliver(event, args);
    }
    return true;
  };
  request.emit = emitInGreenlet;
}

function isAbout(error: unknown, code: Greenlets.GreenletErrorCode, { GreenletError }: typeof Greenlets): boolean {
  return error instanceof GreenletError && error.code === code;
}

function refuseForNow(response: ServerResponse, { hub }: typeof Greenlets): void {
  refuse(response, 503, `${hub.maxGreenlets} requests are in this worker already.`, {
    retryAfterSeconds: 1,
    keepOpen: true,
  });
}
