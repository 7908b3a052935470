// Lets a program in a worker thread change the working folder, as many do in their first line (Next's standalone server).
//
// Node refuses process.chdir() in threads, for the folder belongs to the whole process. But the process around our threads
// runs no program of its own, and all of them run the same one: so the thread asks its host to do it, and waits. While the
// threads load, their host is free; should it not answer, the program gets Node's own error.

import { statSync } from "node:fs";
import { resolve } from "node:path";

/** A thread's wish; the host writes what became of it into `outcome` and wakes it. */
export interface FolderChange {
  readonly type: "chdir";
  readonly folder: string;
  readonly outcome: Int32Array;
}

const done = 1;
const refused = 2;
/** How long a thread waits for its host, in milliseconds. */
const waitMs = 10_000;

/** In the thread: puts a process.chdir() in place that asks. */
export function askForFolderChanges(ask: (change: FolderChange) => void): void {
  const inNode = process.chdir;
  process.chdir = function chdir(directory: string): void {
    const folder = resolve(directory);
    if (folder === process.cwd()) return;
    if (!statSync(folder).isDirectory()) throw notDirectory(folder);
    const outcome = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    ask({ type: "chdir", folder, outcome });
    Atomics.wait(outcome, 0, 0, waitMs);
    if (Atomics.load(outcome, 0) !== done) inNode.call(process, directory);
  };
}

/** In the host, whose folder is that of its threads. */
export function changeFolder({ folder, outcome }: FolderChange): void {
  let became = refused;
  try {
    process.chdir(folder);
    became = done;
  } catch {
    // The thread's program gets an error, and it is the program's to handle.
  }
  Atomics.store(outcome, 0, became);
  Atomics.notify(outcome, 0);
}

function notDirectory(folder: string): Error {
  const message = `ENOTDIR: not a directory, chdir '${process.cwd()}' -> '${folder}'`;
  return Object.assign(new Error(message), { code: "ENOTDIR", syscall: "chdir", path: process.cwd(), dest: folder });
}
