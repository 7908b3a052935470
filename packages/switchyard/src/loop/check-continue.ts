// What a request is given to whose client waits for 100 Continue before it sends its body (RFC 9110 §10.1.1).
//
// As http.Server: a program that listens for `checkContinue` decides; for others the client is told to go on. Either way
// the request is run, counted and logged like any other.

import type { Application } from "../app/application.ts";
import type { Handling } from "./run-async.ts";

export function checkContinue(application: Pick<Application, "handle" | "checkContinue">): Handling {
  return {
    handle(request, response) {
      const own = application.checkContinue();
      if (own !== null) return own(request, response);
      response.writeContinue();
      return application.handle(request, response);
    },
  };
}
