// In which order a queue gives its items: three stores with one interface.

export interface ItemStore<T> {
  readonly size: number;
  add(item: T): void;
  /** The item that comes next, which stays. Only called when there is one. */
  peek(): T;
  /** Removes the item that comes next. Only called when there is one. */
  take(): T;
  clear(): void;
}

/** First in, first out. Removes from the front of an array in blocks, because shift() moves all that is behind. */
export class FifoStore<T> implements ItemStore<T> {
  #items: T[] = [];
  #first = 0;

  get size(): number {
    return this.#items.length - this.#first;
  }

  add(item: T): void {
    this.#items.push(item);
  }

  peek(): T {
    return this.#items[this.#first] as T; // there is one
  }

  take(): T {
    const item = this.peek();
    // What has left is not kept alive.
    this.#items[this.#first++] = undefined as T;
    if (this.#first > 1024 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#first = 0;
  }
}

/** Last in, first out. */
export class LifoStore<T> implements ItemStore<T> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: T): void {
    this.#items.push(item);
  }

  peek(): T {
    return this.#items.at(-1) as T; // there is one
  }

  take(): T {
    return this.#items.pop() as T; // there is one
  }

  clear(): void {
    this.#items.length = 0;
  }
}

/** The smallest first, and of equal ones the first that came: a binary heap with a number for each arrival. */
export class PriorityStore<T> implements ItemStore<T> {
  readonly #heap: { readonly item: T; readonly arrival: number }[] = [];
  readonly #compare: (a: T, b: T) => number;
  #arrivals = 0;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(item: T): void {
    const heap = this.#heap;
    let at = heap.push({ item, arrival: this.#arrivals++ }) - 1;
    for (let above = (at - 1) >> 1; at > 0 && this.#isBefore(at, above); above = (at - 1) >> 1) {
      this.#swap(at, above);
      at = above;
    }
  }

  peek(): T {
    return this.#heap[0]!.item; // there is one
  }

  take(): T {
    const item = this.peek();
    const last = this.#heap.pop()!; // there is one
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#sink();
    }
    return item;
  }

  clear(): void {
    this.#heap.length = 0;
  }

  /** Moves the top down to where it belongs. */
  #sink(): void {
    for (let at = 0; ; ) {
      let least = at;
      for (const below of [2 * at + 1, 2 * at + 2]) {
        if (below < this.#heap.length && this.#isBefore(below, least)) least = below;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a]!, this.#heap[b]!]; // both are indexes of the heap
    const order = this.#compare(first.item, second.item);
    return order < 0 || (order === 0 && first.arrival < second.arrival);
  }

  #swap(a: number, b: number): void {
    const item = this.#heap[a]!; // both are indexes of the heap
    this.#heap[a] = this.#heap[b]!;
    this.#heap[b] = item;
  }
}
