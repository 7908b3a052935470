// An application that is a request listener: a plain (request, response) function, an Express or Connect app, or what
// Koa's callback() returns.
//
// `handle` is the listener itself, so that a request costs nothing here, and a promise that it returns is the caller's.

import type { ServerResponse } from "node:http";
import type { Application } from "./application.ts";
import { drive, isGeneratorFunction } from "./generator.ts";
import type { RequestListener } from "./node-server.ts";

export type Middleware = (...args: [...Parameters<RequestListener>, next: (error?: unknown) => void]) => unknown;

export function listenerApplication(description: string, listener: RequestListener): Application {
  return {
    description,
    askedPort: null,
    serverSettings: {},
    handle: isGeneratorFunction(listener) ? (request, response) => drive(listener(request, response)) : listener,
    takesUpgrades: () => false,
    upgrade: (_request, socket) => void socket.destroy(),
    checkContinue: () => null,
    close: async () => {},
  };
}

/** A function with a `next` parameter that is served by itself: what it passes on, nobody answers. */
export function listenerOfMiddleware(middleware: Middleware): RequestListener {
  return (request, response) =>
    new Promise((resolve, reject) => {
      const next = (error?: unknown) => (error === undefined ? resolve(answerNotFound(response)) : reject(error));
      Promise.resolve(middleware(request, response, next)).then(resolve, reject);
    });
}

function answerNotFound(response: ServerResponse): void {
  if (response.headersSent) return;
  response.writeHead(404, { "content-type": "text/plain" });
  response.end("Not found\n");
}
