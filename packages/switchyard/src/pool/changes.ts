// Changes to a running server, one at a time, in the order in which they were asked for.
//
// Reloads are joined: whoever asks while one runs gets the one that follows it, so that a file that was written before
// anybody asked is always in the reload that they get, and a hundred impatient callers cause one more and not a hundred.

export class Changes {
  #last: Promise<unknown> = Promise.resolve();
  #nextReload: Promise<void> | null = null;
  #current: string | null = null;

  /** What is being done now, in a word, or null. */
  get current(): string | null {
    return this.#current;
  }

  /** Does it when those before it are done, whether they succeeded or not. */
  run(name: string, action: () => Promise<void>): Promise<void> {
    const result = this.#last.then(async () => {
      this.#current = name;
      try {
        await action();
      } finally {
        this.#current = null;
      }
    });
    this.#last = result.catch(() => {});
    return result;
  }

  reload(action: () => Promise<void>): Promise<void> {
    this.#nextReload ??= this.run("reload", () => {
      this.#nextReload = null;
      return action();
    });
    return this.#nextReload;
  }
}
