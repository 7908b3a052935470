// A Channel to a thread by rings in shared memory (ring.ts), one for each direction, and a message port for what they can't
// take: long pieces of bodies, and anything while a ring is full.
//
// Order is kept across both: the ring is written only when every message that went by the port has been received, and
// whoever receives one from the port empties the ring before it. A side that has found nothing for a turn of its loop
// sleeps, and is woken by an empty message on the port; while both are busy no system call passes between them.

import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { type Channel, postTo } from "./channel.ts";
import { boundOf, pack, unpack } from "./records.ts";
import { newRingMemory, RingReader, RingWriter } from "./ring.ts";

/** What two sides share, each with `incoming` and `outgoing` the other way round. */
export interface RingMemory {
  readonly outgoing: SharedArrayBuffer;
  readonly incoming: SharedArrayBuffer;
}

export function newRings(): RingMemory {
  return { outgoing: newRingMemory(), incoming: newRingMemory() };
}

export function otherSideOf({ outgoing, incoming }: RingMemory): RingMemory {
  return { outgoing: incoming, incoming: outgoing };
}

/** Longer records go by the port, which moves their pieces without a copy, so that a ring has room for many. */
const longestBytes = 16 * 1024;

/** Wakes a side that sleeps. */
const wakeUp = null;

export class RingChannel<Out extends object, In> implements Channel<Out, In> {
  onMessage: (message: In) => void = () => {};
  onClose: () => void = () => {};
  readonly #port: MessagePort;
  readonly #writer: RingWriter;
  readonly #reader: RingReader;
  /** Messages that went by the port, modulo 2^32. */
  #posted = 0;
  #isAwake = false;
  /** Something was sent quietly since the other side was woken last. */
  #isWakeDue = false;
  #isClosed = false;
  readonly #look = () => this.#lookAgain();

  constructor(port: MessagePort, { outgoing, incoming }: RingMemory) {
    this.#port = port;
    this.#writer = new RingWriter(outgoing);
    this.#reader = new RingReader(incoming);
    port.on("message", (message: In | typeof wakeUp) => {
      if (message === wakeUp) this.#wake();
      else this.#receivePosted(message);
    });
    port.once("close", () => {
      this.#isClosed = true;
      this.#receiveRecords();
      this.onClose();
    });
    this.#isAwake = true;
    setImmediate(this.#look);
  }

  send(message: Out): void {
    this.sendQuietly(message);
    this.wakeOther();
  }

  sendQuietly(message: Out): void {
    if (this.#isClosed) return;
    const bound = boundOf(message);
    const at = bound > longestBytes || this.#posted !== this.#writer.raised ? -1 : this.#writer.reserve(bound);
    if (at === -1) {
      this.#posted = (this.#posted + 1) | 0;
      postTo(this.#port, message);
      return;
    }
    this.#writer.publish(pack(message, this.#writer.bytes, at));
    this.#isWakeDue = true;
    // Nobody comes round in a turn: the sender is at a request of an earlier one, whose context no other is to have.
    if (!this.#isAwake) this.wakeOther();
  }

  wakeOther(): void {
    if (!this.#isWakeDue) return;
    this.#isWakeDue = false;
    if (!this.#isClosed && this.#writer.takeSleep()) this.#port.postMessage(wakeUp);
  }

  close(): void {
    this.#isClosed = true;
    this.#port.close();
  }

  receiveRest(): void {
    for (;;) {
      this.#receiveRecords();
      // Of a port that is closed, Node can't be asked: it would crash.
      if (this.#isClosed) return;
      const rest: { message: In | typeof wakeUp } | undefined = receiveMessageOnPort(this.#port);
      if (rest === undefined) {
        if (this.#reader.isEmpty) return;
      } else if (rest.message !== wakeUp) this.#receivePosted(rest.message);
      // It was told that this side is awake, so that it must be from now on.
      else this.#wake();
    }
  }

  async flushed(): Promise<void> {
    // What was sent is in memory that both sides have.
    this.wakeOther();
  }

  unref(): void {
    this.#port.unref();
  }

  #wake(): void {
    if (!this.#isAwake) {
      this.#isAwake = true;
      // Before anything is received: what runs then may have left the context of another request behind.
      setImmediate(this.#look);
    }
    this.#receiveRecords();
  }

  /** Sleeps after a turn in which nothing came. */
  #lookAgain(): void {
    this.wakeOther();
    if (this.#isClosed) return;
    if (this.#reader.isEmpty && this.#reader.sleep()) {
      this.#isAwake = false;
      return;
    }
    setImmediate(this.#look);
    this.#receiveRecords();
  }

  #receiveRecords(): void {
    for (let at = this.#reader.next(); at !== -1; at = this.#reader.next()) {
      const message = unpack(this.#reader.bytes, at, this.#reader.length);
      this.#reader.take();
      // The cast: the other side is of this server and version.
      if (message !== null) this.onMessage(message as In);
    }
  }

  #receivePosted(message: In): void {
    this.#receiveRecords();
    this.#reader.raise();
    this.onMessage(message);
  }
}
