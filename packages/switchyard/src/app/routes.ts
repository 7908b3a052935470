// Which of its routes an application took for a request, asked of frameworks that leave it on no request: Koa's routers and
// Hono. Nothing is promised: what is no text in the expected place is no route, and the caller goes by the path's shape.

import type { IncomingMessage, ServerResponse } from "node:http";

export type RouteOf = (request: IncomingMessage) => string | null;

/** What koaRoutes() needs of a Koa app. */
interface MakesContexts {
  createContext?(request: IncomingMessage, response: ServerResponse): unknown;
}

const koaContext = Symbol("koaContext");

interface InKoa extends IncomingMessage {
  [koaContext]?: unknown;
}

/**
 * A router of Koa's (@koa/router, koa-router) leaves its route on the context, which no request leads to. So each context
 * that the app makes is noted on its request; the app's own createContext() makes it.
 */
export function koaRoutes(app: MakesContexts): RouteOf {
  const { createContext } = app;
  if (typeof createContext === "function") {
    app.createContext = function noted(request: InKoa, response) {
      const context = createContext.call(this, request, response);
      request[koaContext] = context;
      return context;
    };
  }
  return (request: InKoa) => {
    const context = request[koaContext];
    return typeof context === "object" && context !== null ? textIn(context, "_matchedRoute") : null;
  };
}

/** One of a Hono app's routes that take a request, as its router tells them. */
interface HonoRoute {
  readonly path: string;
  /** "ALL" for middleware, and for handlers of every method. */
  readonly method: string;
}

/** Null when the app has no router of Hono's. */
export function honoRoutes(app: object): RouteOf | null {
  const router: unknown = Reflect.get(app, "router");
  if (typeof router !== "object" || router === null) return null;
  if (typeof Reflect.get(router, "match") !== "function") return null;
  return ({ method = "GET", url = "" }) => {
    const path = url.replace(/[?#].*$/s, "");
    try {
      // Looked up each time: Hono's router replaces it once it knows which routers fit.
      const match = Reflect.get(router, "match");
      return routeAmong(match.call(router, method === "HEAD" ? "GET" : method, path));
    } catch {
      // A router of the application's own may throw for what it does not take.
      return null;
    }
  };
}

/** Of all that match, in the order in which they run: a handler of the method rather than middleware, a whole path rather than `/*`. */
function routeAmong(matched: unknown): string | null {
  const entries: unknown = Array.isArray(matched) ? matched[0] : null;
  if (!Array.isArray(entries)) return null;
  const routes = entries.flatMap((entry) => honoRouteOf(entry) ?? []).filter(({ path }) => !/^\/?\*$/.test(path));
  const ofMethod = routes.filter(({ method }) => method !== "ALL");
  const best = ofMethod.find(({ path }) => !path.endsWith("*")) ?? ofMethod[0] ?? routes.at(-1);
  return best?.path ?? null;
}

/** An entry of a match is `[[handler, route], parameters]`. */
function honoRouteOf(entry: unknown): HonoRoute | null {
  const registered: unknown = Array.isArray(entry) ? entry[0] : null;
  const route: unknown = Array.isArray(registered) ? registered[1] : null;
  if (typeof route !== "object" || route === null) return null;
  const [path, method] = [textIn(route, "path"), textIn(route, "method")];
  return path === null || method === null ? null : { path, method };
}

function textIn(object: object, name: string): string | null {
  const value: unknown = Reflect.get(object, name);
  return typeof value === "string" ? value : null;
}
