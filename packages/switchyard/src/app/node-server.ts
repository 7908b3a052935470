// An application that is an http.Server: one whose program called listen(), or one that a module exports.
//
// Requests go to the server's own listeners, as Node would call them, and so do upgrades and `checkContinue`. Listeners may
// come and go at any time (WebSocket libraries exchange them). The server's custom IncomingMessage and ServerResponse
// classes and its `connection` and `clientError` listeners are not used: connections belong to the worker.

import type { Server as NetServer } from "node:net";
import type { ProgramSettings } from "../config/program-settings.ts";
import { HttpServer, type IncomingMessage, type ServerResponse } from "../node-http.ts";
import type { AdoptedServer } from "./adopt.ts";
import { type Application, upgradeEventOf } from "./application.ts";

/** A request listener, which may be async: http.Server ignores what it returns, an Application passes it on. */
export type RequestListener = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface NodeServerParts {
  readonly description: string;
  readonly adopted: AdoptedServer;
  /** Ends what the framework behind the server opened, before the server's own `close`. */
  readonly close?: () => Promise<unknown>;
}

export function nodeServerApplication({ description, adopted, close }: NodeServerParts): Application {
  const { server } = adopted.standIn;
  return {
    description,
    get askedPort() {
      return adopted.askedPort;
    },
    // Read when it is asked for: programs set timeouts after listen(), which returns the server.
    get serverSettings() {
      return settingsOf(server);
    },
    handle: dispatchTo(server),
    takesUpgrades: (event) => server.listenerCount(event) > 0,
    upgrade: (request, socket, head) => void server.emit(upgradeEventOf(request), request, socket, head),
    checkContinue() {
      if (server.listenerCount("checkContinue") === 0) return null;
      return (request, response) => void server.emit("checkContinue", request, response);
    },
    async close() {
      await close?.();
      await adopted.standIn.close();
    },
  };
}

/**
 * Calls the server's request listeners as emit() would, but returns their promises, so that the caller sees a rejection.
 *
 * Nearly every server has one listener, and then a request costs one call. The listener is looked up again only after
 * listeners have changed: `newListener` is emitted before a change and `removeListener` after one.
 */
function dispatchTo(server: NetServer): RequestListener {
  let listeners: readonly RequestListener[] | null = null;
  let only: RequestListener | null = null;
  const forget = (event: string | symbol) => {
    if (event !== "request") return;
    listeners = null;
    only = null;
  };
  server.on("newListener", forget);
  server.on("removeListener", forget);

  return (request, response) => {
    if (only !== null) return only.call(server, request, response);
    if (listeners === null) {
      // The cast: who adds a listener of `request` has its contract to keep.
      listeners = server.rawListeners("request") as RequestListener[];
      only = listeners.length === 1 ? (listeners[0] ?? null) : null;
    }
    if (listeners.length === 0) return answerWithoutListener(response);
    const results = listeners.map((listener) => listener.call(server, request, response));
    return results.length === 1 ? results[0] : Promise.all(results);
  };
}

/** Node leaves such a request open for ever. 503 says the same thing, that nobody is there, and frees the client. */
function answerWithoutListener(response: ServerResponse): void {
  response.writeHead(503, { "content-type": "text/plain" });
  response.end("The application's server has no request listener.\n");
}

const settingNames = [
  "keepAliveTimeout",
  "headersTimeout",
  "requestTimeout",
  "timeout",
  "maxRequestsPerSocket",
] as const;
let untouched: HttpServer | null = null;

/** What the program set on its server: the settings that differ from those of a server that nobody has touched. */
function settingsOf(server: NetServer): ProgramSettings {
  untouched ??= new HttpServer();
  const settings: { -readonly [name in keyof ProgramSettings]: ProgramSettings[name] } = {};
  // What servers of node:https and node:http2 have for their certificate, and others lack.
  if ("setSecureContext" in server) settings.isSecure = true;
  for (const name of settingNames) {
    const value: unknown = Reflect.get(server, name);
    if (typeof value === "number" && value !== untouched[name]) settings[name] = value;
  }
  return settings;
}
