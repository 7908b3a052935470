// Tells what an exported value is: which form of web application, or none.
//
// Known marks of a framework come first, then the kind of function. A function without such marks is told by the export's
// name and by how many parameters it declares:
//
//   named `fetch`                      a Fetch handler
//   named `createApp`                  makes the application, and is called without arguments
//   no parameter                       the same; if what it returns is a Response, it is a Fetch handler after all
//   one parameter                      a Fetch handler, (request) => Response
//   two                                a request listener, (request, response)
//   three or more                      a middleware, (request, response, next), served as a listener
//   rest parameters, and none before   a request listener, because wrappers of listeners are written so
//
// A Fetch handler with a second parameter is therefore exported as `fetch`, or as a method: `export default { fetch }`.

import type { IncomingMessage, ServerResponse } from "node:http";
import { Server as NetServer } from "node:net";
import { speaksHttp } from "../node-http.ts";
import type { FetchHandler } from "./fetch-handler.ts";
import { isGeneratorFunction } from "./generator.ts";
import { listenerOfMiddleware, type Middleware } from "./listener.ts";
import type { RequestListener } from "./node-server.ts";

export type Form =
  | { readonly is: "server"; readonly server: NetServer }
  | { readonly is: "fastify"; readonly app: FastifyLike }
  | { readonly is: "nest"; readonly app: NestLike }
  | { readonly is: "koa"; readonly app: KoaLike }
  | { readonly is: "h3"; readonly app: object }
  | { readonly is: "listener"; readonly what: string; readonly listener: RequestListener }
  | { readonly is: "fetch"; readonly what: string; readonly handler: FetchHandler; readonly app?: object }
  | { readonly is: "factory"; readonly make: () => unknown }
  | { readonly is: "promise"; readonly promise: PromiseLike<unknown> };

/** A function of which nothing is known yet. */
type AnyFunction = (...args: never) => unknown;

export interface FastifyLike {
  readonly server: NetServer;
  ready(): PromiseLike<unknown>;
  close(): PromiseLike<unknown>;
}

export interface NestLike {
  init(): Promise<unknown>;
  close(): Promise<unknown>;
  getHttpServer(): unknown;
}

export interface KoaLike {
  callback(): RequestListener;
  createContext?(request: IncomingMessage, response: ServerResponse): unknown;
}

export interface FormQuestion {
  readonly value: unknown;
  /** The export's name, or the last one of a path of names. */
  readonly name: string;
  /** Whether a factory made the value: then a function without parameters is a Fetch handler, not one more factory. */
  readonly isMade: boolean;
}

export function formOf({ value, name, isMade }: FormQuestion): Form | null {
  // The cast: TypeScript knows a checked function only as Function.
  if (typeof value === "function") return formOfFunction(value as AnyFunction, name, isMade);
  if (typeof value === "object" && value !== null) return formOfObject(value);
  return null;
}

/** Whether the value is an http.Server (or https, or HTTP/2) that has somebody to answer its requests. */
export function isHttpServer(value: unknown): value is NetServer {
  if (!(value instanceof NetServer)) return false;
  return speaksHttp(value);
}

// The casts in the three functions below: each stands beside the check that it rests on, and what is checked is which
// members are functions. Their parameters and results are the frameworks' contracts.

function formOfObject(value: object): Form | null {
  if (isHttpServer(value)) return { is: "server", server: value };
  if (has(value, "ready", "routing", "close") && "server" in value) return { is: "fastify", app: value as FastifyLike };
  if (has(value, "init", "getHttpServer", "getHttpAdapter")) return { is: "nest", app: value as unknown as NestLike };
  if (has(value, "callback", "use")) return { is: "koa", app: value as unknown as KoaLike };
  if (has(value, "then")) return { is: "promise", promise: value as unknown as PromiseLike<unknown> };
  if (has(value, "fetch")) return formOfFetchObject(value as { fetch: FetchHandler });
  if (has(value, "handler", "use") && "stack" in value && "options" in value) return { is: "h3", app: value };
  return null;
}

function formOfFetchObject(app: { readonly fetch: FetchHandler }): Form {
  const handler: FetchHandler = isGeneratorFunction(app.fetch)
    ? app.fetch.bind(app)
    : (request, exchange) => app.fetch(request, exchange);
  return { is: "fetch", what: nameOfFetchObject(app), handler, app };
}

function formOfFunction(value: AnyFunction, name: string, isMade: boolean): Form | null {
  if (isClass(value)) return null;
  if (has(value, "handle", "use")) {
    // An Express Router hands on what it does not know, where an app answers 404 by itself.
    if (has(value, "param", "route") && !has(value, "engine")) {
      return { is: "listener", what: "an Express Router", listener: listenerOfMiddleware(value as Middleware) };
    }
    const what = has(value, "set", "engine") ? "an Express app" : "a Connect app";
    return { is: "listener", what, listener: value as RequestListener };
  }
  if (has(value, "fetch")) return formOfFetchObject(value as unknown as { fetch: FetchHandler });
  if (name === "fetch") return fetchForm(value);
  if (name === "createApp" && !isMade) return { is: "factory", make: value as () => unknown };
  if (value.length === 1) return fetchForm(value);
  if (value.length === 2 || startsWithRest(value)) {
    return { is: "listener", what: "a request listener", listener: value as RequestListener };
  }
  if (value.length > 2) {
    return { is: "listener", what: "a middleware function", listener: listenerOfMiddleware(value as Middleware) };
  }
  return isMade || isGeneratorFunction(value) ? fetchForm(value) : { is: "factory", make: value as () => unknown };
}

function fetchForm(value: AnyFunction): Form {
  return { is: "fetch", what: "a Fetch handler", handler: value as FetchHandler };
}

/** Whether all the named members are functions. */
function has(value: object, ...names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(value, name) === "function");
}

function isClass(value: AnyFunction): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

function startsWithRest(value: AnyFunction): boolean {
  return value.length === 0 && /^[^()]*\(\s*\.\.\./.test(Function.prototype.toString.call(value));
}

function nameOfFetchObject(app: object): string {
  const name = app.constructor?.name;
  if (name === undefined || name === "Object" || name === "Function" || name.length < 2) return "an object with fetch";
  const article = /^([AEIOU]|H3)/.test(name) ? "an" : "a";
  return `${article} ${name} app`;
}
