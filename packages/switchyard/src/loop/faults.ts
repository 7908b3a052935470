// What happens when an application throws where nobody catches: the request that it belongs to is answered 500, the error
// is logged, and the worker lives.
//
// Which request that is, is known by AsyncLocalStorage: everything that a handler starts, timers and promises too, carries
// its response. The events of a request's body come from its connection, which knows of no request, so they are emitted
// under the request's own response. An error that belongs to no request is treated as Node treats it: an exception ends
// the worker, which is then replaced. A rejection that belongs to no request is logged. A program that listens for these
// events itself decides by itself. (docs/decisions/uncaught-errors.md)

import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { PageParts } from "../dev/error-page.ts";
import type { RequestListener } from "../edge/listener.ts";
import { refuse } from "../edge/refusals.ts";
import type { Log } from "../log/log.ts";

/** Measures the parts of requests that run without a break (auto/hold-meter.ts). */
export interface PartMeter {
  /** @param request null for a part that is not its handler. */
  begin(request: IncomingMessage | null): number;
  end(response: ServerResponse, beginMs: number): void;
}

export class Faults {
  readonly #scope = new AsyncLocalStorage<ServerResponse>();
  readonly #log: Log;
  readonly #worker: number;
  #meter: PartMeter | null = null;
  /** What ends this worker. */
  lastError: unknown = null;

  constructor(log: Log, worker: number) {
    this.#log = log;
    this.#worker = worker;
  }

  /** Under `switchyard dev`, makes a page of an error; else null. */
  #page: typeof import("../dev/error-page.ts") | null = null;

  /** Listens for what nobody caught. Before the application is loaded, so that its own listeners are counted as its own. */
  watch(): void {
    if (process.env.SWITCHYARD_DEV === "1") void this.#loadPage();
    process.on("unhandledRejection", (reason) => {
      if (process.listenerCount("unhandledRejection") > 1) return;
      this.#onStray(reason, "rejected a promise that nobody handles");
    });
    process.on("uncaughtException", (error) => {
      if (process.listenerCount("uncaughtException") > 1) return;
      if (this.#scope.getStore() === undefined) {
        this.#log.error(
          { worker: this.#worker, err: error },
          "The application threw outside any request, so this worker ends.",
        );
        this.lastError = error;
        process.exit(1);
      }
      this.#onStray(error, "threw");
    });
  }

  /** The response whose request's code runs at this moment, as far as that is known. */
  get current(): ServerResponse | undefined {
    return this.#scope.getStore();
  }

  /** From now on each part of a request is measured. */
  measureWith(meter: PartMeter): void {
    this.#meter = meter;
  }

  /** Runs the application for one request, so that what it throws later can be told to be that request's. */
  run(handle: RequestListener, request: IncomingMessage, response: ServerResponse): void {
    if (hasBody(request)) this.#emitInScope(request, response);
    const meter = this.#meter;
    if (meter === null) {
      this.#scope.run(response, handle, request, response);
      return;
    }
    const beginMs = meter.begin(request);
    try {
      this.#scope.run(response, handle, request, response);
    } finally {
      meter.end(response, beginMs);
    }
  }

  #emitInScope(request: IncomingMessage, response: ServerResponse): void {
    const emit = request.emit;
    // Not assigned where it is written: V8 would allocate it in the old generation, for a method of a class to be, and the
    // request with all that it leads to would be kept until the next collection of everything.
    const emitInScope = (event: string | symbol, ...args: unknown[]) => {
      if (this.#scope.getStore() === response) return emit.call(request, event as string, ...args);
      return this.#scope.run(response, () => {
        const meter = this.#meter;
        const beginMs = meter?.begin(null) ?? 0;
        try {
          return emit.call(request, event as string, ...args);
        } catch (error) {
          // The context ends with this call: by the time that the process hears of the error, it would be nobody's.
          if (process.listenerCount("uncaughtException") > 1) throw error;
          this.answer(error, response, "threw");
          return true;
        } finally {
          meter?.end(response, beginMs);
        }
      });
    };
    request.emit = emitInScope;
  }

  /** Answers a request whose handler threw or rejected. */
  answer(error: unknown, response: ServerResponse, what: string): void {
    const { method, url } = response.req;
    this.#log.error(
      { worker: this.#worker, method, path: url, err: error },
      `The application ${what} while it served ${method} ${url}; ${outcomeOf(response)}.`,
    );
    if (this.#page !== null && !response.headersSent && this.#page.wantsPage(response.req.headers.accept)) {
      sendPage(response, this.#page.errorPage(partsOf(error, what)));
      return;
    }
    if (!response.writableEnded)
      refuse(response, 500, "The application failed to answer this request.", { keepOpen: true });
  }

  /** Answers a request that was ended because it computed for too long. */
  answerOverdue(response: ServerResponse, runTimeoutMs: number): void {
    const { method, url } = response.req;
    this.#log.error(
      { worker: this.#worker, code: "SY_RUN_TIMEOUT", runTimeoutMs, method, path: url },
      `${method} ${url} computed for ${runTimeoutMs} ms without waiting and was ended; ${outcomeOf(response, 504)}.`,
    );
    if (!response.writableEnded)
      refuse(response, 504, `The application did not answer within ${runTimeoutMs} ms.`, { keepOpen: true });
  }

  async #loadPage(): Promise<void> {
    this.#page = await import("../dev/error-page.ts");
  }

  #onStray(error: unknown, what: string): void {
    const response = this.#scope.getStore();
    if (response !== undefined) this.answer(error, response, what);
    else this.#log.error({ worker: this.#worker, err: error }, `The application ${what}, outside any request.`);
  }
}

function partsOf(error: unknown, what: string): PageParts {
  const isError = error instanceof Error;
  return {
    title: `The application ${what}`,
    message: isError ? `${error.name}: ${error.message}` : String(error),
    hint: null,
    stack: isError ? (error.stack ?? null) : null,
    waitsFor: null,
  };
}

function sendPage(response: ServerResponse, page: string): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const headers = { "Content-Type": "text/html; charset=utf-8", "Content-Length": Buffer.byteLength(page) };
  response.writeHead(500, "Internal Server Error", headers);
  response.end(page);
}

/** Whether events of a body are to come. */
export function hasBody(request: IncomingMessage): boolean {
  // No request of http.Server is complete before its handler has run, with a body or without; any other says it right.
  if (request.complete) return false;
  const { headers } = request;
  if (headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined) return true;
  return !(request.socket instanceof Socket);
}

function outcomeOf(response: ServerResponse, status = 500): string {
  if (response.writableEnded) return "it had answered already";
  return response.headersSent ? "its answer had begun, so the connection is closed" : `the client gets ${status}`;
}
