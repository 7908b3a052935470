// The greenlets whose slice was over, in the order in which they go on.
//
// One of them goes on in each turn of the event loop, for one slice. So whatever the loop has to do comes first each
// time, requests that have just come in too, and of those that hog, each gets the same share. (Round robin; L. Kleinrock,
// "Time-shared systems: a theoretical treatment", JACM 14(2), 1967: short jobs gain what long ones lose.)
//
// A greenlet that has just started to hog has had its first slice in the same turn, where it was started. Then nobody else
// goes on in that turn: two slices in one turn are what the slowest of the short requests would wait for.

/** So that those who wait go on at last, however many start to hog. */
const mostTurnsLeftOut = 4;

export class PreemptedQueue<T> {
  readonly #resume: (task: T) => void;
  #waiting: T[] = [];
  /** Where the next one is in `#waiting`; what lies before has gone. */
  #next = 0;
  #isScheduled = false;
  /** Whether one has come since the last turn in which one went on. */
  #hasNewcomer = false;
  #turnsLeftOut = 0;

  constructor(resume: (task: T) => void) {
    this.#resume = resume;
  }

  get size(): number {
    return this.#waiting.length - this.#next;
  }

  /** Those that are to go on, in their order. */
  get members(): T[] {
    return this.#waiting.slice(this.#next);
  }

  add(task: T): void {
    this.#waiting.push(task);
    this.#hasNewcomer = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.size === 0) return;
    this.#isScheduled = true;
    setImmediate(this.#resumeNext);
  }

  readonly #resumeNext = (): void => {
    this.#isScheduled = false;
    if (this.#hasNewcomer && this.#turnsLeftOut < mostTurnsLeftOut) {
      this.#hasNewcomer = false;
      this.#turnsLeftOut++;
      this.#schedule();
      return;
    }
    this.#turnsLeftOut = 0;
    const task = this.#take();
    this.#schedule();
    this.#resume(task);
    // If it is back, that was no newcomer.
    this.#hasNewcomer = false;
  };

  #take(): T {
    // Only scheduled while one is waiting.
    const task = this.#waiting[this.#next++] as T;
    if (this.#next > 64 && this.#next > this.#waiting.length / 2) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    return task;
  }
}
