// The queue of a lane: requests accepted and not yet given to a worker, in the order of their arrival, never more than its
// limit. Either end and any entry between are taken out at once: a client that hangs up leaves no gap to search.
//
// Pure data. Whoever offers a request decides what a refusal means; whoever takes one has a worker for it.

import { LinkedList, type Listed } from "../collections/linked-list.ts";

export class Queue<T extends Listed> {
  readonly limit: number;
  readonly #requests = new LinkedList<T>();

  constructor(limit: number) {
    this.limit = limit;
  }

  get length(): number {
    return this.#requests.length;
  }

  /** Adds a request at the end. @returns `false`, and nothing is added, when the queue is at its limit. */
  offer(request: T): boolean {
    if (this.#requests.length >= this.limit) return false;
    this.#requests.add(request);
    return true;
  }

  /**
   * Puts one that was taken out back in its place, whatever the limit: it counts as waiting all the while.
   *
   * @param isBefore whether the first of two came before the second.
   */
  putBack(request: T, isBefore: (one: T, other: T) => boolean): void {
    let after = this.#requests.first;
    while (after !== null && isBefore(after, request)) after = this.#requests.after(after);
    this.#requests.insert(request, after);
  }

  /** Takes the oldest request out, or `undefined` when none waits. */
  take(): T | undefined {
    return this.#takeOut(this.#requests.first);
  }

  /** Takes the newest request out, or `undefined` when none waits. */
  takeNewest(): T | undefined {
    return this.#takeOut(this.#requests.last);
  }

  /** The oldest request, left where it is. */
  peek(): T | undefined {
    return this.#requests.first ?? undefined;
  }

  /** Takes one out of turn. @returns whether it was waiting. */
  remove(request: T): boolean {
    return this.#requests.remove(request);
  }

  #takeOut(request: T | null): T | undefined {
    if (request === null) return undefined;
    this.#requests.remove(request);
    return request;
  }
}
