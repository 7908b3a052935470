// The route that a framework says it took, as a pattern: Express's, Nest's, Fastify's, and what an application tells when it
// is asked (app/routes.ts: Koa's routers and Hono), read after the handler ran.
//
// Express (and Nest on it) leaves the route on the request, so it is read only when
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
  readonly params?: unknown;
  readonly originalUrl?: unknown;
  [fastifyRoute]?: string;
}

export interface FrameworkRoute {
  readonly pattern: Pattern;
  /** As the application wrote it, with its mount path: `/users/:name`. */
  readonly text: string;
}

/** Asks an application for the route that it took. */
export type TellsRoute = (request: IncomingMessage) => string | null;

export function frameworkRouteOf(request: IncomingMessage, tells?: TellsRoute): FrameworkRoute | null {
  listenForRoutes();
  const routed: Routed = request;
  const route = routeOfText(routed[fastifyRoute]) ?? routeOfText(tells?.(request)) ?? expressRouteOf(routed);
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

function routeOfText(text: string | null | undefined): FrameworkRoute | null {
  if (text === undefined || text === null) return null;
  const pattern = patternOfRoute(text);
  return pattern === null ? null : { pattern, text };
}

function expressRouteOf({ route, baseUrl, params }: Routed): FrameworkRoute | null {
  if (typeof route !== "object" || route === null || !("path" in route) || typeof route.path !== "string") return null;
  const own = patternOfRoute(route.path);
  if (own === null) return null;
  if (typeof baseUrl !== "string" || baseUrl === "") return { pattern: own, text: route.path };
  const mount = mountOf(route, baseUrl, params);
  const pattern = { tokens: [...mount.pattern.tokens, ...own.tokens] };
  return { pattern, text: route.path === "/" ? mount.text : mount.text + route.path };
}

/**
 * Where a router is mounted is told as the request's own path, with the values of its parameters in it. A segment is a
 * value when the request's parameters have it (a router with `mergeParams`), when it looks like one, and when one and the
 * same route was mounted at several that differ there.
 */
function mountOf(route: object, baseUrl: string, params: unknown): FrameworkRoute {
  const names = new Map<string, string>();
  if (typeof params === "object" && params !== null) {
    for (const [name, value] of Object.entries(params)) if (typeof value === "string") names.set(value, name);
  }
  const segments = baseUrl.replace(/^\//, "").split("/");
  const seen = mountsSeen.get(route) ?? [];
  mountsSeen.set(route, seen);
  const words: string[] = [];
  const tokens = patternOfPath(baseUrl).tokens.map((token, index): Token => {
    const segment = segments[index] ?? "";
    if (token === anyRest) return token;
    const values = seen[index] ?? new Set();
    seen[index] = values;
    if (values.size < mountsToTell) values.add(segment);
    const name = names.get(decoded(segment));
    const isValue = name !== undefined || values.size >= mountsToTell;
    words.push(isValue ? `:${name ?? "id"}` : textOf({ tokens: [token] }).slice(1));
    return isValue ? anySegment : token;
  });
  return { pattern: { tokens }, text: `/${words.join("/")}` };
}

/** Paths that differ in a segment at which a route was mounted, after which that segment is a value. */
const mountsToTell = 4;
/** For each route, what was seen of each segment of its mount; so many at most. */
const mountsSeen = new WeakMap<object, Set<string>[]>();

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
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
