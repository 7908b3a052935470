// A claim decides, between a balancer and a worker thread, who has a request that was sent ahead: to a worker that is still
// busy, so that it begins the next without a word from the balancer.
//
// A word of shared memory holds the id of a request on offer, or 0. Whoever exchanges the id for 0 first has it: the worker,
// which then runs it, or the balancer, which then gives it to another worker, or to nobody when its client has gone. So a
// request on offer still waits. Ids are not used again, so that a worker that comes late takes nothing else.

/** How many requests may be on offer to one worker. */
export const slots = 8;

const runMicrosAt = slots;

/** How much the latest request counts in the usual run time. */
const latestShare = 1 / 8;

export class Claims {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  static newMemory(): SharedArrayBuffer {
    return new SharedArrayBuffer((slots + 1) * Int32Array.BYTES_PER_ELEMENT);
  }

  /** Puts a request on offer in a slot that has none. Only the balancer does. */
  offer(slot: number, id: number): void {
    Atomics.store(this.#words, slot, id);
  }

  /** Takes the request for the caller's side. @returns `false` when the other side has it. */
  take(slot: number, id: number): boolean {
    return Atomics.compareExchange(this.#words, slot, id, 0) === id;
  }

  /** Whether neither side has taken it. */
  isOnOffer(slot: number, id: number): boolean {
    return Atomics.load(this.#words, slot) === id;
  }

  /** Counts how long the worker had a request, in milliseconds. Only the worker does. */
  ran(runMs: number): void {
    const before = this.#words[runMicrosAt]!;
    const micros = Math.min(runMs * 1_000, 2 ** 30);
    Atomics.store(this.#words, runMicrosAt, Math.round(before + (micros - before) * latestShare));
  }

  /** How long the worker has its requests of late, in milliseconds; 0 before its first. */
  get usualRunMs(): number {
    return Atomics.load(this.#words, runMicrosAt) / 1_000;
  }
}
