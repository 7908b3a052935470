// Who gets the connections of which a loop has accepted more than its share.
//
// A loop with too many keeps them unread and says so. The others are asked how many they have; each that answers is given
// what it lacks of an even share, and what is left when all have answered, or the deadline is over, the loop keeps. A loop
// that does not answer is blocked: it is given nothing, and nobody waits for it again until it has said something.
//
// A calculation but for the deadline: it is told what loops say and says what to tell them. A connection that is on its way
// is counted for who will get it: `granted` until its loop has handed it over, then until the receiver says that it has
// adopted it.

import type { ConnectionCounts } from "../ipc/messages.ts";

/** A loop, by a number that is never used again. */
export type LoopId = number;

export type ShareOrder =
  /** How many connections do you have? */
  | { readonly type: "tellConnections"; readonly question: number }
  | { readonly type: "giveConnections"; readonly to: LoopId; readonly count: number }
  /** Begin as many as are left; the loop with the fewest has this many. */
  | { readonly type: "keepConnections"; readonly count: number; readonly fewest: number };

interface Loop {
  open: number;
  waiting: number;
  adopted: number;
  /** Those that waited and that it was told to keep so far. */
  toKeep: number;
  /** Handed on to it so far. */
  forwarded: number;
  /** Promised to it and not handed over yet, by the loop that has them. */
  readonly granted: Map<LoopId, number>;
  /** The last question that it was asked. */
  question: number;
  /** It has not answered that. */
  isAsked: boolean;
  /** It did not answer in time. */
  isSilent: boolean;
  /** It was told that there are others. */
  knowsOthers: boolean;
}

/** How long the loops have to answer, in milliseconds. */
const answerWithinMs = 200;

export class ConnectionShares {
  readonly #loops = new Map<LoopId, Loop>();
  readonly #order: (loop: LoopId, order: ShareOrder) => void;
  #deadline: NodeJS.Timeout | null = null;

  constructor(order: (loop: LoopId, order: ShareOrder) => void) {
    this.#order = order;
  }

  /** A loop is ready. */
  add(id: LoopId): void {
    const counts = { open: 0, waiting: 0, adopted: 0, toKeep: 0, forwarded: 0, question: 0 };
    this.#loops.set(id, { ...counts, granted: new Map(), isAsked: false, isSilent: false, knowsOthers: false });
    if (this.#loops.size < 2) return;
    // By being asked a loop learns that it is not alone.
    for (const [each, loop] of this.#loops) {
      if (loop.knowsOthers) continue;
      loop.knowsOthers = true;
      this.#order(each, { type: "tellConnections", question: loop.question });
    }
  }

  /** A loop takes no connection any more: it drains, or has ended. */
  remove(id: LoopId): void {
    if (!this.#loops.delete(id)) return;
    for (const loop of this.#loops.values()) loop.granted.delete(id);
    this.#settle();
  }

  told(id: LoopId, counts: ConnectionCounts): void {
    const loop = this.#loops.get(id);
    if (loop === undefined) {
      // One that drains keeps what it has.
      if (counts.waiting > 0) this.#order(id, { type: "keepConnections", count: counts.waiting, fewest: 0 });
      return;
    }
    // What it has been told to give away and has not handed over yet is in these counts, and not its own any more; what it
    // has been told to keep may still be among those that wait.
    const promised = this.#promisedBy(id);
    loop.open = counts.open - promised;
    loop.waiting = Math.max(0, counts.waiting - promised - (loop.toKeep - counts.kept));
    loop.adopted = counts.adopted;
    // What it said before it heard the question may be its last word before it was blocked.
    if (counts.answers === loop.question) {
      loop.isAsked = false;
      loop.isSilent = false;
    }
    if (counts.waiting > 0) this.#askOthers(id);
    this.#settle();
  }

  /** A connection, or the word that there is none, has come from a loop for another. @returns who gets it, or null. */
  handedOver(from: LoopId, to: LoopId, isThere: boolean): LoopId | null {
    const loop = this.#loops.get(to);
    if (loop !== undefined) {
      const left = (loop.granted.get(from) ?? 0) - 1;
      if (left > 0) loop.granted.set(from, left);
      else loop.granted.delete(from);
    }
    if (!isThere) return null;
    const receiver = loop === undefined ? this.#loopWithFewest() : to;
    const got = receiver === null ? undefined : this.#loops.get(receiver);
    if (got !== undefined) got.forwarded++;
    return receiver;
  }

  close(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
    this.#loops.clear();
  }

  #promisedBy(id: LoopId): number {
    let promised = 0;
    for (const { granted } of this.#loops.values()) promised += granted.get(id) ?? 0;
    return promised;
  }

  #askOthers(id: LoopId): void {
    for (const [other, loop] of this.#loops) {
      if (other === id || loop.isAsked || loop.isSilent) continue;
      loop.isAsked = true;
      loop.question++;
      this.#order(other, { type: "tellConnections", question: loop.question });
    }
    this.#deadline ??= setTimeout(() => this.#onDeadline(), answerWithinMs);
  }

  #onDeadline(): void {
    this.#deadline = null;
    for (const loop of this.#loops.values()) {
      if (loop.isAsked) loop.isSilent = true;
      loop.isAsked = false;
    }
    this.#settle();
  }

  /** Gives what is known to be too many to those that are known to have too few; ends what nobody is asked about any more. */
  #settle(): void {
    const answering = [...this.#loops].filter(([, loop]) => !loop.isSilent);
    const total = answering.reduce((sum, [, loop]) => sum + sizeOf(loop), 0);
    const share = Math.ceil(total / Math.max(1, answering.length));
    const fewest = Math.min(...answering.map(([, loop]) => sizeOf(loop)));
    for (const [id, loop] of answering) if (sizeOf(loop) <= share) this.#letKeep(id, loop, fewest);
    for (const [id, donor] of answering) this.#giveFrom(id, donor, share);
    if (answering.some(([, loop]) => loop.isAsked)) return;
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
    const fewestNow = Math.min(...answering.map(([, loop]) => sizeOf(loop)));
    for (const [id, loop] of this.#loops) this.#letKeep(id, loop, fewestNow);
  }

  #letKeep(id: LoopId, loop: Loop, fewest: number): void {
    const count = loop.waiting;
    if (count === 0) return;
    loop.toKeep += count;
    loop.waiting = 0;
    this.#order(id, { type: "keepConnections", count, fewest });
  }

  #giveFrom(id: LoopId, donor: Loop, share: number): void {
    for (const [to, taker] of this.#loops) {
      if (to === id || taker.isAsked || taker.isSilent) continue;
      const count = Math.min(donor.waiting, sizeOf(donor) - share, share - sizeOf(taker));
      if (count <= 0) continue;
      donor.waiting -= count;
      donor.open -= count;
      taker.granted.set(id, (taker.granted.get(id) ?? 0) + count);
      this.#order(id, { type: "giveConnections", to, count });
    }
  }

  #loopWithFewest(): LoopId | null {
    let fewest: { id: LoopId; size: number } | null = null;
    for (const [id, loop] of this.#loops) {
      if (fewest === null || sizeOf(loop) < fewest.size) fewest = { id, size: sizeOf(loop) };
    }
    return fewest?.id ?? null;
  }
}

/** The connections of a loop, with those that are on their way to it. */
function sizeOf({ open, adopted, forwarded, granted }: Loop): number {
  let size = open + forwarded - adopted;
  for (const count of granted.values()) size += count;
  return size;
}
