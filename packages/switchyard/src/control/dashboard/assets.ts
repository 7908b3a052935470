// The files that the dashboard's page is made of: our own and those of two libraries, all from installed packages. Only
// names that are in this list are served, so no path of a request reaches the file system.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  /** Changes with the content (RFC 9110 §8.8.3). */
  readonly etag: string;
}

const script = "text/javascript; charset=utf-8";
const style = "text/css; charset=utf-8";
const image = "image/svg+xml";

const packageRoot = fileURLToPath(new URL("../../../", import.meta.url));
const own = (name: string) => () => join(packageRoot, name);
const library = (name: string, file: string) => () =>
  join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file);

const files: Readonly<Record<string, { type: string; path: () => string }>> = {
  "dashboard.css": { type: style, path: own("dashboard/dashboard.css") },
  "icon.svg": { type: image, path: own("dashboard/icon.svg") },
  "preact.js": { type: script, path: library("preact", "dist/preact.mjs") },
  "preact-hooks.js": { type: script, path: library("preact", "hooks/dist/hooks.mjs") },
  "preact-jsx.js": { type: script, path: library("preact", "jsx-runtime/dist/jsxRuntime.mjs") },
  "uplot.js": { type: script, path: library("uplot", "dist/uPlot.esm.js") },
  "uplot.css": { type: style, path: library("uplot", "dist/uPlot.min.css") },
  ...Object.fromEntries(
    [
      "main",
      "actions",
      "app",
      "chart",
      "charts",
      "events",
      "figures",
      "format",
      "live",
      "slots",
      "view",
      "workers",
      "yard",
    ].map((name) => [`${name}.js`, { type: script, path: own(`dist/dashboard/${name}.js`) }]),
  ),
};

const loaded = new Map<string, Asset>();

/** The file of that name, or null when there is none. */
export function assetOf(name: string): Asset | null {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  if (!Object.hasOwn(files, name)) return null;
  const { type, path } = files[name]!;
  const body = withoutMapLink(readFileSync(path()), type);
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  const asset = { type, body, etag };
  loaded.set(name, asset);
  return asset;
}

/** Source maps are not served, and a browser's inspector would complain of each. */
function withoutMapLink(body: Buffer, type: string): Buffer {
  if (type !== script) return body;
  return Buffer.from(body.toString().replace(/\n?\/\/# sourceMappingURL=\S+\s*$/, "\n"));
}
