// An application that is a Fetch handler: a function from a Request to a Response, or an object with such a `fetch` method
// (Hono, h3, Elysia). The function may be plain, async or a generator function.
//
// @hono/node-server translates: it streams both bodies, aborts the Request's signal when the client leaves, and passes
// `{ incoming, outgoing }` as the second argument, which Hono offers as `c.env`. It is told to leave the globals alone,
// because with its own Response in their place `(await fetch(url)) instanceof Response` is false in the application.

import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener, RequestError } from "@hono/node-server";
import type { Application } from "./application.ts";
import { drive, isGeneratorFunction } from "./generator.ts";
import { listenerApplication } from "./listener.ts";
import { acceptTranslatedRequests } from "./native-request.ts";

export type FetchHandler = (request: Request, context?: unknown) => unknown;

interface Exchange {
  readonly incoming: unknown;
  readonly outgoing: object;
}

export function fetchApplication(description: string, handler: FetchHandler): Application {
  const respond = isGeneratorFunction(handler)
    ? (request: Request, exchange: Exchange) => drive(handler(request, exchange))
    : handler;
  // A request whose handler failed, and how. The adapter's errorHandler is not told which request it is called for.
  const failures = new WeakMap<object, { readonly error: unknown }>();

  function answer(request: Request, exchange: Exchange): Response | Promise<Response> {
    const fail = (error: unknown): never => {
      failures.set(exchange.outgoing, { error });
      throw error;
    };
    try {
      const result = respond(request, exchange);
      return isPromise(result) ? result.then(checkResponse).catch(fail) : checkResponse(result);
    } catch (error) {
      return fail(error);
    }
  }

  const listener = getRequestListener(answer, {
    overrideGlobalObjects: false,
    // For the URL of a request without a Host header, which HTTP/1.0 allows.
    hostname: "localhost",
    // A request that makes no Request (a URL that is none) is the client's fault. For all else the adapter answers nothing
    // when it gets no Response here, and the answer is left to the caller of `handle`.
    errorHandler: (error) => (error instanceof RequestError ? new Response(null, { status: 400 }) : undefined),
  });

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    await listener(incoming, outgoing);
    const failure = failures.get(outgoing);
    if (failure !== undefined) throw failure.error;
  }

  acceptTranslatedRequests();
  return listenerApplication(description, handle);
}

function checkResponse(result: unknown): Response {
  // By its shape and not by class: frameworks bring Response classes of their own.
  if (typeof result === "object" && result !== null && "status" in result && "headers" in result) {
    return result as Response;
  }
  throw new TypeError(`The Fetch handler returned ${result === null ? "null" : typeof result}, and not a Response.`);
}

function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise || (typeof value === "object" && value !== null && "then" in value);
}
