// Timers of any length.
//
// Node's own end at 2^31 - 1 ms (25 days), and one that is set for longer fires at once.

const longestMs = 2 ** 31 - 1;

/** Calls back once after `ms` milliseconds, also where that is for ever. Returns what stops it. */
export function startTimer(ms: number, callback: () => void): () => void {
  if (ms <= longestMs) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  }
  let timer: NodeJS.Timeout;
  const wait = (leftMs: number) => {
    timer = leftMs > longestMs ? setTimeout(wait, longestMs, leftMs - longestMs) : setTimeout(callback, leftMs);
  };
  wait(ms);
  return () => clearTimeout(timer);
}
