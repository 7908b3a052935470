// Time, for everything that measures a length of it. Nothing else in this package reads a clock, so that a calculation can
// be given any moment by its test.

/** Milliseconds on a clock that only goes forward, with a fraction. It starts at an arbitrary point in each process. */
export function nowMs(): number {
  return performance.now();
}

/** The date for logs and headers, in milliseconds since 1970. It may jump; never measure a length with it. */
export function wallMs(): number {
  return Date.now();
}

/**
 * How long this thread's event loop has waited with nothing to do since it began, in milliseconds. What `nowMs` gained and
 * this did not, the loop was busy.
 */
export function loopIdleMs(): number {
  return performance.nodeTiming.idleTime;
}

/** The machine's own clock that only goes forward (CLOCK_MONOTONIC), in whole microseconds: what systemd compares with. */
export function monotonicUsec(): bigint {
  return process.hrtime.bigint() / 1_000n;
}
