// How many greenlets are alive, and how many may be.
//
// Counts from start to end, whether or not a greenlet has a stack yet, so that the bound is met when one is started and
// not at some later moment.

import { addon } from "./addon.ts";
import { GreenletError } from "./errors.ts";

/** @internal A place in the ring of what is alive. */
export interface Link {
  member: Admitted | null;
  previous: Link;
  next: Link;
}

/** What is counted: it holds its place, so that leaving costs no search. */
export interface Admitted {
  admission: Link | null;
}

function newRing(): Link {
  // A ring of one: it is its own neighbour, which can't be written in one expression.
  const ring = { member: null } as unknown as Link;
  ring.previous = ring;
  ring.next = ring;
  return ring;
}

const hidden: Admitted = { admission: null };

class HubLimits {
  #live = 0;
  #mostSeen = 0;
  #started = 0;
  #max: number | null = null;
  /** Heads a ring of everything that is alive, oldest first: linked, because a set costs more than a switch does. */
  readonly #ring: Link = newRing();

  get live(): number {
    return this.#live;
  }

  get mostSeen(): number {
    return this.#mostSeen;
  }

  get started(): number {
    return this.#started;
  }

  get max(): number {
    this.#max ??= addon().stackLimit;
    return this.#max;
  }

  set max(count: number) {
    if (!Number.isInteger(count) || count < 1) {
      throw new GreenletError("ERR_INVALID_ARGUMENT", {
        saw: `hub.maxGreenlets was set to ${count}, and it must be a whole number, 1 or more.`,
        fix: `Set it to what the machine bears, at most ${addon().stackLimit}.`,
      });
    }
    this.#max = Math.min(count, addon().stackLimit);
  }

  /** @throws {GreenletError} `ERR_TOO_MANY_GREENLETS`, and `ERR_ADDON_UNAVAILABLE` at the first use. */
  admit(member: Admitted): void {
    if (this.#live >= this.max) {
      throw new GreenletError("ERR_TOO_MANY_GREENLETS", {
        saw: `${this.#live} greenlets are alive in this thread, and hub.maxGreenlets is ${this.max}.`,
        fix: "Start fewer at once, or raise hub.maxGreenlets where the machine bears more.",
      });
    }
    this.#started++;
    this.#live++;
    if (this.#live > this.#mostSeen) this.#mostSeen = this.#live;
    const ring = this.#ring;
    const link: Link = { member, previous: ring.previous, next: ring };
    ring.previous.next = link;
    ring.previous = link;
    member.admission = link;
  }

  leave(member: Admitted): void {
    this.#live--;
    const link = member.admission;
    if (link === null) return;
    link.previous.next = link.next;
    link.next.previous = link.previous;
    member.admission = null;
  }

  /** Calls `look` while the ring leads to none of its members: what others have hold of is then told from what it has. */
  withMembersHidden<T>(look: (members: readonly Admitted[]) => T): T {
    const members = this.members();
    for (const { admission } of members) if (admission !== null) admission.member = hidden;
    try {
      return look(members);
    } finally {
      for (const member of members) if (member.admission !== null) member.admission.member = member;
    }
  }

  /** Everything that is alive, in the order in which it was started. */
  members(): Admitted[] {
    const all: Admitted[] = [];
    for (let link = this.#ring.next; link.member !== null; link = link.next) all.push(link.member);
    return all;
  }
}

export const hubLimits = new HubLimits();
