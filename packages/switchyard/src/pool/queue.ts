// The queue of a sync pool: requests accepted and not yet given to a worker, oldest first, never more than its limit.
//
// Pure data. Whoever offers a request decides what a refusal means; whoever takes one has a free worker for it.

export class Queue<T> {
  readonly limit: number;
  /** A Set keeps the order of arrival and gives up any of its members at once: a client that hangs up is taken out. */
  readonly #waiting = new Set<T>();

  constructor(limit: number) {
    this.limit = limit;
  }

  get length(): number {
    return this.#waiting.size;
  }

  /** Adds a request at the end. @returns `false`, and nothing is added, when the queue is at its limit. */
  offer(request: T): boolean {
    if (this.#waiting.size >= this.limit) return false;
    this.#waiting.add(request);
    return true;
  }

  /** Takes the oldest request out, or `undefined` when none waits. */
  take(): T | undefined {
    for (const oldest of this.#waiting) {
      this.#waiting.delete(oldest);
      return oldest;
    }
    return undefined;
  }

  /** The oldest request, left where it is. */
  peek(): T | undefined {
    for (const oldest of this.#waiting) return oldest;
    return undefined;
  }

  /** Takes one out of turn. @returns whether it was waiting. */
  remove(request: T): boolean {
    return this.#waiting.delete(request);
  }
}
