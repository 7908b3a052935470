// Heaps of moments in typed arrays: the smallest first. Memory is what they hold and no more; nothing is allocated for a
// request that passes through.

/** A fixed number of servers, each free from a moment on. */
export class FreeTimes {
  readonly #atMs: Float64Array;

  constructor(servers: number) {
    this.#atMs = new Float64Array(servers);
  }

  /**
   * Gives the server that is free first to a request that is there from `readyAtMs` on, for `holdMs`, and returns when it
   * begins. Right for requests that are given in the order in which they begin to wait (Kiefer and Wolfowitz, "On the
   * Theory of Queues with Many Servers", 1955).
   */
  take(readyAtMs: number, holdMs: number): number {
    const beginsAtMs = Math.max(readyAtMs, this.#atMs[0]!);
    this.replaceFirst(beginsAtMs + holdMs);
    return beginsAtMs;
  }

  /** When the first of them is free. */
  first(): number {
    return this.#atMs[0]!;
  }

  /** The server that is free first is free again from `atMs` on. */
  replaceFirst(atMs: number): void {
    const times = this.#atMs;
    const length = times.length;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= length) break;
      if (child + 1 < length && times[child + 1]! < times[child]!) child++;
      if (times[child]! >= atMs) break;
      times[hole] = times[child]!;
      hole = child;
    }
    times[hole] = atMs;
  }
}

/** Things to come, each at a moment and with a whole number; as many as there are, in arrays that grow by doubling. */
export class Agenda {
  #atMs = new Float64Array(1024);
  #item = new Int32Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The moment of the first, or Infinity. */
  firstAtMs(): number {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.#atMs[0]!;
  }

  add(atMs: number, item: number): void {
    if (this.#length === this.#atMs.length) this.#grow();
    const times = this.#atMs;
    const items = this.#item;
    let hole = this.#length++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (times[parent]! <= atMs) break;
      times[hole] = times[parent]!;
      items[hole] = items[parent]!;
      hole = parent;
    }
    times[hole] = atMs;
    items[hole] = item;
  }

  /** Takes the first out and returns its number. There must be one. */
  takeFirst(): number {
    const times = this.#atMs;
    const items = this.#item;
    const taken = items[0]!;
    const length = --this.#length;
    const atMs = times[length]!;
    const item = items[length]!;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= length) break;
      if (child + 1 < length && times[child + 1]! < times[child]!) child++;
      if (times[child]! >= atMs) break;
      times[hole] = times[child]!;
      items[hole] = items[child]!;
      hole = child;
    }
    times[hole] = atMs;
    items[hole] = item;
    return taken;
  }

  #grow(): void {
    const times = new Float64Array(2 * this.#length);
    const items = new Int32Array(2 * this.#length);
    times.set(this.#atMs);
    items.set(this.#item);
    this.#atMs = times;
    this.#item = items;
  }
}
