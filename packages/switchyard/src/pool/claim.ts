// A claim decides, between a balancer and a worker thread, who gets a request that was offered ahead: sent to a worker that
// is still busy, so that it can begin the next without waiting for word from the balancer.
//
// A word of shared memory holds the id of a request on offer, or 0. Whoever exchanges the id for 0 first has it: the worker,
// which then runs it, or the balancer, which then gives it to a worker that became free earlier, or to nobody when its
// client has gone. So a request on offer is still a waiting one, and one queue serves all workers, oldest first.
//
// There are two words, because the balancer hears that a worker is free, and offers it another, while the worker may not
// have come to claim the one before.

export class Claim {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  static newMemory(): SharedArrayBuffer {
    return new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
  }

  /** Puts a request on offer. Only the balancer does. @returns `false` when two are on offer already. */
  offer(id: number): boolean {
    return Atomics.compareExchange(this.#words, 0, 0, id) === 0 || Atomics.compareExchange(this.#words, 1, 0, id) === 0;
  }

  /** Takes the request for the caller's side. @returns `false` when the other side has it. */
  take(id: number): boolean {
    return (
      Atomics.compareExchange(this.#words, 0, id, 0) === id || Atomics.compareExchange(this.#words, 1, id, 0) === id
    );
  }
}
