// The requests that are on offer to one busy worker thread: sent to it ahead, so that it begins the next at once when it is
// done, while neither it nor the balancer has to be woken for that.
//
//   queued ──offer──► on offer ──the worker is done with the one before──► in the worker
//     ▲                  └──take back: it waits for too long, its client has gone, the worker ends or is stuck
//     └─────────────────────┘
//
// A request on offer still waits, and counts as queued. Only requests whose runs are short of late are offered, and for a
// moment only (balancer.ts), so that there is one queue all the same: a request never waits behind one that turns out long.

import { type Claims, slots } from "./claims.ts";
import type { RequestChannel } from "./worker-handle.ts";

/** What can be sent ahead. */
export interface Sendable {
  /** Sends all of it to a worker, to be begun once it was claimed. */
  sendAhead(to: { readonly id: number; readonly slot: number; readonly channel: RequestChannel }): void;
}

interface Entry<T> {
  readonly offered: T;
  readonly id: number;
  readonly slot: number;
}

/** The requests on offer to one worker are to take no longer than this together, in milliseconds, by what is usual of late. */
const worthMs = 1;

export class Ahead<T extends Sendable> {
  readonly #claims: Claims;
  #entries: Entry<T>[] = [];
  readonly #freeSlots = Array.from({ length: slots }, (_, index) => index);
  /** Of the request that the worker has: it may not have come to claim it yet. */
  #runningSlot: number | null = null;

  constructor(claims: Claims) {
    this.#claims = claims;
  }

  get size(): number {
    return this.#entries.length;
  }

  get hasRoom(): boolean {
    return this.#freeSlots.length > 0 && this.size < this.#depth;
  }

  /** The requests, in the order in which the worker begins them. */
  get requests(): T[] {
    return this.#entries.map(({ offered }) => offered);
  }

  offer(offered: T, id: number, channel: RequestChannel): void {
    const slot = this.#freeSlots.pop();
    if (slot === undefined) throw new Error("no slot is free");
    this.#entries.push({ offered, id, slot });
    this.#claims.offer(slot, id);
    offered.sendAhead({ id, slot, channel });
  }

  /** The worker is done with what it had. @returns what it begins by itself now, or `undefined`. */
  next(): { readonly offered: T; readonly id: number } | undefined {
    if (this.#runningSlot !== null) this.#freeSlots.push(this.#runningSlot);
    const entry = this.#entries.shift();
    this.#runningSlot = entry?.slot ?? null;
    return entry;
  }

  /** @returns `false` when it is not on offer here, or the worker has begun it. */
  takeBack(offered: T): boolean {
    const index = this.#entries.findIndex((entry) => entry.offered === offered);
    const entry = this.#entries[index];
    if (entry === undefined || !this.#claims.take(entry.slot, entry.id)) return false;
    this.#entries.splice(index, 1);
    this.#freeSlots.push(entry.slot);
    return true;
  }

  /** Takes all back that the worker has not begun. @returns those, in their order. */
  takeAllBack(): T[] {
    const taken: T[] = [];
    this.#entries = this.#entries.filter(({ offered, id, slot }) => {
      if (!this.#claims.take(slot, id)) return true;
      this.#freeSlots.push(slot);
      taken.push(offered);
      return false;
    });
    return taken;
  }

  /** When one more would be begun, by what is usual of late, in milliseconds from now at most. */
  get beginsInMs(): number {
    return this.#claims.usualRunMs * (this.size + 1);
  }

  /** How many may be on offer, by how long the worker has its requests of late: none before its first. */
  get #depth(): number {
    const { usualRunMs } = this.#claims;
    return usualRunMs === 0 ? 0 : Math.floor(worthMs / usualRunMs);
  }
}
