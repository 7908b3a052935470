// How many greenlets are alive, and how many may be.
//
// Counts from start to end, whether or not a greenlet has a stack yet, so that the bound is met when one is started and
// not at some later moment.

import { addon } from "./addon.ts";
import { GreenletError } from "./errors.ts";

class HubLimits {
  #live = 0;
  #mostSeen = 0;
  #started = 0;
  #max: number | null = null;

  get live(): number {
    return this.#live;
  }

  get mostSeen(): number {
    return this.#mostSeen;
  }

  get started(): number {
    return this.#started;
  }

  get max(): number {
    this.#max ??= addon().stackLimit;
    return this.#max;
  }

  set max(count: number) {
    if (!Number.isInteger(count) || count < 1) {
      throw new GreenletError("ERR_INVALID_ARGUMENT", {
        saw: `hub.maxGreenlets was set to ${count}, and it must be a whole number, 1 or more.`,
        fix: `Set it to what the machine bears, at most ${addon().stackLimit}.`,
      });
    }
    this.#max = Math.min(count, addon().stackLimit);
  }

  /** @throws {GreenletError} `ERR_TOO_MANY_GREENLETS`, and `ERR_ADDON_UNAVAILABLE` at the first use. */
  admit(): void {
    if (this.#live >= this.max) {
      throw new GreenletError("ERR_TOO_MANY_GREENLETS", {
        saw: `${this.#live} greenlets are alive in this thread, and hub.maxGreenlets is ${this.max}.`,
        fix: "Start fewer at once, or raise hub.maxGreenlets where the machine bears more.",
      });
    }
    this.#started++;
    this.#live++;
    if (this.#live > this.#mostSeen) this.#mostSeen = this.#live;
  }

  leave(): void {
    this.#live--;
  }
}

export const hubLimits = new HubLimits();
