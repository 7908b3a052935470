// A client that sends the bytes it is told to, for requests that no HTTP library would send.

import { once } from "node:events";
import net from "node:net";
import type { TestContext } from "node:test";
import { patiently } from "./patience.ts";

export class RawClient {
  readonly socket: net.Socket;
  /** All that came so far, a character for each byte. */
  text = "";
  readonly #changed = new Set<() => void>();
  #isOver = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text) => {
      this.text += text;
      this.#tell();
    });
    socket.on("error", () => {});
    const over = () => {
      this.#isOver = true;
      this.#tell();
    };
    socket.once("end", over);
    socket.once("close", over);
  }

  send(text: string): this {
    this.socket.write(text, "latin1");
    return this;
  }

  /** Resolves with all that came, once it fits; rejects when the server ends the connection before. */
  async until(fits: (text: string) => boolean): Promise<string> {
    while (!fits(this.text)) {
      if (this.#isOver) throw new Error(`The connection ended with: ${JSON.stringify(this.text)}`);
      await this.#change();
    }
    return this.text;
  }

  /** Resolves with all that came, once the server has ended the connection. */
  async ended(): Promise<string> {
    while (!this.#isOver) await this.#change();
    return this.text;
  }

  #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#changed.add(resolve);
    return patiently(promise, () => this.text);
  }

  #tell(): void {
    for (const changed of this.#changed) changed();
    this.#changed.clear();
  }
}

/** Connects to a server by its URL; the connection is gone when the test ends. */
export async function connectRaw(t: TestContext, url: string): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  t.after(() => socket.destroy());
  const client = new RawClient(socket);
  await once(socket, "connect");
  return client;
}
