// Server-sent events: a city drawn at random for as long as the client listens.

import type { ServerResponse } from "node:http";
import { type City, cityOfRank } from "./cities.ts";

/** Draws among so many of the largest cities, which are those that a reader may have heard of. */
const bestKnown = 4_000;

export interface LiveOptions {
  /** Milliseconds between two events. */
  readonly everyMs: number;
  /** Events after which the stream ends. */
  readonly count: number;
}

/** Sends the first city at once and ends after `count`, or stops at once when the client leaves. */
export function sendCities(response: ServerResponse, { everyMs, count }: LiveOptions): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  let sent = 0;
  const send = () => {
    // A client that stays and reads nothing misses cities; they are not kept for it.
    if (response.writableNeedDrain) return;
    sent += 1;
    response.write(eventOf(sent, drawCity()));
    if (sent === count) response.end();
  };
  const timer = setInterval(send, everyMs);
  // Both endings: after the last event, and when the client has left.
  response.once("finish", () => clearInterval(timer));
  response.once("close", () => clearInterval(timer));
  send();
}

function eventOf(id: number, city: City | null): string {
  return `id: ${id}\nevent: city\ndata: ${JSON.stringify(city)}\n\n`;
}

function drawCity(): City | null {
  return cityOfRank(1 + Math.floor(Math.random() * bestKnown));
}
