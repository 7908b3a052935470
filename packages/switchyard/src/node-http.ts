// Node's http module, without what else its import costs.
//
// An ES module import of a builtin reads each of its exports, and reading `http.WebSocket` loads Node's whole fetch
// implementation: 40 ms and several megabytes for every process of the server (measured on Node 26.10). Asking for the
// module itself reads only what is used. Everything in this package that needs http's values takes them from here.

import type { Server as NetServer } from "node:net";

const http = process.getBuiltinModule("node:http");

export const { createServer, IncomingMessage, Server: HttpServer, ServerResponse, STATUS_CODES } = http;
// The classes are types too.
export type IncomingMessage = import("node:http").IncomingMessage;
export type ServerResponse = import("node:http").ServerResponse;
export type HttpServer = import("node:http").Server;

/** What sends requests, as it is before any application has changed it. */
export function clientOf(protocol: "http:" | "https:"): Pick<typeof http, "request" | "Agent"> {
  return protocol === "http:" ? http : process.getBuiltinModule("node:https");
}

/** Whether the server speaks HTTP. Node exports no class for HTTP/2 servers; what they have are request listeners. */
export function speaksHttp(server: NetServer): boolean {
  if (server instanceof HttpServer || server.listenerCount("request") > 0) return true;
  return server instanceof process.getBuiltinModule("node:https").Server;
}
