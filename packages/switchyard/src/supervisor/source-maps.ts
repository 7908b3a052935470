// Names the lines that an application's author wrote, where what runs was compiled before: by the source maps beside it.
//
// Done here and not in the worker, which is held, nor by having Node keep every map (--enable-source-maps): maps are read
// only when a report names a file that has one. What can't be read or understood leaves a frame as it is.

import { readFile, stat } from "node:fs/promises";
import { SourceMap, type SourceMapPayload } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

/** A larger file or map is not read: the supervisor would stand still while it is parsed. */
const mostBytes = 8 * 1024 * 1024;

/** The frames, as `render (/srv/app/dist/app.js:3:12)`, by the places of their sources. */
export async function atSources(frames: readonly string[]): Promise<string[]> {
  const maps = new Map<string, Promise<SourceMap | null>>();
  return Promise.all(
    frames.map(async (frame) => {
      const [, before = "", path = "", line = "", column = "", after = ""] = place.exec(frame) ?? [];
      if (path === "") return frame;
      const known = maps.get(path) ?? mapOf(path).catch(() => null);
      maps.set(path, known);
      const map = await known;
      const found = map?.findEntry(Number(line) - 1, Number(column) - 1);
      if (found === undefined || !("originalSource" in found)) return frame;
      return `${before}${pathOf(found.originalSource)}:${found.originalLine + 1}:${found.originalColumn + 1}${after}`;
    }),
  );
}

const place = /^(.*? \()?(\/[^()]+\.[cm]?js):(\d+):(\d+)(\)?)$/;

async function mapOf(path: string): Promise<SourceMap | null> {
  const text = await readSmall(path);
  const url = text === null ? undefined : /\/\/# sourceMappingURL=(\S+)\s*$/.exec(text)?.[1];
  if (url === undefined) return null;
  const mapUrl = new URL(url, pathToFileURL(path));
  const json = mapUrl.protocol === "data:" ? textOfData(url) : await readSmall(fileURLToPath(mapUrl));
  if (json === null) return null;
  // Where it is none, the constructor throws.
  const payload = JSON.parse(json) as SourceMapPayload;
  const base = mapUrl.protocol === "data:" ? pathToFileURL(path) : mapUrl;
  const root = payload.sourceRoot ?? "";
  const from = root === "" || root.endsWith("/") ? root : `${root}/`;
  const sources = payload.sources.map((source) => new URL(from + source, base).href);
  return new SourceMap({ ...payload, sources, sourceRoot: "" });
}

async function readSmall(path: string): Promise<string | null> {
  return (await stat(path)).size > mostBytes ? null : readFile(path, "utf8");
}

function textOfData(url: string): string {
  const [head = "", body = ""] = url.split(",", 2);
  return head.endsWith(";base64") ? Buffer.from(body, "base64").toString() : decodeURIComponent(body);
}

/** Bundlers name sources by schemes of their own, which are left. */
function pathOf(source: string): string {
  return source.startsWith("file:") ? fileURLToPath(source) : source;
}
