// The folder of the sockets by which loop workers reach the pool: made when the first is needed, removed when the server ends.
//
// A server that was killed with all of its processes leaves it behind. Its name says whose it is, so the next server that makes
// one removes those whose owner is gone.

import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";

/** A path of a UNIX socket has 108 bytes on Linux and 104 on macOS, the names of folder and socket among them. */
const longestBaseBytes = 65;

export class LinkFolder {
  #path: string | null = null;
  #count = 0;

  /** A path for another socket. */
  next(): string {
    this.#path ??= make();
    return join(this.#path, String(++this.#count));
  }

  remove(): void {
    if (this.#path !== null) rmSync(this.#path, { recursive: true, force: true });
  }
}

function make(): string {
  const base = Buffer.byteLength(tmpdir()) > longestBaseBytes ? "/tmp" : tmpdir();
  removeLeft(base);
  // Node makes it with mode 0700.
  return mkdtempSync(join(base, `${ownPrefix()}${process.pid}-`));
}

/** Containers may share the folder, and not the numbers of their processes; they have names of their own. */
function ownPrefix(): string {
  return `switchyard-${createHash("sha256").update(hostname()).digest("hex").slice(0, 4)}-`;
}

/** Removes what servers on this host have left there that are gone. */
function removeLeft(base: string): void {
  const name = new RegExp(`^${ownPrefix()}(\\d+)-[A-Za-z0-9]{6}$`);
  for (const entry of readdirSync(base)) {
    const owner = name.exec(entry)?.[1];
    if (owner === undefined || !isGone(Number(owner))) continue;
    try {
      rmSync(join(base, entry), { recursive: true, force: true });
    } catch {
      // Another user's.
    }
  }
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // EPERM: it runs, as another user.
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
