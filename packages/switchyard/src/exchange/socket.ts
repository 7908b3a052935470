// The socket that an application sees when its request came as messages and not over a connection of its own.
//
// It has what programs use of a net.Socket: addresses, timeouts, `destroy`, `bytesWritten`, events. What ServerResponse
// writes to it goes to `onWrite`. One is made for each request, because programs hang things on `request.socket` that
// another client must not find there.

import { Duplex } from "node:stream";
import type { Endpoint } from "../ipc/messages.ts";

export interface SocketOwner {
  /** Takes what the response writes; `done` is called when more may come. */
  onWrite(data: string | Uint8Array, encoding: BufferEncoding, done: () => void): void;
  /** The request's body is wanted. */
  onWant(): void;
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
  readonly #owner: SocketOwner;
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
    this.#owner.onWant();
    return this;
  }

  override pause(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: string | Uint8Array, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.bytesWritten += chunk.length;
    this.#timer?.refresh();
    this.#owner.onWrite(chunk, encoding, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    done(error);
  }

  /** As http.Server: whoever listens decides what a timeout means; if nobody does, the connection ends. */
  #expire(): void {
    const heard = this.emit("timeout");
    if (!this.#owner.onTimeout() && !heard) this.destroy();
  }
}
