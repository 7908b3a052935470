// One kept-alive connection of the load generator: sends a request, and finds where its answer ends (RFC 9112 §6).
//
// It does for a client that only counts what an HTTP library does in several times the CPU time, and the load generator shares
// its machine with the server. It keeps nothing of a body. Only ever talks to servers that this command started.

import { connect, type Socket } from "node:net";
import { plainGet, type Target } from "./orders.ts";

export interface Answered {
  readonly status: number;
  /** Bytes of the body. */
  readonly bytes: number;
}

export interface ConnectionEvents {
  onAnswer(connection: Connection, answered: Answered): void;
  /** It broke with a request on its way, or could not be made. */
  onBroken(connection: Connection): void;
}

export class Connection {
  readonly #events: ConnectionEvents;
  readonly #target: Target;
  #socket: Socket | null = null;
  #reader = new AnswerReader();
  #isBusy = false;
  #isClosed = false;

  constructor(target: Target, events: ConnectionEvents) {
    this.#target = target;
    this.#events = events;
  }

  /** Sends a request; the one before must be answered. Connects first when there is no connection (any more). */
  send(request: Buffer): void {
    this.#isBusy = true;
    this.#reader = new AnswerReader();
    this.#socket ??= this.#connect();
    this.#socket.write(request);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.destroy();
  }

  #connect(): Socket {
    const socket = connect({ host: this.#target.host, port: this.#target.port, noDelay: true });
    socket.on("data", (chunk: Buffer) => this.#onData(socket, chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (!this.#isBusy || this.#isClosed) return;
      this.#isBusy = false;
      // A body without a length ends with the connection.
      const answered = this.#reader.atEnd();
      if (answered === null) this.#events.onBroken(this);
      else this.#events.onAnswer(this, answered);
    });
    return socket;
  }

  #onData(socket: Socket, chunk: Buffer): void {
    if (!this.#isBusy) return;
    const answered = this.#reader.take(chunk);
    if (answered === null) return;
    this.#isBusy = false;
    if (this.#reader.closes) {
      this.#socket = null;
      socket.destroy();
    }
    this.#events.onAnswer(this, answered);
  }
}

export function requestFor({ host, port, request = plainGet }: Target, path: string): Buffer {
  const { method, headers, body } = request;
  const accepts = headers.some(({ name }) => name.toLowerCase() === "accept") ? "" : "Accept: */*\r\n";
  const own = headers.map(({ name, value }) => `${name}: ${value}\r\n`).join("");
  const length = method === "GET" ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n${accepts}${own}${length}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]);
}

type Body = { is: "length"; left: number } | { is: "chunked"; parser: ChunkParser } | { is: "until-close" };

/** Reads one answer, in whatever pieces it comes. */
class AnswerReader {
  #head: Buffer | null = null;
  #status = 0;
  #bytes = 0;
  #body: Body | null = null;
  closes = false;

  /** The answer, when this piece ends it. */
  take(chunk: Buffer): Answered | null {
    let piece = chunk;
    while (this.#body === null) {
      if (this.#head !== null) piece = Buffer.concat([this.#head, piece]);
      const end = piece.indexOf("\r\n\r\n");
      if (end === -1) {
        this.#head = piece;
        return null;
      }
      this.#head = null;
      this.#readHead(piece.toString("latin1", 0, end + 2));
      piece = piece.subarray(end + 4);
      // 1xx is not yet the answer.
      if (this.#body === null && piece.length === 0) return null;
    }
    return this.#readBody(this.#body, piece) ? this.#answered() : null;
  }

  /** What a connection that closed has answered, or null when the answer is not whole. */
  atEnd(): Answered | null {
    return this.#body?.is === "until-close" ? this.#answered() : null;
  }

  #answered(): Answered {
    return { status: this.#status, bytes: this.#bytes };
  }

  #readHead(head: string): void {
    this.#status = Number(head.slice(9, 12));
    if (this.#status < 200) return;
    this.closes = /\r\nconnection: *close/i.test(head) || head.startsWith("HTTP/1.0");
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (this.#status === 204 || this.#status === 304) this.#body = { is: "length", left: 0 };
    else if (/\r\ntransfer-encoding: *[^\r]*chunked/i.test(head)) {
      this.#body = { is: "chunked", parser: new ChunkParser() };
    } else if (length !== undefined) this.#body = { is: "length", left: Number(length) };
    else {
      this.#body = { is: "until-close" };
      this.closes = true;
    }
  }

  /** Whether the body is whole. */
  #readBody(body: Body, piece: Buffer): boolean {
    switch (body.is) {
      case "length":
        this.#bytes += piece.length;
        body.left -= piece.length;
        return body.left <= 0;
      case "chunked": {
        const isWhole = body.parser.take(piece);
        this.#bytes = body.parser.bytes;
        return isWhole;
      }
      case "until-close":
        this.#bytes += piece.length;
        return false;
    }
  }
}

/** Walks over chunks without keeping them (RFC 9112 §7.1). */
class ChunkParser {
  bytes = 0;
  /** Of a chunk and the line end behind it. */
  #toSkip = 0;
  #line = "";
  #isLast = false;

  take(piece: Buffer): boolean {
    let at = 0;
    while (at < piece.length) {
      if (this.#toSkip > 0) {
        const skipped = Math.min(this.#toSkip, piece.length - at);
        this.#toSkip -= skipped;
        at += skipped;
        continue;
      }
      const end = piece.indexOf(lineFeed, at);
      if (end === -1) {
        this.#line += piece.toString("latin1", at);
        return false;
      }
      const line = (this.#line + piece.toString("latin1", at, end)).trimEnd();
      this.#line = "";
      at = end + 1;
      if (this.#isLast) {
        // Trailers, and the empty line that ends them.
        if (line === "") return true;
        continue;
      }
      const size = Number.parseInt(line, 16);
      if (size > 0) {
        this.bytes += size;
        this.#toSkip = size + 2;
      } else this.#isLast = true;
    }
    return false;
  }
}

const lineFeed = 0x0a;
