// Model async: a request is a call of the application on the worker's event loop, a task that ends when it is answered.

import type { Application } from "../app/application.ts";
import type { RequestListener } from "../edge/listener.ts";
import type { Faults } from "./faults.ts";

/** What runs for a request. */
export type Handling = Pick<Application, "handle">;

export function runAsync(application: Handling, faults: Faults): RequestListener {
  const call = callOf(application, faults);
  return (request, response) => faults.run(call, request, response);
}

/** Calls the application and answers 500 for what it throws or rejects with. */
export function callOf(application: Handling, faults: Faults): RequestListener {
  return (request, response) => {
    try {
      const result = application.handle(request, response);
      if (isThenable(result)) result.then(undefined, (error) => faults.answer(error, response, "rejected a promise"));
    } catch (error) {
      faults.answer(error, response, "threw");
    }
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
