// Work that holds the CPU: integer arithmetic that an optimiser can't leave out, since its result is the answer.

export function work(rounds) {
  let state = 1;
  for (let i = 0; i < rounds; i++) state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
  return state;
}

/** How many rounds take this many milliseconds here, by the quickest of several tries. */
export function roundsFor(milliseconds) {
  const tried = 5_000_000;
  work(tried);
  let quickestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 7; i++) {
    const beganMs = performance.now();
    work(tried);
    quickestMs = Math.min(quickestMs, performance.now() - beganMs);
  }
  return Math.round((tried / quickestMs) * milliseconds);
}
