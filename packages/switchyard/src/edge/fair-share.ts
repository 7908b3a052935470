// A loop worker's share of the connections: it begins those that are its own, and offers the others to loops with fewer.
//
// A burst of connections goes to whichever loop comes round to the listening socket first, because libuv accepts until there
// is none left. So before a loop reads anything of a connection, it looks at how many it has. More than a quarter above the
// loop with the fewest, and it keeps the connection unread and tells the supervisor, which asks the other loops how many they
// have and answers who gets how many (pool/connection-shares.ts). Only a loop that answers is given any, so a blocked
// one is not. A connection that nobody takes in time is begun here: it waits `keepAfterMs` at most.
//
// Where connections close as fast as they come, they even out by themselves, and handing them on would cost more than it
// is worth: a loop may have as many more as it closed in the last second.

import type { Socket } from "node:net";
import { nowMs } from "../clock.ts";
import type { ConnectionCounts } from "../ipc/messages.ts";

/** What passes between a loop and the supervisor about connections. */
export interface ShareLine {
  tell(counts: ConnectionCounts): void;
  /** Gives a connection away, or says that there was none to give. Resolves when it has left this process. */
  handOver(to: number, connection: Socket | null): Promise<void>;
  /** Asks to be told by `settled` when no connection that was handed over is on its way any more. */
  tellLast(): void;
}

/** How long a connection waits for another loop, in milliseconds, should the supervisor not answer. */
const keepAfterMs = 500;
/** How long it is believed how many connections the other loops have, in milliseconds. */
const believeMs = 1_000;
/** How many times as many connections as the loop with the fewest a loop may have, and how many more than that. */
const ratio = 1.25;
const slack = 2;

export class FairShare {
  readonly #line: ShareLine;
  readonly #begin: (socket: Socket) => void;
  /** Unread connections, the oldest first. */
  readonly #waiting = new Set<Socket>();
  #begun = 0;
  #adopted = 0;
  #kept = 0;
  /** The fewest connections that another loop had, and when that was said. */
  #fewest = { count: 0, atMs: Number.NEGATIVE_INFINITY };
  #closed = { inSecond: 0, before: 0, secondEndsMs: 0 };
  #deadline: NodeJS.Timeout | null = null;
  #isTelling = false;
  #lastQuestion = 0;
  /** Nobody has asked how many connections there are here, so there is no other loop. */
  #isAlone = true;
  #hasEnded = false;
  readonly #settled = Promise.withResolvers<void>();

  /** @param begin Lets the server that accepted it, or another, read the connection. */
  constructor(line: ShareLine, begin: (socket: Socket) => void) {
    this.#line = line;
    this.#begin = begin;
  }

  /** A connection that was accepted a moment ago, and of which nothing was read. */
  accept(socket: Socket): void {
    if (this.#isAlone || this.#hasEnded) {
      this.#start(socket);
      return;
    }
    const now = nowMs();
    const fewest = now - this.#fewest.atMs > believeMs ? 0 : this.#fewest.count;
    if (this.#waiting.size === 0 && this.#begun < fewest * ratio + slack + this.#closedLately(now)) {
      this.#start(socket);
      return;
    }
    this.#wait(socket);
    this.#deadline ??= setTimeout(() => this.#keepAll(), keepAfterMs);
    if (this.#isTelling) return;
    this.#isTelling = true;
    // Those of the same burst are told of together.
    setImmediate(() => {
      this.#isTelling = false;
      if (this.#waiting.size > 0) this.#tell();
    });
  }

  /** A connection that another loop had accepted. */
  adopt(socket: Socket): void {
    this.#adopted++;
    this.#start(socket);
  }

  /** The supervisor asks how many connections there are here. */
  answer(question: number): void {
    this.#isAlone = false;
    this.#lastQuestion = question;
    this.#tell();
  }

  #tell(): void {
    const waiting = this.#waiting.size;
    const counts = { open: this.#begun + waiting, waiting, kept: this.#kept, adopted: this.#adopted };
    this.#line.tell({ ...counts, answers: this.#lastQuestion });
  }

  /** Gives as many to another loop; where clients have left meanwhile, it says for each that there is none. */
  give(to: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const [socket] = this.#waiting;
      if (socket === undefined) {
        void this.#line.handOver(to, null);
        continue;
      }
      this.#waiting.delete(socket);
      // The other process has a descriptor of its own by then, so closing this one tells the client nothing.
      void this.#line.handOver(to, socket).then(() => socket.destroy());
    }
    this.#forgetDeadline();
  }

  /** Begins as many of those that wait. @param fewest how many connections the loop with the fewest has. */
  keep(count: number, fewest: number): void {
    this.#fewest = { count: fewest, atMs: nowMs() };
    this.#kept += count;
    this.#startWaiting(count);
  }

  /**
   * This loop hands over no more. Resolves when each connection that it has handed over has come to a loop: back to this one, if
   * the other accepts no more either, so it must not end before.
   */
  end(): Promise<void> {
    this.#hasEnded = true;
    this.#keepAll();
    if (this.#isAlone) return Promise.resolve();
    this.#line.tellLast();
    return this.#settled.promise;
  }

  settled(): void {
    this.#settled.resolve();
  }

  /** Begins what waits, because nobody says what to do, or this loop hands over no more. */
  #keepAll(): void {
    this.#startWaiting(this.#waiting.size);
  }

  #startWaiting(count: number): void {
    for (const socket of [...this.#waiting].slice(0, count)) {
      this.#waiting.delete(socket);
      this.#start(socket);
      readOn(socket);
    }
    this.#forgetDeadline();
  }

  #start(socket: Socket): void {
    this.#begun++;
    socket.once("close", () => {
      this.#begun--;
      this.#countClose();
    });
    this.#begin(socket);
  }

  #wait(socket: Socket): void {
    holdUnread(socket);
    this.#waiting.add(socket);
    socket.once("close", () => this.#waiting.delete(socket));
    socket.on("error", ignore);
  }

  #forgetDeadline(): void {
    if (this.#waiting.size > 0 || this.#deadline === null) return;
    clearTimeout(this.#deadline);
    this.#deadline = null;
  }

  #countClose(): void {
    this.#turnSecond(nowMs());
    this.#closed.inSecond++;
  }

  #closedLately(now: number): number {
    this.#turnSecond(now);
    return Math.max(this.#closed.inSecond, this.#closed.before);
  }

  #turnSecond(now: number): void {
    const closed = this.#closed;
    if (now < closed.secondEndsMs) return;
    const isNext = now < closed.secondEndsMs + 1_000;
    this.#closed = { inSecond: 0, before: isNext ? closed.inSecond : 0, secondEndsMs: now + 1_000 };
  }
}

/** What reads a connection. */
interface ReadHandle {
  reading: boolean;
  readStart(): number;
  readStop(): number;
}

/**
 * Nothing has been read of a connection that was accepted in this turn of the loop; now nothing will be. A pause of the
 * socket would come too late, because it has asked for the first bytes already, and would take them.
 */
function holdUnread(socket: Socket): void {
  const handle = handleOf(socket);
  if (handle === null) return;
  handle.reading = false;
  handle.readStop();
}

function readOn(socket: Socket): void {
  const handle = handleOf(socket);
  if (handle === null || handle.reading) return;
  handle.reading = true;
  handle.readStart();
}

/** Node keeps it on the socket, and no public name leads to it. */
function handleOf(socket: Socket): ReadHandle | null {
  return (socket as unknown as { readonly _handle: ReadHandle | null })._handle;
}

/** A client that resets its connection while it waits: it is closed, and `close` tells. */
function ignore(): void {}
