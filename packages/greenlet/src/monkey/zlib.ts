// The compressing functions of node:zlib, for inputs that take longer than a switch to a thread and back does.

import zlib from "node:zlib";
import { cooperative, type LibraryFunction, type Patch } from "./cooperation.ts";

export interface ZlibOptions {
  /** Inputs smaller than this are worked on at once, in bytes. Default 65,536: a switch costs as much as about 1 kB. */
  readonly minBytes?: number;
}

const names = [
  ...["deflate", "deflateRaw", "gzip", "gunzip", "inflate", "inflateRaw", "unzip"],
  ...["brotliCompress", "brotliDecompress", "zstdCompress", "zstdDecompress"],
];

const defaultMinBytes = 64 * 1024;

export function zlibPatches({ minBytes = defaultMinBytes }: ZlibOptions = {}): Patch[] {
  return names.map((name) => ({
    holder: zlib,
    name: `${name}Sync`,
    make: (original) =>
      cooperative(original, {
        twin: twinOf(name),
        // The callback forms take nothing at all for an empty input.
        keepsOriginal: ([input]) => input === undefined || input === null || byteLengthOf(input) < minBytes,
      }),
  }));
}

function twinOf(name: string): LibraryFunction {
  // Looked up by name; each has both forms, in every Node that runs greenlets.
  const twin = (zlib as unknown as Record<string, LibraryFunction>)[name] as LibraryFunction;
  if (name !== "zstdCompress") return twin;
  // The blocking form knows how long its input is, and writes that into what it returns; the other has to be told.
  return (input, ...rest) => {
    const options = rest.length > 1 ? rest[0] : undefined;
    return twin(input, { pledgedSrcSize: Buffer.byteLength(input), ...options }, rest.at(-1));
  };
}

/** How many bytes, about; 0 of what is no input, so that the original refuses it. */
export function byteLengthOf(input: unknown): number {
  if (typeof input === "string") return input.length;
  return ArrayBuffer.isView(input) || input instanceof ArrayBuffer ? input.byteLength : 0;
}
