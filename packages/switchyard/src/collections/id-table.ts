// Requests by their numbers: what a Map would do, without what a Map costs the collector on the path of every request.
//
// A Map whose entries come and go makes itself a new table every few of them, and each table that it leaves points to the next
// and still holds what was in it. One that V8 has moved to the old generation keeps all that follow it from being collected
// with the young ones, and the requests in them: in a loop under load most of a collection's time went into copying requests
// that were over. Here one table is used again and again, and a place that is left holds nothing.
//
// Open addressing with linear probing; a deletion moves later ones up, so that there are no tombstones. (Knuth, "The Art of
// Computer Programming", volume 3, section 6.4, algorithm R.)

const firstCapacity = 16;

/** Spreads numbers that follow each other, by the golden ratio's part of 2^32 (Knuth, section 6.4). */
const spread = 0x9e3779b1;

/** In place of a number: nothing is here. */
const none = 0;

export class IdTable<T> {
  #ids = new Uint32Array(firstCapacity);
  #values = newValues<T>(firstCapacity);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @returns what has this number, from 1 to 2^32 - 1. */
  get(id: number): T | undefined {
    return this.#values[this.#placeOf(id)];
  }

  has(id: number): boolean {
    return this.#ids[this.#placeOf(id)] === id;
  }

  /** Gives this number to a value, and takes it from the one that had it. */
  set(id: number, value: T): void {
    let place = this.#placeOf(id);
    if (this.#ids[place] === none) {
      if (this.#size >= this.#ids.length / 2) {
        this.#grow();
        place = this.#placeOf(id);
      }
      this.#size++;
    }
    this.#ids[place] = id;
    this.#values[place] = value;
  }

  /** @returns whether anything had this number. */
  delete(id: number): boolean {
    const ids = this.#ids;
    const values = this.#values;
    const mask = ids.length - 1;
    let gap = this.#placeOf(id);
    if (ids[gap] === none) return false;
    this.#size--;
    for (let place = (gap + 1) & mask; ids[place] !== none; place = (place + 1) & mask) {
      // Whoever would have come to the gap first on the way from its own place moves there.
      const way = (place - this.#home(ids[place]!)) & mask;
      if (way < ((place - gap) & mask)) continue;
      ids[gap] = ids[place]!;
      values[gap] = values[place];
      gap = place;
    }
    ids[gap] = none;
    values[gap] = undefined;
    return true;
  }

  clear(): void {
    this.#ids.fill(none);
    this.#values.fill(undefined);
    this.#size = 0;
  }

  /** All that are in it at this moment, in no particular order. */
  values(): T[] {
    const all: T[] = [];
    // The cast: a place with a number has a value.
    this.#ids.forEach((id, place) => {
      if (id !== none) all.push(this.#values[place] as T);
    });
    return all;
  }

  /** Where a number is, or where it would be put. */
  #placeOf(id: number): number {
    const ids = this.#ids;
    const mask = ids.length - 1;
    let place = this.#home(id);
    while (ids[place] !== id && ids[place] !== none) place = (place + 1) & mask;
    return place;
  }

  #home(id: number): number {
    // The upper half of the product is the one that is spread well.
    return (Math.imul(id, spread) >>> 16) & (this.#ids.length - 1);
  }

  #grow(): void {
    const [ids, values] = [this.#ids, this.#values];
    this.#ids = new Uint32Array(ids.length * 2);
    this.#values = newValues<T>(ids.length * 2);
    ids.forEach((id, before) => {
      if (id === none) return;
      const place = this.#placeOf(id);
      this.#ids[place] = id;
      this.#values[place] = values[before];
    });
    // Should these be of the old generation, they keep nothing.
    values.fill(undefined);
  }
}

/** The number after this one: they fit a signed word of shared memory, begin again after the last, and 0 is none. */
export function idAfter(id: number): number {
  return (id % largestId) + 1;
}

const largestId = 2 ** 31 - 1;

function newValues<T>(capacity: number): (T | undefined)[] {
  return new Array<T | undefined>(capacity).fill(undefined);
}
