// How long the kernel had this thread wait for a CPU although it had something to do. On a machine with more to do than it
// can, a short handler takes long by the clock, and it is not the handler that blocks.
//
// Linux tells it for each thread (/proc/thread-self/schedstat: "time spent waiting on a runqueue",
// docs.kernel.org/scheduler/sched-stats.html). Reading it takes more than a microsecond, so it is read only after something
// took long, and then for a while before each part that is measured. Until it was read before and after, all the waiting
// since the last reading is taken off: a handler is blamed too late rather than wrongly. Where the kernel tells nothing,
// nothing is taken off.

import { closeSync, openSync } from "node:fs";
import { readNow } from "../write-now.ts";

/** Parts that are measured exactly after one took long. */
const watchedParts = 64;
const nsPerMs = 1e6;

export class RunDelay {
  readonly #read: () => number;
  #lastMs: number;
  #watchedLeft = 0;

  /** @param read Tells how long the thread has waited for a CPU so far, in milliseconds. */
  constructor(read: () => number) {
    this.#read = read;
    this.#lastMs = read();
  }

  /** A part that begins should be marked. */
  get isWatched(): boolean {
    return this.#watchedLeft > 0;
  }

  /** Something begins here that may turn out to take long. */
  mark(): void {
    if (this.#watchedLeft > 0) this.#watchedLeft--;
    this.#lastMs = this.#read();
  }

  /** What is left of a length of time that ends here once the waiting for a CPU since the last reading is taken off. */
  without(tookMs: number): number {
    const delayMs = this.#read();
    const left = tookMs - (delayMs - this.#lastMs);
    this.#lastMs = delayMs;
    this.#watchedLeft = watchedParts;
    return Math.max(0, left);
  }
}

/** Of the thread that calls it. */
export function openRunDelay(): RunDelay {
  const fd = open();
  if (fd === null) return new RunDelay(() => 0);
  const bytes = Buffer.alloc(128);
  return new RunDelay(() => {
    const length = readNow(fd, bytes, 0, bytes.length, 0);
    // Nanoseconds on a CPU, nanoseconds waiting for one, how often it got one.
    return Number(bytes.toString("latin1", 0, length).split(" ")[1] ?? 0) / nsPerMs;
  });
}

/** Null where there is no such file, or one that says nothing: in some sandboxes it does. */
function open(): number | null {
  let fd: number;
  try {
    fd = openSync("/proc/thread-self/schedstat", "r");
  } catch {
    return null;
  }
  const bytes = Buffer.alloc(128);
  try {
    const length = readNow(fd, bytes, 0, bytes.length, 0);
    if (/^\d+ \d+ \d+/.test(bytes.toString("latin1", 0, length))) return fd;
  } catch {
    // Not to be read by us.
  }
  closeSync(fd);
  return null;
}
