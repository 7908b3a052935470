// A ring of records in shared memory, from one writing thread to one reading thread: what a message port does, for about a
// tenth of its cost, since nothing is serialized, allocated or locked.
//
// A record is published whole, by one atomic store after all of it was written, so a writer that is killed at any moment
// leaves whole records or nothing. A reader that has nothing to do says so by `sleep`; whoever writes next is told by
// `takeSleep` to wake it, once. The order of the three steps makes sure that no record is missed (Dekker's: each side stores
// its own word before it loads the other's; Atomics are sequentially consistent, ECMA-262 §29).

const writtenAt = 0;
const readAt = 1;
const sleeping = 2;
/** For the channel's own use: see ring-channel.ts. */
const counted = 3;
const words = 16;

const lengthBytes = 4;
/** In place of a length: the rest of the ring is left empty, and the next record is at its start. */
const wrap = 0xffffffff;

/** How much one ring holds, in bytes; a power of two. */
export const ringBytes = 64 * 1024;

export function newRingMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT + ringBytes);
}

abstract class RingEnd {
  protected readonly words: Int32Array;
  readonly bytes: Buffer;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory, 0, words);
    this.bytes = Buffer.from(memory, words * Int32Array.BYTES_PER_ELEMENT, ringBytes);
  }
}

export class RingWriter extends RingEnd {
  /** Where the next record begins: bytes since the beginning of the ring's life, modulo 2^32. */
  #at = 0;

  /** How often the reader has raised its number. */
  get raised(): number {
    return Atomics.load(this.words, counted);
  }

  /** @returns where to write a record of at most `bytes` bytes, or -1: there is no room now. */
  reserve(bytes: number): number {
    const needed = lengthBytes + aligned(bytes);
    const used = (this.#at - Atomics.load(this.words, readAt)) >>> 0;
    const from = this.#at & (ringBytes - 1);
    const toEnd = ringBytes - from;
    if (toEnd >= needed) return used + needed <= ringBytes ? from + lengthBytes : -1;
    if (used + toEnd + needed > ringBytes) return -1;
    this.bytes.writeUInt32LE(wrap, from);
    this.#at = (this.#at + toEnd) | 0;
    return lengthBytes;
  }

  /** Hands what was written at the place that was reserved last to the reader, who may sleep. */
  publish(bytes: number): void {
    this.bytes.writeUInt32LE(bytes, this.#at & (ringBytes - 1));
    this.#at = (this.#at + lengthBytes + aligned(bytes)) | 0;
    Atomics.store(this.words, writtenAt, this.#at);
  }

  /** @returns whether the reader sleeps, and the caller is the one to wake it. */
  takeSleep(): boolean {
    return Atomics.load(this.words, sleeping) === 1 && Atomics.exchange(this.words, sleeping, 0) === 1;
  }
}

export class RingReader extends RingEnd {
  #at = 0;
  /** Of the record that `next` has found. */
  length = 0;

  get isEmpty(): boolean {
    return Atomics.load(this.words, writtenAt) === this.#at;
  }

  /** @returns where the next record is, `length` bytes long, or -1 when there is none. It stays until `take`. */
  next(): number {
    if (this.isEmpty) return -1;
    let from = this.#at & (ringBytes - 1);
    if (this.bytes.readUInt32LE(from) === wrap) {
      this.#at = (this.#at + ringBytes - from) | 0;
      from = 0;
    }
    this.length = this.bytes.readUInt32LE(from);
    return from + lengthBytes;
  }

  /** Its place may be written again. */
  take(): void {
    this.#at = (this.#at + lengthBytes + aligned(this.length)) | 0;
    Atomics.store(this.words, readAt, this.#at);
  }

  /** From now on the writer wakes this side. @returns `false`, and it does not, when there is a record already. */
  sleep(): boolean {
    Atomics.store(this.words, sleeping, 1);
    if (this.isEmpty) return true;
    Atomics.store(this.words, sleeping, 0);
    return false;
  }

  /** Raises the number that the writer looks at. */
  raise(): void {
    Atomics.add(this.words, counted, 1);
  }
}

/** Records begin at multiples of four, so that a length is never cut by the end. */
function aligned(bytes: number): number {
  return (bytes + 3) & ~3;
}
