// Sends what the server looks like to every open dashboard, several times a second, as server-sent events.
//
// However many are open, the status is asked for and put into text once for all of them, and not at all while none is
// open. Their number is bounded, and one that does not read what it is sent is skipped until it does, so that nothing
// piles up in the supervisor.

import { nowMs } from "../../clock.ts";
import type { ServerStatus } from "../../metrics/snapshot.ts";
import type { IncomingMessage, ServerResponse } from "../../node-http.ts";
import { History } from "./history.ts";

/** Dashboards that may be open at once; one more is answered 503. */
export const maxViewers = 64;
/** How often an open dashboard is told how the server is, in milliseconds. */
const updateEveryMs = 333;
const sampleEveryMs = 1_000;
/** A viewer that has not read this many bytes is told nothing new until it has. */
const maxUnreadBytes = 256 * 1024;

export class Live {
  readonly #status: () => ServerStatus;
  readonly #history = new History();
  readonly #viewers = new Set<ServerResponse>();
  readonly #sampling: NodeJS.Timeout;
  #updating: NodeJS.Timeout | null = null;

  constructor(status: () => ServerStatus) {
    this.#status = status;
    this.#sampling = setInterval(() => this.#sample(), sampleEveryMs).unref();
    this.#sample();
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** Opens a stream of events, or answers that too many are open. */
  open(_request: IncomingMessage, response: ServerResponse): void {
    if (this.#viewers.size >= maxViewers) {
      const text = `${maxViewers} dashboards are open already, and that is the limit. Close one of them.\n`;
      response.writeHead(503, { "Content-Type": "text/plain; charset=utf-8", "Retry-After": "5" });
      response.end(text);
      return;
    }
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    this.#viewers.add(response);
    response.once("close", () => this.#leave(response));
    // A page whose server is back asks again after this long.
    response.write(`retry: 1000\n\n${eventText("history", this.#history.samples)}${this.#statusText()}`);
    this.#updating ??= setInterval(() => this.#tellAll(this.#statusText()), updateEveryMs).unref();
  }

  close(): void {
    clearInterval(this.#sampling);
    if (this.#updating !== null) clearInterval(this.#updating);
    for (const viewer of this.#viewers) viewer.end();
  }

  #leave(viewer: ServerResponse): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0 || this.#updating === null) return;
    clearInterval(this.#updating);
    this.#updating = null;
  }

  #sample(): void {
    const sample = this.#history.add(this.#status(), nowMs());
    if (sample !== null && this.#viewers.size > 0) this.#tellAll(eventText("sample", sample));
  }

  #statusText(): string {
    return eventText("status", { atMs: Math.round(nowMs()), status: this.#status() });
  }

  #tellAll(text: string): void {
    for (const viewer of this.#viewers) if (viewer.writableLength < maxUnreadBytes) viewer.write(text);
  }
}

/** JSON has no raw line break, so an event's data is one line (HTML standard, "Server-sent events"). */
function eventText(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
