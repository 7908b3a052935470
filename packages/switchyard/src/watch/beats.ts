// What a watched loop and whoever watches it share: three numbers in memory.

/** Shared, as an `Int32Array`: the number that the loop raises, and the two below. */
export type Beats = Int32Array<SharedArrayBuffer>;

const count = 0;
const untilHeld = 1;
const loading = 2;

export function newBeats(): Beats {
  return new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
}

export function beat(beats: Beats): void {
  Atomics.add(beats, count, 1);
}

export function beatOf(beats: Beats): number {
  return Atomics.load(beats, count);
}

/** For how many looks the beat may stand still; 0 before the first. */
export function untilHeldOf(beats: Beats): number {
  return Atomics.load(beats, untilHeld);
}

export function isLoading(beats: Beats): boolean {
  return Atomics.load(beats, loading) !== 0;
}

/** What counts from now on: how long the loop may be held, and whether that is while it loads its application. */
export function setLimit(beats: Beats, { looks, whileLoading }: { looks: number; whileLoading: boolean }): void {
  Atomics.store(beats, loading, whileLoading ? 1 : 0);
  Atomics.store(beats, untilHeld, looks);
  // Whoever watches takes the new limit with the next beat.
  beat(beats);
}
