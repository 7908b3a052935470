// The queue of a lane: requests accepted and not yet given to a worker, in the order of their arrival, never more than its
// limit. A list whose links are in its entries, so that either end and any entry between are taken out at once: a client
// that hangs up leaves no gap to search.
//
// Pure data. Whoever offers a request decides what a refusal means; whoever takes one has a worker for it.

interface Entry<T> {
  readonly request: T;
  before: Entry<T> | null;
  after: Entry<T> | null;
}

export class Queue<T> {
  readonly limit: number;
  readonly #entries = new Map<T, Entry<T>>();
  #oldest: Entry<T> | null = null;
  #newest: Entry<T> | null = null;

  constructor(limit: number) {
    this.limit = limit;
  }

  get length(): number {
    return this.#entries.size;
  }

  /** Adds a request at the end. @returns `false`, and nothing is added, when the queue is at its limit. */
  offer(request: T): boolean {
    if (this.#entries.size >= this.limit) return false;
    const entry: Entry<T> = { request, before: this.#newest, after: null };
    if (this.#newest === null) this.#oldest = entry;
    else this.#newest.after = entry;
    this.#newest = entry;
    this.#entries.set(request, entry);
    return true;
  }

  /**
   * Puts one that was taken out back in its place, whatever the limit: it counts as waiting all the while.
   *
   * @param isBefore whether the first of two came before the second.
   */
  putBack(request: T, isBefore: (one: T, other: T) => boolean): void {
    let after = this.#oldest;
    while (after !== null && isBefore(after.request, request)) after = after.after;
    const before = after === null ? this.#newest : after.before;
    const entry: Entry<T> = { request, before, after };
    if (before === null) this.#oldest = entry;
    else before.after = entry;
    if (after === null) this.#newest = entry;
    else after.before = entry;
    this.#entries.set(request, entry);
  }

  /** Takes the oldest request out, or `undefined` when none waits. */
  take(): T | undefined {
    return this.#takeOut(this.#oldest);
  }

  /** Takes the newest request out, or `undefined` when none waits. */
  takeNewest(): T | undefined {
    return this.#takeOut(this.#newest);
  }

  /** The oldest request, left where it is. */
  peek(): T | undefined {
    return this.#oldest?.request;
  }

  /** Takes one out of turn. @returns whether it was waiting. */
  remove(request: T): boolean {
    const entry = this.#entries.get(request);
    if (entry === undefined) return false;
    this.#takeOut(entry);
    return true;
  }

  #takeOut(entry: Entry<T> | null): T | undefined {
    if (entry === null) return undefined;
    this.#entries.delete(entry.request);
    if (entry.before === null) this.#oldest = entry.after;
    else entry.before.after = entry.after;
    if (entry.after === null) this.#newest = entry.before;
    else entry.after.before = entry.before;
    return entry.request;
  }
}
