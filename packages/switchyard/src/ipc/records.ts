// Messages about requests as records of bytes, for a ring in shared memory and for frames on a socket: a short request and a
// short answer are one record each, and what is rare goes as JSON.
//
//   kind u8 · flags u8 · length of `extra` u16 · id u32 · length of the head u32 · slot u8, three unused · extra · head · piece
//
// `extra` is what only one of the two ways of a request needs: the lane between a loop worker and the pool. All text is
// UTF-8. The reader trusts the writer: both are ours, of one version, and whoever can write here can as well write anything.

import type { Piece } from "./messages.ts";

/** What records are made of; the unions of messages.ts are checked where they are sent. */
interface Fields {
  readonly type: string;
  readonly id?: number;
  readonly head?: string;
  readonly piece?: Piece;
  readonly hasBody?: boolean;
  readonly isWhole?: boolean;
  readonly expectsContinue?: boolean;
  readonly slot?: number | null;
  readonly lane?: string;
  readonly waitedMs?: number;
  readonly worker?: number;
  readonly runMs?: number;
  readonly rawTrailers?: readonly string[];
}

const json = 0;
const request = 1;
const answer = 2;
const body = 3;
const bodyEnd = 4;
const free = 5;

const kinds: Readonly<Record<string, number>> = { request, answer, body, bodyEnd, free };

const isText = 1;
const hasPiece = 2;
const hasBody = 4;
const isWhole = 8;
const expectsContinue = 16;

const fixedBytes = 16;
const noSlot = 0xff;
/** Of one UTF-16 unit in UTF-8. */
const mostBytesOfUnit = 3;

/** @returns as many bytes as the record of a message can have. */
export function boundOf(message: object): number {
  // The cast: see Fields.
  const fields = message as Fields;
  if (kindOf(fields) === json)
    return fixedBytes + JSON.stringify(withoutPiece(fields)).length * mostBytesOfUnit + bytesBound(fields.piece);
  const text = (fields.head?.length ?? 0) + (fields.lane?.length ?? 0) + 50;
  return fixedBytes + text * mostBytesOfUnit + bytesBound(fields.piece);
}

/** Writes the record of a message, which has room for `boundOf` it. @returns its length in bytes. */
export function pack(message: object, into: Buffer, at: number): number {
  const fields = message as Fields;
  const kind = kindOf(fields);
  const { piece } = fields;
  const extra = kind === json ? "" : extraOf(fields);
  const head = kind === json ? JSON.stringify(withoutPiece(fields)) : (fields.head ?? "");
  let end = at + fixedBytes;
  const extraBytes = extra === "" ? 0 : into.write(extra, end);
  end += extraBytes;
  const headBytes = head === "" ? 0 : into.write(head, end);
  end += headBytes;
  let flags = 0;
  if (typeof piece === "string") {
    flags |= hasPiece | isText;
    if (piece !== "") end += into.write(piece, end);
  } else if (piece !== undefined) {
    flags |= hasPiece;
    into.set(piece, end);
    end += piece.length;
  }
  if (fields.hasBody === true) flags |= hasBody;
  if (fields.isWhole === true) flags |= isWhole;
  if (fields.expectsContinue === true) flags |= expectsContinue;
  into[at] = kind;
  into[at + 1] = flags;
  into.writeUInt16LE(extraBytes, at + 2);
  into.writeUInt32LE(fields.id ?? 0, at + 4);
  into.writeUInt32LE(headBytes, at + 8);
  into[at + 12] = fields.slot ?? noSlot;
  return end - at;
}

/** Reads the message of a record. What it returns has none of these bytes: they may be written over. */
export function unpack(from: Buffer, at: number, bytes: number): object | null {
  if (bytes < fixedBytes) return null;
  const flags = from[at + 1]!;
  const id = from.readUInt32LE(at + 4);
  const extraAt = at + fixedBytes;
  const headAt = extraAt + from.readUInt16LE(at + 2);
  const pieceAt = headAt + from.readUInt32LE(at + 8);
  const end = at + bytes;
  if (pieceAt > end) return null;
  const head = pieceAt === headAt ? "" : from.toString("utf8", headAt, pieceAt);
  const extra = headAt === extraAt ? "" : from.toString("utf8", extraAt, headAt);
  const piece = (flags & hasPiece) === 0 ? undefined : pieceOf(from, pieceAt, end, flags);
  switch (from[at]) {
    case request: {
      const slot = from[at + 12]!;
      const message = {
        type: "request",
        id,
        head,
        hasBody: (flags & hasBody) !== 0,
        isWhole: (flags & isWhole) !== 0,
        expectsContinue: (flags & expectsContinue) !== 0,
        slot: slot === noSlot ? null : slot,
        piece,
      };
      if (extra === "") return message;
      const space = extra.indexOf(" ");
      return { ...message, waitedMs: Number(extra.slice(0, space)), lane: extra.slice(space + 1) };
    }
    case answer: {
      if (extra === "") return { type: "answer", id, head, piece };
      const space = extra.indexOf(" ");
      const [worker, runMs] = [Number(extra.slice(0, space)), Number(extra.slice(space + 1))];
      return { type: "answer", id, head, piece, worker, runMs };
    }
    case body:
      return { type: "body", id, piece };
    case bodyEnd:
      return { type: "bodyEnd", id, rawTrailers: [] };
    case free:
      return { type: "free", id };
    default:
      return parsed(head, piece);
  }
}

function kindOf(fields: Fields): number {
  const kind = kinds[fields.type] ?? json;
  return kind === bodyEnd && fields.rawTrailers?.length !== 0 ? json : kind;
}

function extraOf({ lane, waitedMs, worker, runMs }: Fields): string {
  if (lane !== undefined) return `${(waitedMs ?? 0).toFixed(3)} ${lane}`;
  return worker === undefined ? "" : `${worker} ${(runMs ?? 0).toFixed(3)}`;
}

function bytesBound(piece: Piece | undefined): number {
  if (piece === undefined) return 0;
  return typeof piece === "string" ? piece.length * mostBytesOfUnit : piece.length;
}

function pieceOf(from: Buffer, at: number, end: number, flags: number): Piece {
  if ((flags & isText) !== 0) return from.toString("utf8", at, end);
  return Buffer.from(from.subarray(at, end));
}

function withoutPiece(fields: Fields): object {
  if (fields.piece === undefined) return fields;
  const { piece: _, ...rest } = fields;
  return rest;
}

/** A message from its JSON, with its piece; null: it is none. */
export function parsed(text: string, piece: Piece | undefined): object | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return null;
    return piece === undefined ? value : { ...value, piece };
  } catch {
    // Whoever wrote this is not our other side, or has gone wrong: the caller closes the channel.
    return null;
  }
}
