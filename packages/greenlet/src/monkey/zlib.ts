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
  const library = zlib as unknown as Record<string, LibraryFunction>; // looked up by name
  return names.map((name) => ({
    holder: zlib,
    name: `${name}Sync`,
    make: (original) =>
      cooperative(original, {
        twin: library[name] as LibraryFunction, // each has both forms, in every Node that runs greenlets
        // The callback forms take nothing at all for an empty input.
        keepsOriginal: ([input]) => input === undefined || input === null || byteLengthOf(input) < minBytes,
      }),
  }));
}

/** How many bytes, about; 0 of what is no input, so that the original refuses it. */
export function byteLengthOf(input: unknown): number {
  if (typeof input === "string") return input.length;
  return ArrayBuffer.isView(input) || input instanceof ArrayBuffer ? input.byteLength : 0;
}
