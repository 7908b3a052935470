// The account of one worker's requests: each that begins is entered once, and left once as answered, failed or aborted.
//
// It is on the path of every request, so an entry is two fields on the response and one listener that all responses
// share. Writes the access line, and knows which responses are still to come when the worker drains.

import type { IncomingMessage, ServerResponse } from "node:http";
import { nowMs } from "../clock.ts";
import type { AccessLog } from "../log/access.ts";
import type { RequestCounts } from "../metrics/snapshot.ts";

const begunAt = Symbol("begunAt");
const assignedAt = Symbol("assignedAt");
const assignedTo = Symbol("assignedTo");
const bytesBefore = Symbol("bytesBefore");

interface Entered extends ServerResponse {
  [begunAt]?: number;
  /** When a sync worker got it, and which; a loop worker runs what it takes at once. */
  [assignedAt]?: number;
  [assignedTo]?: number;
  [bytesBefore]?: number;
}

export interface AccountOptions {
  /** Null: no access lines. */
  readonly accessLog: AccessLog | null;
  readonly model: "sync" | "async" | "greenlet";
  /** The worker that runs every request, or null when `assigned` tells for each. */
  readonly worker: number | null;
}

export class Account {
  readonly #options: AccountOptions;
  readonly #open = new Set<ServerResponse>();
  readonly #onClose: (this: ServerResponse) => void;
  #begun = 0;
  #answered = 0;
  #failed = 0;
  #aborted = 0;
  #refused = 0;

  constructor(options: AccountOptions) {
    this.#options = options;
    const account = this;
    this.#onClose = function onClose() {
      account.#leave(this);
    };
  }

  /** Enters a request that goes to the application. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    this.#begun++;
    this.#open.add(response);
    (response as Entered)[begunAt] = nowMs();
    if (this.#options.accessLog !== null) (response as Entered)[bytesBefore] = request.socket.bytesWritten;
    response.on("close", this.#onClose);
  }

  /** A request has left the queue for a worker. */
  assigned(response: ServerResponse, worker: number): void {
    (response as Entered)[assignedAt] = nowMs();
    (response as Entered)[assignedTo] = worker;
  }

  /** Counts a request that was answered before it reached the application. */
  refused(_status: number): void {
    this.#refused++;
  }

  /** Responses that are not finished. */
  get open(): ReadonlySet<ServerResponse> {
    return this.#open;
  }

  /** Tells the clients of all answers still to begin that their connection closes after it (RFC 9112 §9.6). */
  announceClose(): void {
    for (const response of this.#open) {
      if (!response.headersSent && response.req.httpVersionMajor < 2) response.setHeader("Connection", "close");
    }
  }

  counts(): RequestCounts {
    return {
      begun: this.#begun,
      inFlight: this.#open.size,
      answered: this.#answered,
      failed: this.#failed,
      aborted: this.#aborted,
      refused: this.#refused,
    };
  }

  #leave(response: Entered): void {
    if (!this.#open.delete(response)) return;
    const isComplete = response.writableFinished;
    if (!isComplete) this.#aborted++;
    else if (response.statusCode >= 500) this.#failed++;
    else this.#answered++;
    const { accessLog } = this.#options;
    if (accessLog !== null) this.#write(accessLog, response, isComplete);
  }

  #write(accessLog: AccessLog, response: Entered, isComplete: boolean): void {
    const request = response.req;
    const { worker } = this.#options;
    const begunMs = response[begunAt] ?? 0;
    // What no worker got has only waited.
    const endedMs = nowMs();
    const runFromMs = worker === null ? (response[assignedAt] ?? endedMs) : begunMs;
    const written = request.socket.bytesWritten - (response[bytesBefore] ?? 0);
    accessLog.record({
      method: request.method ?? "",
      path: request.url ?? "",
      // 499: the client closed the request before it was answered, as nginx writes it.
      status: isComplete || response.headersSent ? response.statusCode : 499,
      bytes: Math.max(0, written - headBytes(response)),
      waitMs: runFromMs - begunMs,
      runMs: endedMs - runFromMs,
      model: this.#options.model,
      worker: worker ?? response[assignedTo] ?? 0,
      remote: request.socket.remoteAddress ?? "",
      httpVersion: request.httpVersion,
      referer: request.headers.referer,
      userAgent: request.headers["user-agent"],
    });
  }
}

/** Bytes of the head that was sent: Node keeps its text on the response, and no public name leads to it. */
function headBytes(response: ServerResponse): number {
  const head = (response as unknown as { _header?: string | null })._header;
  return typeof head === "string" ? head.length : 0;
}
