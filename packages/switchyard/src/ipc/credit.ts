// Credit holds a body back while the other side has not taken what it was sent: at most `windowBytes` of each body are on
// their way or waiting in the receiver, so a slow reader makes its sender wait and memory stays flat.

/** How much of one body may be sent before the receiver has taken any of it, in bytes. */
export const windowBytes = 256 * 1024;

/** How much of a body may be sent while its request is queued, so that a full queue holds little. */
export const firstWindowBytes = 16 * 1024;

/** The sender's side. */
export class Outstanding {
  #bytes = 0;
  #window: number;

  constructor(window = windowBytes) {
    this.#window = window;
  }

  /** From now on the whole window is open. @returns whether there is room for more. */
  widen(): boolean {
    this.#window = windowBytes;
    return this.#bytes < this.#window;
  }

  /** Counts what was sent. @returns whether there is room for more. */
  sent(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes < this.#window;
  }

  /** Counts what the receiver has taken. @returns whether there is room for more. */
  credited(bytes: number): boolean {
    this.#bytes -= bytes;
    return this.#bytes < this.#window;
  }
}

/** The receiver's side: gathers what was taken, so that one message gives credit for many pieces. */
export class Taken {
  #bytes = 0;

  /** @returns the credit to send now, or 0 while it is not worth a message. */
  add(bytes: number): number {
    this.#bytes += bytes;
    if (this.#bytes < windowBytes / 4) return 0;
    const credit = this.#bytes;
    this.#bytes = 0;
    return credit;
  }
}

export function byteLength(piece: Uint8Array | string): number {
  return typeof piece === "string" ? Buffer.byteLength(piece) : piece.length;
}
