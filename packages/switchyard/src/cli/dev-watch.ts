// Watches the files that an application was loaded from, and tells once when some of them have changed.
//
// Folders are watched and not files, since an editor that saves writes another file and gives it the name. In such a
// folder, a file that was loaded counts, and any other that holds code, for it may be the one that was missing. What else
// an application keeps beside its code (data, logs) may change as often as it likes.

import { type FSWatcher, watch } from "node:fs";
import { basename, dirname, extname, join } from "node:path";

const codeEndings = new Set([".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx", ".env"]);
/** How long nothing more must change before it is told, in milliseconds: a save may be several changes. */
const quietMs = 100;

export class LoadedFiles {
  readonly #onChange: (file: string) => void;
  readonly #onFailure: (error: Error, folder: string) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #files: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | null = null;

  constructor(handlers: { onChange: (file: string) => void; onFailure: (error: Error, folder: string) => void }) {
    this.#onChange = handlers.onChange;
    this.#onFailure = handlers.onFailure;
  }

  /** Watches these from now on, and those before no more. */
  watch(files: ReadonlySet<string>): void {
    this.#files = files;
    const folders = new Set([...files].map((file) => dirname(file)));
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#open(folder);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #open(folder: string): void {
    try {
      const watcher = watch(folder, (_event, name) => {
        if (name !== null && this.#counts(folder, name)) this.told(join(folder, name));
      });
      watcher.on("error", (error) => this.#onFailure(error, folder));
      this.#watchers.set(folder, watcher);
    } catch (error) {
      // The folder has gone, or the system watches as many as it can.
      this.#onFailure(error as Error, folder);
    }
  }

  #counts(folder: string, name: string): boolean {
    if (this.#files.has(join(folder, name))) return true;
    const ending = name.startsWith(".env") ? ".env" : extname(name);
    return codeEndings.has(ending) && !basename(name).startsWith(".#");
  }

  /** A file has changed, whoever says so. */
  told(file: string): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#onChange(file);
    }, quietMs);
  }
}
