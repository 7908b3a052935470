// The socket that an application sees when its request came as messages and not over a connection of its own.
//
// It has what programs use of a net.Socket: addresses, timeouts, `destroy`, `bytesWritten`, events. What ServerResponse
// writes to it goes to `onWrite`. One is made for each request, because programs hang things on `request.socket` that
// another client must not find there.
//
// Node keeps a closure of each Duplex where V8 allocates it in the old generation, so that the socket, and all that it leads
// to, outlives its request until the next collection of everything. So it leads to nothing once its owner is done with it.

import { Duplex } from "node:stream";
import type { Endpoint } from "../ipc/messages.ts";

export interface SocketOwner {
  /** Takes what the response writes; `done` is called when more may come. */
  onWrite(data: string | Uint8Array, encoding: BufferEncoding, done: () => void): void;
  /** The request's body is wanted. */
  onWant(): void;
  /** The socket has emptied what was written to it. */
  onDrain(): void;
  onClose(): void;
  /** No data has passed for the time that the program set with setTimeout. @returns whether anybody listened. */
  onTimeout(): boolean;
}

export class ExchangeSocket extends Duplex {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly localFamily: string | undefined;
  /** As on Node's sockets: true with TLS, absent without. */
  readonly encrypted: true | undefined;
  readonly connecting = false;
  readonly pending = false;
  readonly readyState = "open";
  bytesRead = 0;
  bytesWritten = 0;
  timeout: number | undefined = undefined;
  /** Null: its exchange is over. */
  #owner: SocketOwner | null;
  #timer: NodeJS.Timeout | null = null;

  constructor(endpoint: Endpoint, owner: SocketOwner) {
    super({ decodeStrings: false, allowHalfOpen: true });
    this.remoteAddress = endpoint.remoteAddress;
    this.remotePort = endpoint.remotePort;
    this.remoteFamily = endpoint.remoteFamily;
    this.localAddress = endpoint.localAddress;
    this.localPort = endpoint.localPort;
    this.localFamily = endpoint.remoteFamily;
    this.encrypted = endpoint.encrypted ? true : undefined;
    this.#owner = owner;
  }

  /** From now on its owner hears of it, after whoever listens already: by functions that all sockets share. */
  tellOwner(): void {
    this.on("close", tellClosed);
    this.on("drain", tellDrained);
    this.on("error", ignore);
  }

  /** Who is told what happens to it, if anybody still is. */
  get owner(): SocketOwner | null {
    return this.#owner;
  }

  /** The exchange is over: nobody is told any more. */
  release(): void {
    this.#owner = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  address(): object {
    return { address: this.localAddress, family: this.localFamily, port: this.localPort };
  }

  setTimeout(timeoutMs: number, listener?: () => void): this {
    this.timeout = timeoutMs;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (timeoutMs > 0) {
      this.#timer = setTimeout(() => this.#expire(), timeoutMs).unref();
      if (listener !== undefined) this.once("timeout", listener);
    }
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  destroySoon(): void {
    this.end(() => this.destroy());
  }

  /** IncomingMessage calls this when its reader wants more. */
  override resume(): this {
    this.#owner?.onWant();
    return this;
  }

  override pause(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: string | Uint8Array, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.bytesWritten += chunk.length;
    this.#timer?.refresh();
    if (this.#owner === null) done();
    else this.#owner.onWrite(chunk, encoding, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    done(error);
  }

  /** As http.Server: whoever listens decides what a timeout means; if nobody does, the connection ends. */
  #expire(): void {
    const heard = this.emit("timeout");
    if (this.#owner?.onTimeout() !== true && !heard) this.destroy();
  }
}

function tellClosed(this: ExchangeSocket): void {
  this.owner?.onClose();
}

function tellDrained(this: ExchangeSocket): void {
  this.owner?.onDrain();
}

/** Whoever listens to the request or the response hears of it; without a listener here it would end the process. */
function ignore(): void {}
