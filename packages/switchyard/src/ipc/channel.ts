// A Channel carries messages between a balancer and one worker, or a loop worker and the lanes' pool, in order, and says once when the other side is gone.
//
// Two kinds, one contract: a MessagePort to a thread, a socket to a process. On a socket a message is a frame: two
// unsigned 32-bit lengths (JSON, binary), the JSON text, then the binary piece if there is one, so that bodies are never
// encoded. A channel has no bound of its own: request and response bodies are held back by credit (see credit.ts).

import type { Socket } from "node:net";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { Piece } from "./messages.ts";

export interface Channel<Out, In> {
  send(message: Out): void;
  close(): void;
  /** From now on it does not keep the loop alive. */
  unref(): void;
  /** Resolves when all that was sent has left this process or thread, which may then end. */
  flushed(): Promise<void>;
  /** Set by the owner before the first turn of the loop ends. */
  onMessage: (message: In) => void;
  /** The other side has gone, or sent what is not a frame. Called once. */
  onClose: () => void;
}

type WithPiece = { readonly piece?: Piece };

export class PortChannel<Out extends object, In> implements Channel<Out, In> {
  onMessage: (message: In) => void = () => {};
  onClose: () => void = () => {};
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (message: In) => this.onMessage(message));
    port.once("close", () => this.onClose());
  }

  send(message: Out): void {
    const piece = (message as WithPiece).piece;
    if (piece === undefined || typeof piece === "string") {
      this.#port.postMessage(message);
      return;
    }
    // A view of Node's shared buffer pool would be cloned with the whole pool behind it: send an exact copy, moved.
    const copy = Uint8Array.from(piece);
    this.#port.postMessage({ ...message, piece: copy }, [copy.buffer]);
  }

  close(): void {
    this.#port.close();
  }

  /** Receives what a thread that has ended had sent before: its end may be heard of first. */
  receiveRest(): void {
    for (;;) {
      const rest: { message: In } | undefined = receiveMessageOnPort(this.#port);
      if (rest === undefined) return;
      this.onMessage(rest.message);
    }
  }

  async flushed(): Promise<void> {
    // A message that was posted is at the other port.
  }

  unref(): void {
    this.#port.unref();
  }
}

const frameHeaderBytes = 8;
/** A frame longer than this is not one of ours. Bodies travel in pieces of at most 64 KiB and heads are limited. */
const frameLimitBytes = 64 * 1024 * 1024;

export class SocketChannel<Out extends object, In> implements Channel<Out, In> {
  onMessage: (message: In) => void = () => {};
  onClose: () => void = () => {};
  readonly #socket: Socket;
  readonly #frames = new FrameReader();
  readonly #batch: "tick" | "turn";
  #corked = false;

  /** @param batch what is sent with one system call: what one callback sends, or all callbacks of one turn of the loop. */
  constructor(socket: Socket, batch: "tick" | "turn" = "tick") {
    this.#socket = socket;
    this.#batch = batch;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    // A reset is followed by "close", which is where the owner hears of it.
    socket.on("error", () => {});
    socket.once("close", () => this.onClose());
  }

  send(message: Out): void {
    if (!this.#socket.writable) return;
    this.#cork();
    const { piece, ...rest } = message as WithPiece & Record<string, unknown>;
    if (piece === undefined || typeof piece === "string") {
      this.#writeFrame(JSON.stringify(message), null);
    } else {
      this.#writeFrame(JSON.stringify(rest), piece);
    }
  }

  close(): void {
    this.#socket.end();
  }

  unref(): void {
    this.#socket.unref();
  }

  flushed(): Promise<void> {
    if (!this.#socket.writable) return Promise.resolve();
    return new Promise((resolve) => this.#socket.write("", () => resolve()));
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    const uncork = () => {
      this.#corked = false;
      this.#socket.uncork();
    };
    if (this.#batch === "tick") process.nextTick(uncork);
    else setImmediate(uncork);
  }

  #writeFrame(json: string, piece: Uint8Array | null): void {
    const jsonBytes = Buffer.byteLength(json);
    const frame = Buffer.allocUnsafe(frameHeaderBytes + jsonBytes);
    frame.writeUInt32LE(jsonBytes, 0);
    frame.writeUInt32LE(piece === null ? 0 : piece.length, 4);
    frame.write(json, frameHeaderBytes);
    this.#socket.write(frame);
    if (piece !== null) this.#socket.write(piece);
  }

  #receive(chunk: Buffer): void {
    this.#frames.push(chunk);
    for (;;) {
      const frame = this.#frames.take();
      if (frame === "incomplete") return;
      if (frame === "invalid") {
        this.#socket.destroy();
        return;
      }
      this.onMessage(frame as In);
    }
  }
}

/** Puts frames together again from a stream of chunks. */
class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  take(): "incomplete" | "invalid" | object {
    if (this.#bytes < frameHeaderBytes) return "incomplete";
    const first = this.#atLeast(frameHeaderBytes);
    const jsonBytes = first.readUInt32LE(0);
    const pieceBytes = first.readUInt32LE(4);
    const total = frameHeaderBytes + jsonBytes + pieceBytes;
    if (total > frameLimitBytes) return "invalid";
    if (this.#bytes < total) return "incomplete";
    const whole = this.#atLeast(total);
    const json = whole.toString("utf8", frameHeaderBytes, frameHeaderBytes + jsonBytes);
    const message = parsed(json);
    if (message === null) return "invalid";
    if (pieceBytes > 0) message.piece = whole.subarray(frameHeaderBytes + jsonBytes, total);
    this.#chunks[0] = whole.subarray(total);
    if (whole.length === total) this.#chunks.shift();
    this.#bytes -= total;
    return message;
  }

  /** The first `bytes` bytes in one buffer, which stays at the head of the list. */
  #atLeast(bytes: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= bytes) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}

function parsed(json: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json);
    // The cast: any object has string keys and values of some kind.
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    // Whoever wrote this is not our other side, or has gone wrong: the caller closes the channel.
    return null;
  }
}
