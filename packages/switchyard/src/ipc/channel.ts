// A Channel carries messages between a balancer and one worker, or a loop worker and the lanes' pool, in order, and says once when the other side is gone.
//
// Two kinds, one contract: a MessagePort to a thread, a socket to a process. On a socket a message is a frame: two
// unsigned 32-bit lengths, a record (records.ts) or JSON, then the binary piece if there is one, so that bodies are never
// encoded. A channel has no bound of its own: request and response bodies are held back by credit (see credit.ts).

import type { Socket } from "node:net";
import type { MessagePort } from "node:worker_threads";
import type { Piece } from "./messages.ts";
import { boundOf, pack, parsed, unpack } from "./records.ts";

export interface Channel<Out, In> {
  send(message: Out): void;
  /**
   * Sends without waking the other side, if that sleeps: it looks by itself, or is woken by `wakeOther`, by what is sent
   * next, or when this side's loop has gone round.
   */
  sendQuietly(message: Out): void;
  wakeOther(): void;
  close(): void;
  /** From now on it does not keep the loop alive. */
  unref(): void;
  /** Receives at once what the other side has sent and this side can have by now without waiting. */
  receiveRest(): void;
  /** Resolves when all that was sent has left this process or thread, which may then end. */
  flushed(): Promise<void>;
  /** Set by the owner before the first turn of the loop ends. */
  onMessage: (message: In) => void;
  /** The other side has gone, or sent what is not a frame. Called once. */
  onClose: () => void;
}

type WithPiece = { readonly piece?: Piece };

export function postTo(port: MessagePort, message: object): void {
  const piece = (message as WithPiece).piece;
  if (piece === undefined || typeof piece === "string") {
    port.postMessage(message);
    return;
  }
  // A view of Node's shared buffer pool would be cloned with the whole pool behind it: send an exact copy, moved.
  const copy = Uint8Array.from(piece);
  port.postMessage({ ...message, piece: copy }, [copy.buffer]);
}

const frameHeaderBytes = 8;
/** A frame longer than this is not one of ours. Bodies travel in pieces of at most 64 KiB and heads are limited. */
const frameLimitBytes = 64 * 1024 * 1024;
/** In the first length of a frame: what follows is a record and no JSON. */
const isRecord = 0x80000000;
/** Frames gather in blocks of this length; a record that may be longer than a quarter of one has a block of its own. */
const blockBytes = 64 * 1024;

export class SocketChannel<Out extends object, In> implements Channel<Out, In> {
  onMessage: (message: In) => void = () => {};
  onClose: () => void = () => {};
  readonly #socket: Socket;
  readonly #frames = new FrameReader();
  readonly #batch: "tick" | "turn";
  #block = Buffer.alloc(0);
  /** What of the block is frames that were not written yet. */
  #from = 0;
  #to = 0;
  #isDue = false;
  readonly #flush = () => {
    this.#isDue = false;
    this.#write();
  };

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
    if (!this.#isDue) {
      this.#isDue = true;
      if (this.#batch === "tick") process.nextTick(this.#flush);
      else setImmediate(this.#flush);
    }
    const piece = (message as WithPiece).piece;
    if (piece instanceof Uint8Array && piece.length > ownPieceBytes) {
      const { piece: _, ...rest } = message as WithPiece & Record<string, unknown>;
      this.#addJson(JSON.stringify(rest), piece.length);
      this.#write();
      this.#socket.write(piece);
      return;
    }
    const bound = frameHeaderBytes + boundOf(message);
    this.#makeRoom(bound);
    const bytes = pack(message, this.#block, this.#to + frameHeaderBytes);
    this.#addHeader((bytes | isRecord) >>> 0, 0);
    this.#to += bytes;
  }

  sendQuietly(message: Out): void {
    this.send(message);
  }

  wakeOther(): void {
    // The kernel does, with what is written.
  }

  close(): void {
    this.#write();
    this.#socket.end();
  }

  unref(): void {
    this.#socket.unref();
  }

  receiveRest(): void {
    // What is in the kernel's buffer comes with the next turn of the loop.
  }

  flushed(): Promise<void> {
    this.#write();
    if (!this.#socket.writable) return Promise.resolve();
    return new Promise((resolve) => this.#socket.write("", () => resolve()));
  }

  #addJson(json: string, pieceBytes: number): void {
    this.#makeRoom(frameHeaderBytes + Buffer.byteLength(json));
    const jsonBytes = this.#block.write(json, this.#to + frameHeaderBytes);
    this.#addHeader(jsonBytes, pieceBytes);
    this.#to += jsonBytes;
  }

  #addHeader(length: number, pieceBytes: number): void {
    this.#block.writeUInt32LE(length, this.#to);
    this.#block.writeUInt32LE(pieceBytes, this.#to + 4);
    this.#to += frameHeaderBytes;
  }

  #makeRoom(bytes: number): void {
    if (this.#block.length - this.#to >= bytes) return;
    this.#write();
    // What was written may still be on its way, so a block is never used twice.
    this.#block = Buffer.allocUnsafeSlow(Math.max(blockBytes, bytes));
    this.#from = 0;
    this.#to = 0;
  }

  #write(): void {
    if (this.#from === this.#to) return;
    const frames = this.#block.subarray(this.#from, this.#to);
    this.#from = this.#to;
    if (this.#socket.writable) this.#socket.write(frames);
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

/** A longer piece is written as it is, without being copied to a block. */
const ownPieceBytes = 16 * 1024;

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
    const length = first.readUInt32LE(0);
    const packed = (length & isRecord) !== 0;
    const jsonBytes = packed ? length - isRecord : length;
    const pieceBytes = first.readUInt32LE(4);
    const total = frameHeaderBytes + jsonBytes + pieceBytes;
    if (total > frameLimitBytes) return "invalid";
    if (this.#bytes < total) return "incomplete";
    const whole = this.#atLeast(total);
    const end = frameHeaderBytes + jsonBytes;
    const message = packed
      ? unpack(whole, frameHeaderBytes, jsonBytes)
      : parsed(
          whole.toString("utf8", frameHeaderBytes, end),
          pieceBytes === 0 ? undefined : whole.subarray(end, total),
        );
    if (message === null) return "invalid";
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
