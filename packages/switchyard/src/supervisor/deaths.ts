// The workers that died: how many of each cause, and the last of them.

import { type DeathKind, type DeathReport, deathKinds } from "../metrics/snapshot.ts";

/** How many are kept for people to look at. */
const keptDeaths = 50;

export class Deaths {
  #recent: DeathReport[] = [];
  // Each kind is among the keys, by the list that they are made from.
  readonly #counts = Object.fromEntries(deathKinds.map((kind) => [kind, 0])) as Record<DeathKind, number>;

  /** The latest last. */
  get recent(): readonly DeathReport[] {
    return this.#recent;
  }

  get counts(): Readonly<Record<DeathKind, number>> {
    return this.#counts;
  }

  add(death: DeathReport): void {
    this.#counts[death.kind]++;
    this.#recent = [...this.#recent, death].slice(-keptDeaths);
  }
}
