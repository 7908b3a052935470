// The JSON lines that a process prints, as they come.

import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { patiently } from "./patience.ts";

export type Line = Readonly<Record<string, unknown>>;

export class Lines {
  readonly all: Line[] = [];
  readonly #watchers = new Set<(line: Line) => void>();

  constructor(output: Readable) {
    createInterface({ input: output }).on("line", (text) => this.#add(text));
  }

  /** The first line, past or to come, that fits. */
  waitFor(fits: (line: Line) => boolean): Promise<Line> {
    const past = this.all.find(fits);
    if (past !== undefined) return Promise.resolve(past);
    const coming = new Promise<Line>((resolve) => {
      const watcher = (line: Line) => {
        if (!fits(line)) return;
        this.#watchers.delete(watcher);
        resolve(line);
      };
      this.#watchers.add(watcher);
    });
    return patiently(coming, () => this.all);
  }

  #add(text: string): void {
    if (!text.startsWith("{")) return;
    const line: Line = JSON.parse(text);
    this.all.push(line);
    for (const watcher of this.#watchers) watcher(line);
  }
}
