// Reads what Node's own ServerResponse writes to its socket, back into a head, pieces of body, and trailers.
//
// Every framework ends in ServerResponse, so its output is the one thing that is right for all of them, whichever of its
// methods they call or replace. This is no general HTTP parser: Node writes the whole head in one piece, and each chunk's
// size line, data and line end as it goes; what a client sends never comes here. Chunked framing is taken off, because
// the connection that the response leaves by puts on its own (RFC 9112 §7.1).

import type { Piece, ResponseHead } from "../ipc/messages.ts";

export interface WireReader {
  interim(head: ResponseHead): void;
  head(head: ResponseHead): void;
  body(piece: Piece): void;
  trailers(rawTrailers: string[]): void;
}

type Expecting = "head" | "raw" | "size" | "data" | "data-end" | "trailers";

export class ResponseWire {
  readonly #to: WireReader;
  #expecting: Expecting = "head";
  /** Bytes of the present chunk still to come. */
  #chunkLeft = 0;
  /** Text read of a line that is not complete yet. */
  #partial = "";

  constructor(to: WireReader) {
    this.#to = to;
  }

  write(data: string | Uint8Array, encoding: BufferEncoding): void {
    let rest = data;
    while (rest.length > 0) {
      // A head stays text, whose characters are its bytes; a body is text only where text means UTF-8.
      if (this.#expecting !== "head" && typeof rest === "string" && !isUtf8(encoding))
        rest = Buffer.from(rest, encoding);
      rest = this.#step(rest);
    }
  }

  #step(data: string | Uint8Array): string | Uint8Array {
    switch (this.#expecting) {
      case "head":
        return this.#readHead(data);
      case "raw":
        this.#to.body(data);
        return "";
      case "data":
        return this.#readChunkData(data);
      case "size":
      case "data-end":
      case "trailers":
        return this.#readLine(data);
    }
  }

  #readHead(data: string | Uint8Array): string | Uint8Array {
    const text = this.#partial + (typeof data === "string" ? data : latin1(data));
    const end = text.indexOf("\r\n\r\n");
    if (end === -1) {
      this.#partial = text;
      return "";
    }
    const before = this.#partial.length;
    this.#partial = "";
    const head = parseHead(text.slice(0, end));
    if (head.status < 200 && head.status !== 101) {
      this.#to.interim(head);
    } else {
      this.#expecting = /\bchunked\b/i.test(head.transferEncoding ?? "") ? "size" : "raw";
      this.#to.head(head);
    }
    return from(data, end + 4 - before);
  }

  #readChunkData(data: string | Uint8Array): string | Uint8Array {
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.length;
    if (bytes <= this.#chunkLeft) {
      this.#chunkLeft -= bytes;
      if (this.#chunkLeft === 0) this.#expecting = "data-end";
      this.#to.body(data);
      return "";
    }
    const buffer = typeof data === "string" ? Buffer.from(data) : data;
    const piece = buffer.subarray(0, this.#chunkLeft);
    const rest = buffer.subarray(this.#chunkLeft);
    this.#chunkLeft = 0;
    this.#expecting = "data-end";
    this.#to.body(piece);
    return rest;
  }

  #readLine(data: string | Uint8Array): string | Uint8Array {
    const text = this.#partial + (typeof data === "string" ? data : latin1(data));
    const end = this.#expecting === "trailers" ? endOfTrailers(text) : text.indexOf("\r\n");
    if (end === -1) {
      this.#partial = text;
      return "";
    }
    const before = this.#partial.length;
    this.#partial = "";
    const line = text.slice(0, end);
    if (this.#expecting === "trailers") {
      this.#to.trailers(parseFields(line));
      // Nothing may follow a response's end; should it, it is not part of the body.
      return "";
    }
    if (this.#expecting === "data-end") {
      this.#expecting = "size";
    } else {
      this.#chunkLeft = Number.parseInt(line, 16);
      this.#expecting = this.#chunkLeft === 0 ? "trailers" : "data";
    }
    return from(data, end + 2 - before);
  }
}

function isUtf8(encoding: string): boolean {
  return encoding === "utf8" || encoding === "utf-8";
}

function latin1(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
}

function from(data: string | Uint8Array, index: number): string | Uint8Array {
  return typeof data === "string" ? data.slice(index) : data.subarray(index);
}

function endOfTrailers(text: string): number {
  if (text.startsWith("\r\n")) return 0;
  return text.indexOf("\r\n\r\n");
}

function parseHead(text: string): ResponseHead {
  const lineEnd = text.indexOf("\r\n");
  const statusLine = lineEnd === -1 ? text : text.slice(0, lineEnd);
  // "HTTP/1.1 200 OK": the version is always eight characters.
  const status = Number(statusLine.slice(9, 12));
  const statusMessage = statusLine.slice(13);
  const rawHeaders: string[] = [];
  let transferEncoding: string | null = null;
  let close = false;
  const fields = lineEnd === -1 ? [] : parseFields(text.slice(lineEnd + 2));
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    switch (name.length) {
      // Only these lengths can be a field of the connection, so most names are not even lowered.
      case 10:
        if (name.toLowerCase() === "connection") {
          if (/\bclose\b/i.test(value)) close = true;
          continue;
        }
        if (name.toLowerCase() === "keep-alive") continue;
        break;
      case 17:
        if (name.toLowerCase() === "transfer-encoding") {
          transferEncoding = value;
          continue;
        }
        break;
    }
    rawHeaders.push(name, value);
  }
  return { status, statusMessage, rawHeaders, transferEncoding, close };
}

function parseFields(text: string): string[] {
  const fields: string[] = [];
  if (text === "") return fields;
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    fields.push(line.slice(0, colon), line.slice(colon + 1).trimStart());
  }
  return fields;
}
