// The route that a framework says it took, as a pattern: Express's, Nest's and Fastify's own, read after the handler ran.
//
// Nothing of the application is changed. Express (and Nest on it) leaves the route on the request, so it is read only when
// somebody asks. Fastify tells it on a diagnostics channel alone, which costs a little for each request, so it is listened
// to from the first time on that any request is asked about. A route that has no form as
// a pattern (a regular expression, optional parts), or that would not take the path that led to it, is not told, and the
// shape of the path serves instead.

import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { anyRest, anySegment, matches, type Pattern, pathOf, patternOfPath, type Token, textOf } from "./shape.ts";

const fastifyRoute = Symbol("fastifyRoute");

/** What frameworks leave on a request; each of it may be anything, since applications may too. */
interface Routed extends IncomingMessage {
  readonly route?: unknown;
  readonly baseUrl?: unknown;
  readonly originalUrl?: unknown;
  [fastifyRoute]?: string;
}

export interface FrameworkRoute {
  readonly pattern: Pattern;
  /** As the application wrote it, with its mount path: `/users/:name`. */
  readonly text: string;
}

export function frameworkRouteOf(request: IncomingMessage): FrameworkRoute | null {
  listenForRoutes();
  const routed: Routed = request;
  const route = fastifyRouteOf(routed) ?? expressRouteOf(routed);
  if (route === null) return null;
  const url = typeof routed.originalUrl === "string" ? routed.originalUrl : (request.url ?? "");
  // A route that takes everything says nothing about what it is that holds the loop.
  if (route.pattern.tokens[0] === anyRest || !matches(route.pattern, pathOf(url))) return null;
  return route;
}

/** Null for what has no form as a pattern. */
export function patternOfRoute(text: string): Pattern | null {
  const tokens: Token[] = [];
  const trimmed = text.replace(/^\//, "").replace(/\/$/, "");
  if (trimmed === "") return { tokens };
  for (const segment of trimmed.split("/")) {
    if (segment === "" || tokens.at(-1) === anyRest) return null;
    // Express 5 and Nest write `*name`, Express 4 and Fastify `*`.
    if (/^\*\w*$/.test(segment)) tokens.push(anyRest);
    else if (/^:\w+$/.test(segment)) tokens.push(anySegment);
    // Parts of a segment, options and expressions: `:from-:to`, `:id(\\d+)`, `{/:page}`, `:id?`.
    else if (/[:*?+(){}[\]\\|^$]/.test(segment)) return null;
    else tokens.push(`=${segment}`);
  }
  return { tokens };
}

function fastifyRouteOf(request: Routed): FrameworkRoute | null {
  const text = request[fastifyRoute];
  const pattern = text === undefined ? null : patternOfRoute(text);
  return text === undefined || pattern === null ? null : { pattern, text };
}

function expressRouteOf({ route, baseUrl }: Routed): FrameworkRoute | null {
  if (typeof route !== "object" || route === null || !("path" in route) || typeof route.path !== "string") return null;
  const own = patternOfRoute(route.path);
  if (own === null) return null;
  if (typeof baseUrl !== "string" || baseUrl === "") return { pattern: own, text: route.path };
  // Where a router is mounted is told as the request's own path, with the values of its parameters in it.
  const mount = patternOfPath(baseUrl);
  const pattern = { tokens: [...mount.tokens, ...own.tokens] };
  return { pattern, text: route.path === "/" ? textOf(mount) : textOf(mount) + route.path };
}

let isListening = false;

/** From here on Fastify's routes are told too. `frameworkRouteOf` does it with its first call, one request late. */
export function listenForRoutes(): void {
  if (isListening) return;
  isListening = true;
  subscribe("tracing:fastify.request.handler:start", (message) => {
    // What Fastify publishes is its own; nothing is taken for granted.
    const { request, route } = message as { request?: { raw?: Routed }; route?: { url?: unknown } };
    if (request?.raw !== undefined && typeof route?.url === "string") request.raw[fastifyRoute] = route.url;
  });
}
