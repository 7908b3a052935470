// Where chunks of whole lines go: a bounded buffer in front of a file descriptor, which a slow reader can't make anyone
// wait for.
//
// A chunk goes out in one write(2), or waits for its turn behind others, or is refused because the bound is reached. It is
// never torn: not by us, and on a pipe not by other writers, whose kernel takes 4096 bytes in one piece (POSIX, PIPE_BUF).
// Chunks are ASCII, so their length is their size.

import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import type SonicBoomModule from "sonic-boom";
import { writeNow } from "../write-now.ts";

export interface LineOutput {
  /** How long a chunk may be at most. */
  readonly chunkBytes: number;
  /** Bytes that were taken and are not written yet. */
  readonly unwrittenBytes: number;
  /** Whether the reader has gone away, for good. */
  readonly isGone: boolean;
  /** Takes a chunk. Returns false, and takes nothing, when the bound is reached or the reader is gone. */
  offer(chunk: string): boolean;
  /** Resolves when nothing is left to write, because it was written or because the reader is gone. */
  written(): Promise<void>;
  /** Writes what it can without waiting, for a process that ends now. */
  writeLast(chunk: string): void;
  /** Drops what is left, and frees what the output itself opened. `fd` stays open. */
  close(): void;
}

const pipeChunkBytes = 4096;
// Lines in a file are not torn, so there fewer and larger writes are better.
const fileChunkBytes = 64 * 1024;
// How long to leave a full pipe to its reader: a pipe's 64 KiB each millisecond is faster than any reader, and a reader
// that stands still is asked ever less often.
const shortestRetryMs = 1;
const longestRetryMs = 64;
const retryFailedAfterMs = 1_000;

/** Opens the output that suits a file descriptor, with room for `limitBytes` that were not written yet. */
export function openLineOutput({ fd, limitBytes }: { fd: number; limitBytes: number }): LineOutput {
  const stats = fstatSync(fd);
  const ownFd = stats.isFIFO() ? reopenWithoutBlocking(fd) : null;
  if (ownFd !== null) return pipeOutput({ fd: ownFd, limitBytes });
  const isPipe = stats.isFIFO() || stats.isSocket();
  return threadPoolOutput({ fd, limitBytes, chunkBytes: isPipe ? pipeChunkBytes : fileChunkBytes });
}

/**
 * The same pipe through a file description of our own, so that O_NONBLOCK holds for us alone and not for everybody who
 * shares stdout. Linux does this by way of /proc; null where that is not possible.
 */
function reopenWithoutBlocking(fd: number): number | null {
  if (process.platform !== "linux") return null;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    // No /proc, or a pipe that belonged to another user before we dropped our rights: the other output serves as well.
    return null;
  }
}

/**
 * Writes to a pipe from the event loop itself. A write that can't block takes 3 µs; the same by way of the thread pool
 * takes 10 µs of the loop's time (4096 bytes, Node 26), which at 50,000 requests a second is 3 % of it.
 */
function pipeOutput({ fd, limitBytes }: { fd: number; limitBytes: number }): LineOutput {
  const queue: string[] = [];
  let unwrittenBytes = 0;
  let isGone = false;
  let retryMs = shortestRetryMs;
  let timer: NodeJS.Timeout | null = null;
  let settleWritten: (() => void)[] = [];

  /** Returns whether the chunk is dealt with: written, or beyond writing. False: the pipe is full. */
  function tryWrite(chunk: string): boolean {
    try {
      // Up to 4096 bytes go whole or not at all, so there is no rest to keep.
      writeNow(fd, chunk, null, "latin1");
      return true;
    } catch (error) {
      if (isErrno(error, "EAGAIN")) return false;
      isGone = true;
      return true;
    }
  }

  function drainQueue(): void {
    timer = null;
    let done = 0;
    while (done < queue.length && !isGone && tryWrite(queue[done]!)) unwrittenBytes -= queue[done++]!.length;
    queue.splice(0, isGone ? queue.length : done);
    if (isGone) unwrittenBytes = 0;
    if (queue.length > 0) {
      retryMs = done > 0 ? shortestRetryMs : Math.min(retryMs * 2, longestRetryMs);
      timer = setTimeout(drainQueue, retryMs).unref();
    } else {
      for (const settle of settleWritten) settle();
      settleWritten = [];
    }
  }

  return {
    chunkBytes: pipeChunkBytes,
    get unwrittenBytes() {
      return unwrittenBytes;
    },
    get isGone() {
      return isGone;
    },
    offer(chunk) {
      if (isGone) return false;
      if (queue.length === 0 && tryWrite(chunk)) return !isGone;
      if (unwrittenBytes + chunk.length > limitBytes) return false;
      queue.push(chunk);
      unwrittenBytes += chunk.length;
      timer ??= setTimeout(drainQueue, retryMs).unref();
      return true;
    },
    written() {
      return queue.length === 0 ? Promise.resolve() : new Promise((resolve) => settleWritten.push(resolve));
    },
    writeLast(chunk) {
      drainQueue();
      if (queue.length === 0 && !isGone) tryWrite(chunk);
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      queue.length = 0;
      unwrittenBytes = 0;
      isGone = true;
      closeSync(fd);
    },
  };
}

/** Writes to anything else (a file, a terminal, a socket) through SonicBoom, pino's own writer, on the thread pool. */
function threadPoolOutput(options: { fd: number; limitBytes: number; chunkBytes: number }): LineOutput {
  const { fd, limitBytes, chunkBytes } = options;
  // Loaded here because a server whose stdout is a pipe has no use for it. require() has no types; this is the package's own.
  const { SonicBoom } = createRequire(import.meta.url)("sonic-boom") as typeof SonicBoomModule;
  // maxWrite: SonicBoom puts queued chunks together up to this size, and never takes one apart.
  const boom = new SonicBoom({ fd, sync: false, maxWrite: chunkBytes });
  let unwrittenBytes = 0;
  let isGone = false;

  boom.on("write", (writtenBytes: number) => {
    unwrittenBytes -= writtenBytes;
  });
  boom.on("error", (error: unknown) => {
    if (isErrno(error, "EPIPE")) {
      isGone = true;
      unwrittenBytes = 0;
      boom.emit("drain");
    } else {
      // A full disk may have room again: SonicBoom keeps the chunk, and an empty write makes it try once more.
      setTimeout(() => !isGone && boom.write(""), retryFailedAfterMs).unref();
    }
  });

  return {
    chunkBytes,
    get unwrittenBytes() {
      return unwrittenBytes;
    },
    get isGone() {
      return isGone;
    },
    offer(chunk) {
      if (isGone || unwrittenBytes + chunk.length > limitBytes) return false;
      unwrittenBytes += chunk.length;
      boom.write(chunk);
      return true;
    },
    written() {
      return unwrittenBytes === 0 ? Promise.resolve() : new Promise((resolve) => boom.once("drain", resolve));
    },
    writeLast(chunk) {
      // While a write is under way, the reader may be slow, and a write here would wait for it.
      if (unwrittenBytes > 0 || isGone) return;
      try {
        writeNow(fd, chunk, null, "latin1");
      } catch {
        // The process is ending and its stdout does not take the lines: there is nobody left to tell.
      }
    },
    close() {
      isGone = true;
    },
  };
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
