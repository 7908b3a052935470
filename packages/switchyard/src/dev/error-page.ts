// What went wrong in an application, as a page for whoever writes it: the message, the stack, and the lines of source that
// the stack names. Everything that comes from the error is escaped. For development alone: it shows source.

import { readFileSync } from "node:fs";
import { sep } from "node:path";
import { fileURLToPath } from "node:url";
import { inPlace } from "../write-now.ts";

export interface PageParts {
  readonly title: string;
  readonly message: string;
  /** What to do about it, or null. */
  readonly hint: string | null;
  readonly stack: string | null;
  /** Set on a page that goes away by itself once the application answers again; names this error. */
  readonly waitsFor: string | null;
}

/** The path that a waiting page asks, and the header by which it knows that the error is still the same. */
export const waitingPath = "/.switchyard/error";
export const waitingHeader = "x-switchyard-error";

/** How many lines are shown around the one that is named, on each side. */
const around = 4;
/** How many places of a stack are shown with their source. */
const shownPlaces = 3;

export function errorPage({ title, message, hint, stack, waitsFor }: PageParts): string {
  const text = `${message}\n${stack ?? ""}`;
  const excerpts = placesIn(text).slice(0, shownPlaces).map(excerptOf).join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><style>${style}</style></head>
<body><main><p class="what">${escaped(title)}</p><h1>${escaped(message)}</h1>
${hint === null ? "" : `<p class="hint">${escaped(hint)}</p>`}
${excerpts}
${stack === null ? "" : `<h2>Stack</h2><pre class="stack">${stackLines(stack)}</pre>`}
<p class="foot">${waitsFor === null ? "Shown by <code>switchyard dev</code>; <code>switchyard serve</code> answers 500 with no details." : "This page goes on by itself when the application loads again."}</p>
</main>${waitsFor === null ? "" : `<script>${waiting(waitsFor)}</script>`}</body></html>
`;
}

/** Whether a client wants a page and not plain text. */
export function wantsPage(accept: string | undefined): boolean {
  return accept?.includes("text/html") ?? false;
}

interface Place {
  readonly file: string;
  readonly line: number;
}

/** The places in the application's own files that a text names, in its order, each once. */
function placesIn(text: string): Place[] {
  const found = new Map<string, Place>();
  for (const [, path, line] of text.matchAll(/((?:file:\/\/)?\/[^\s():]+):(\d+)/g)) {
    const file = path!.startsWith("file://") ? pathOf(path!) : path!;
    if (file === null || !isOwn(file)) continue;
    found.set(`${file}:${line}`, { file, line: Number(line) });
  }
  return [...found.values()];
}

function pathOf(url: string): string | null {
  try {
    return fileURLToPath(url);
  } catch {
    // Text that only looks like the address of a file.
    return null;
  }
}

function isOwn(file: string): boolean {
  return !file.includes(`${sep}node_modules${sep}`) && !file.startsWith(ownFolder);
}

/** Where this package's own code is. */
const ownFolder = fileURLToPath(new URL("../", import.meta.url));

function excerptOf({ file, line }: Place): string {
  const lines = linesOf(file);
  if (lines === null || line > lines.length) return "";
  const first = Math.max(1, line - around);
  const rows = lines.slice(first - 1, line + around).map((text, index) => {
    const number = first + index;
    const row = `<span class="number">${String(number).padStart(5)}</span> ${escaped(text)}`;
    return number === line ? `<mark>${row}</mark>` : `<span>${row}</span>`;
  });
  return `<h2>${escaped(file)}<span class="soft">:${line}</span></h2><pre class="source">${rows.join("\n")}</pre>`;
}

function linesOf(file: string): string[] | null {
  try {
    return inPlace(() => readFileSync(file, "utf8")).split("\n");
  } catch {
    // It may be gone by now, or never have been a file.
    return null;
  }
}

function stackLines(stack: string): string {
  return stack
    .split("\n")
    .map((line) => {
      const isFar = /node:|node_modules/.test(line) || line.includes(ownFolder);
      return isFar ? `<span class="soft">${escaped(line)}</span>` : escaped(line);
    })
    .join("\n");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character]!);
}

/** Loads the page again when the answer is no longer that of this very error. */
function waiting(error: string): string {
  return `const again = async () => {
  try {
    const response = await fetch(${JSON.stringify(waitingPath)}, { cache: "no-store" });
    if (response.headers.get(${JSON.stringify(waitingHeader)}) !== ${JSON.stringify(error)}) return location.reload();
  } catch {}
  setTimeout(again, 500);
};
setTimeout(again, 500);`;
}

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; background: light-dark(#f4f5f8, #0d1015); color: light-dark(#161a22, #e9ecf2); }
body { margin: 0; padding: 2rem clamp(1rem, 5vw, 4rem); }
main { max-width: 70rem; margin: 0 auto; }
.what { margin: 0; color: light-dark(#c2262e, #ff7b7b); font-weight: 650; }
h1 { margin: .3rem 0 1rem; font-size: 1.35rem; line-height: 1.35; white-space: pre-wrap; overflow-wrap: anywhere; }
h2 { margin: 1.6rem 0 .4rem; font-size: .9rem; font-weight: 600; overflow-wrap: anywhere; }
.hint { margin: 0 0 1rem; }
pre { margin: 0; padding: .8rem 1rem; overflow-x: auto; border-radius: 10px; background: light-dark(#fff, #161a21); border: 1px solid light-dark(#dde1e8, #2a303b); font: .85rem/1.55 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
mark { display: inline-block; min-width: 100%; color: inherit; background: light-dark(#ffe1de, #4a1f22); }
.number, .soft, .foot { color: light-dark(#565f70, #9aa4b5); font-weight: 400; }
.foot { margin-top: 1.6rem; font-size: .85rem; }`;
