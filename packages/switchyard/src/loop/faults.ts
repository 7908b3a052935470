// What happens when an application throws where nobody catches: the request that it belongs to is answered 500, the error
// is logged, and the worker lives.
//
// What a handler throws or rejects with itself is caught where it is called, and so is what the events of a request's body
// throw. An error that comes later, out of a timer or a promise, is a stray: it belongs to the request whose
// AsyncLocalStorage scope it carries. A scope costs a request 0.4 µs, a thirtieth of what a loop worker takes for a small
// one, so there requests get one only once the application has shown that it lets errors stray. Until then a stray belongs
// to the request in flight when there is one, and when there are several, nobody is answered in its place.
//
// An exception that belongs to no request is treated as Node treats it: it ends the worker, which is then replaced. A
// rejection that belongs to no request is logged. A program that listens for these events itself decides by itself.
// (docs/decisions/uncaught-errors.md)

import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { RequestListener } from "../edge/listener.ts";
import { refuse } from "../edge/refusals.ts";
import type { Log } from "../log/log.ts";

/** Whose a stray error is: one request's, that of one of several which can't be told, or nobody's. */
type Owner = ServerResponse | "some request" | null;

export interface FaultsOptions {
  readonly log: Log;
  readonly worker: number;
  /** Give every request a scope, or only those that come after the first stray error. */
  readonly scopes: "always" | "after the first stray";
}

export class Faults {
  readonly #log: Log;
  readonly #worker: number;
  #open: () => ReadonlySet<ServerResponse> = () => new Set();
  /** Made at the first stray error. */
  #scope: AsyncLocalStorage<ServerResponse> | null = null;
  /** Requests that were in flight at that moment and so have no scope. */
  #unscoped: ServerResponse[] = [];

  constructor({ log, worker, scopes }: FaultsOptions) {
    this.#log = log;
    this.#worker = worker;
    if (scopes === "always") this.#scope = new AsyncLocalStorage();
  }

  /**
   * Listens for what nobody caught. Before the application is loaded, so that its own listeners are counted as its own.
   * `open` tells which responses are not finished.
   */
  watch(open: () => ReadonlySet<ServerResponse>): void {
    this.#open = open;
    process.on("unhandledRejection", (reason) => {
      if (process.listenerCount("unhandledRejection") > 1) return;
      this.#onStray(reason, this.#ownerOf(reason), "rejected a promise that nobody handles");
    });
    process.on("uncaughtException", (error) => {
      if (process.listenerCount("uncaughtException") > 1) return;
      const owner = this.#ownerOf(error);
      if (owner === null) {
        this.#log.error(
          { worker: this.#worker, err: error },
          "The application threw outside any request, so this worker ends.",
        );
        process.exit(1);
      }
      this.#onStray(error, owner, "threw");
    });
  }

  /** Runs the application for one request. */
  run(handle: RequestListener, request: IncomingMessage, response: ServerResponse): void {
    if (hasBody(request)) this.#guardEvents(request, response);
    if (this.#scope === null) handle(request, response);
    else this.#scope.run(response, handle, request, response);
  }

  /** The events of a body come from its connection, which knows of no request. */
  #guardEvents(request: IncomingMessage, response: ServerResponse): void {
    const emit = request.emit;
    const guarded = (event: string | symbol, args: unknown[]): boolean => {
      try {
        return emit.call(request, event as string, ...args);
      } catch (error) {
        if (process.listenerCount("uncaughtException") > 1) throw error;
        this.answer(error, response, "threw");
        return true;
      }
    };
    request.emit = (event: string | symbol, ...args: unknown[]) => {
      const scope = this.#scope;
      if (scope === null) return guarded(event, args);
      if (scope.getStore() === response) return emit.call(request, event as string, ...args);
      return scope.run(response, guarded, event, args);
    };
  }

  /** Answers a request whose handler threw or rejected. */
  answer(error: unknown, response: ServerResponse, what: string): void {
    const { method, url } = response.req;
    this.#log.error(
      { worker: this.#worker, method, path: url, err: error },
      `The application ${what} while it served ${method} ${url}; ${outcomeOf(response)}.`,
    );
    if (!response.writableEnded)
      refuse(response, 500, "The application failed to answer this request.", { keepOpen: true });
  }

  #ownerOf(error: unknown): Owner {
    const response = this.#scope?.getStore();
    if (response !== undefined) return response;
    // Whoever answers twice is no longer in flight.
    if (isAboutResponse(error)) return "some request";
    const open = this.#open();
    const candidates = this.#scope === null ? [...open] : this.#unscoped.filter((each) => open.has(each));
    return candidates.length > 1 ? "some request" : (candidates[0] ?? null);
  }

  #onStray(error: unknown, owner: Owner, what: string): void {
    if (this.#scope === null) {
      this.#scope = new AsyncLocalStorage();
      this.#unscoped = [...this.#open()];
    }
    if (owner === null || owner === "some request") {
      const where = owner === null ? "outside any request" : "and it can't be told for which request";
      this.#log.error({ worker: this.#worker, err: error }, `The application ${what}, ${where}.`);
    } else {
      this.answer(error, owner, what);
    }
  }
}

/** Node's errors for a response that is written to after its end: a request's, though it may be answered already. */
function isAboutResponse(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === "string" && /^ERR_(HTTP|STREAM)_/.test(code);
}

/** Whether events of a body are to come. */
function hasBody(request: IncomingMessage): boolean {
  // No request of http.Server is complete before its handler has run, with a body or without; any other says it right.
  if (request.complete) return false;
  const { headers } = request;
  if (headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined) return true;
  return !(request.socket instanceof Socket);
}

function outcomeOf(response: ServerResponse): string {
  if (response.writableEnded) return "it had answered already";
  return response.headersSent ? "its answer had begun, so the connection is closed" : "the client gets 500";
}
