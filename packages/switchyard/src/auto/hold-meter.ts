// Measures for how long requests hold the event loop without a break: the loop's other requests wait as long.
//
// A handler's synchronous part, and what an event of its request's body sets off, are timed from begin to end. What goes on
// later (after an `await`, in a callback) is known by its end: when it ends the response, all that the loop was busy with
// since the last moment that this meter saw is its doing. Time in which the loop waited for something to do is no part of it
// (`loopIdleMs`), and neither is time in which the kernel had the thread wait for a CPU, where it tells (run-delay.ts).
//
// It costs two readings of the clock for a request that is answered at once, and three and a listener for another.
//
// What it can't see: a later part that holds the loop and neither ends the response nor is set off by the request's body;
// and it blames a later part for what timers and other callbacks of the application did just before it, when no request
// began between the two. So a route is judged by many requests (policy.ts), never by one.

import type { ServerResponse } from "node:http";
import { loopIdleMs, nowMs } from "../clock.ts";
import type { RunDelay } from "./run-delay.ts";

/** What one request that held the loop for long did, told once it is answered. */
export interface Hold {
  readonly response: ServerResponse;
  /** The longest time without a break, in milliseconds. */
  readonly heldMs: number;
  /** How long the loop had nothing to do while the request was there: it waited for something else, in milliseconds. */
  readonly waitedMs: number;
}

export interface HoldMeterOptions {
  /** What is long, in milliseconds. */
  readonly thresholdMs: number;
  readonly runDelay: RunDelay;
  readonly onHold: (hold: Hold) => void;
}

const heldMs = Symbol("heldMs");
const idleAtBeginMs = Symbol("idleAtBeginMs");

/** In place of a length of time. */
const told = -1;

interface Measured extends ServerResponse {
  /** Longest so far, of one that is not answered yet. */
  [heldMs]?: number;
  [idleAtBeginMs]?: number;
}

export class HoldMeter {
  readonly #options: HoldMeterOptions;
  readonly #onEnd: (this: ServerResponse) => void;
  /** Parts that are being timed from their begin: what ends a response in one is measured with it. */
  #depth = 0;
  /** The loop's busy time, in milliseconds, at the last moment that was seen. */
  #busyAtMark = 0;

  constructor(options: HoldMeterOptions) {
    this.#options = options;
    const meter = this;
    this.#onEnd = function onEnd() {
      meter.#ended(this);
    };
  }

  /** A part of a request begins; the first one is its handler. `end` must follow in any case, with what this returns. */
  begin(): number {
    // A part within a part is measured with it.
    if (this.#depth++ > 0) return 0;
    const { runDelay } = this.#options;
    if (runDelay.isWatched) runDelay.mark();
    return nowMs();
  }

  end(response: Measured, beginMs: number): void {
    if (--this.#depth > 0) return;
    const endMs = nowMs();
    const idleMs = loopIdleMs();
    this.#busyAtMark = endMs - idleMs;
    const tookMs = endMs - beginMs;
    const held = tookMs < this.#options.thresholdMs ? 0 : this.#options.runDelay.without(tookMs);
    if (response.writableEnded) {
      this.#tell(response, held, idleMs);
      return;
    }
    if (response[idleAtBeginMs] === undefined) {
      response[idleAtBeginMs] = idleMs;
      response.once("prefinish", this.#onEnd);
    }
    if (held > (response[heldMs] ?? 0)) response[heldMs] = held;
  }

  /** A later part has ended the response. */
  #ended(response: Measured): void {
    if (this.#depth > 0) return;
    const idleMs = loopIdleMs();
    const busyMs = nowMs() - idleMs;
    const tookMs = busyMs - this.#busyAtMark;
    this.#busyAtMark = busyMs;
    const held = tookMs < this.#options.thresholdMs ? 0 : this.#options.runDelay.without(tookMs);
    this.#tell(response, held, idleMs);
  }

  #tell(response: Measured, held: number, idleMs: number): void {
    if (response[heldMs] === told) return;
    const longest = Math.max(held, response[heldMs] ?? 0);
    if (longest < this.#options.thresholdMs) return;
    // Events of its body may follow the answer.
    response[heldMs] = told;
    this.#options.onHold({ response, heldMs: longest, waitedMs: idleMs - (response[idleAtBeginMs] ?? idleMs) });
  }
}
