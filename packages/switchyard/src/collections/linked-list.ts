// Things in the order in which they were added, of which any can be taken out at once. The links are kept on the things
// themselves, so there is nothing to search, and no Set's tables to hold what was taken out (see id-table.ts).
//
// What was taken out points to nobody: one that V8 has moved to the old generation would keep all that came after it.

const place = Symbol("place");

/** What can be in a list, in one at a time. */
export interface Listed {
  [place]?: Place | null;
}

interface Place {
  before: Listed | null;
  after: Listed | null;
}

export class LinkedList<T extends Listed> {
  #first: T | null = null;
  #last: T | null = null;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get first(): T | null {
    return this.#first;
  }

  get last(): T | null {
    return this.#last;
  }

  /** Adds a thing that is in no list at the end. */
  add(thing: T): void {
    this.insert(thing, null);
  }

  /** Adds a thing that is in no list before another of this list, or at the end. */
  insert(thing: T, after: T | null): void {
    const before = after === null ? this.#last : this.before(after);
    thing[place] = { before, after };
    if (before === null) this.#first = thing;
    else placeOf(before).after = thing;
    if (after === null) this.#last = thing;
    else placeOf(after).before = thing;
    this.#length++;
  }

  /** Takes a thing out. @returns `false` when it is not in a list. */
  remove(thing: T): boolean {
    const its = thing[place];
    if (its == null) return false;
    thing[place] = null;
    // The casts here and below: in this list there are only things of this type.
    const [before, after] = [its.before as T | null, its.after as T | null];
    if (before === null) this.#first = after;
    else placeOf(before).after = after;
    if (after === null) this.#last = before;
    else placeOf(after).before = before;
    this.#length--;
    return true;
  }

  before(thing: T): T | null {
    return placeOf(thing).before as T | null;
  }

  after(thing: T): T | null {
    return placeOf(thing).after as T | null;
  }

  /** From the first to the last. The one at hand may be taken out meanwhile. */
  *[Symbol.iterator](): Generator<T> {
    for (let thing = this.#first; thing !== null; ) {
      const next = this.after(thing);
      yield thing;
      thing = next;
    }
  }
}

function placeOf(thing: Listed): Place {
  const its = thing[place];
  if (its == null) throw new Error("not in the list");
  return its;
}
