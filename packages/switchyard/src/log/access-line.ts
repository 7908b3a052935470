// The text of an access line in each format, from one request's entry: a calculation, on the path of every request.
//
// Lines are put together by concatenation because that is several times faster than JSON.stringify over an object built
// for it. They are pure ASCII, so that a line's length is its size in bytes, and hold no control character whatever a
// client sends, so that nobody can forge a second line or move a terminal's cursor. None is longer than `maxLineBytes`.

import type { AccessLogFormat, Model } from "../config/settings.ts";

/** One answered request. */
export interface AccessEntry {
  readonly method: string;
  /** As the client sent it, with its query. */
  readonly path: string;
  /** "1.0", "1.1" or "2.0". */
  readonly httpVersion: string;
  /** The status sent; 499 stands for a client that went away before there was one, as in nginx. */
  readonly status: number;
  /** Bytes of the body that were sent. */
  readonly bytes: number;
  /** Time in the queue, in milliseconds; 0 where there is none. */
  readonly waitMs: number;
  /** Time in the worker, in milliseconds. */
  readonly runMs: number;
  readonly model: Model;
  /** The lane that took it; undefined for the default one. */
  readonly lane?: string | undefined;
  /** The worker's number, or null when the request reached none. */
  readonly worker: number | null;
  /** The client's address; undefined or empty on a UNIX socket. */
  readonly remote?: string | undefined;
  readonly referer?: string | undefined;
  readonly userAgent?: string | undefined;
  /** Why Switchyard itself answered instead of the application: an error's code. */
  readonly code?: string | undefined;
}

/** Returns an entry's line, newline included, `atMs` being the date in milliseconds since 1970. */
export type LineFormat = (entry: AccessEntry, atMs: number) => string;

/** What a pipe takes in one piece from several writers (POSIX, PIPE_BUF; 4096 on Linux). */
export const maxLineBytes = 4096;

/** The format for a log: `pretty` is for people at a terminal and stands in for json there. */
export function lineFormat(options: {
  format: AccessLogFormat;
  pretty: boolean;
  colour: boolean;
  pid: number;
}): LineFormat {
  if (options.format !== "json") return options.format === "common" ? commonFormat() : combinedFormat();
  return options.pretty ? prettyFormat(options.colour) : jsonFormat(options.pid);
}

function jsonFormat(pid: number): LineFormat {
  const isoTime = cached((atMs) => new Date(atMs).toISOString(), 1);
  const ids = `","pid":${pid},"component":"access","method":"`;
  const client = clientFields();
  const line: LineFormat = (entry, atMs) => {
    const code = entry.code === undefined ? "" : `,"code":"${jsonText(entry.code)}"`;
    const lane = entry.lane === undefined ? "" : `,"lane":"${jsonText(entry.lane)}"`;
    return (
      `{"level":"info","time":"${isoTime(atMs)}${ids}${jsonText(entry.method)}","path":"${jsonText(entry.path)}` +
      `","status":${entry.status},"bytes":${entry.bytes},"waitMs":${milliseconds(entry.waitMs)}` +
      `,"runMs":${milliseconds(entry.runMs)},"model":"${entry.model}"${lane},"worker":${entry.worker}${code}${client(entry)}}\n`
    );
  };
  return clipping(line, jsonText);
}

/**
 * The fields that say who asked. The text made last is kept, since requests of one client often follow one another:
 * comparing a user agent takes a tenth of the time that checking it for characters to escape does.
 */
function clientFields(): (entry: AccessEntry) => string {
  let last: Pick<AccessEntry, "remote" | "httpVersion" | "referer" | "userAgent"> | null = null;
  let text = "";
  return (entry) => {
    const isLast =
      last !== null &&
      entry.userAgent === last.userAgent &&
      entry.remote === last.remote &&
      entry.referer === last.referer &&
      entry.httpVersion === last.httpVersion;
    if (isLast) return text;
    const { remote, httpVersion, referer, userAgent } = entry;
    last = { remote, httpVersion, referer, userAgent };
    text = remote === undefined || remote === "" ? "" : `,"remote":"${jsonText(remote)}"`;
    text += `,"httpVersion":"${jsonText(httpVersion)}"`;
    if (referer !== undefined) text += `,"referer":"${jsonText(referer)}"`;
    if (userAgent !== undefined) text += `,"userAgent":"${jsonText(userAgent)}"`;
    return text;
  };
}

/** The Common Log Format of the NCSA and Apache servers (httpd.apache.org/docs/2.4/logs.html#common). */
function commonFormat(): LineFormat {
  return clipping(commonLine("\n"), quotedText);
}

/** Common, and the two headers that Apache's "combined" adds. */
function combinedFormat(): LineFormat {
  const common = commonLine("");
  const line: LineFormat = (entry, atMs) =>
    `${common(entry, atMs)} "${quotedText(entry.referer ?? "-")}" "${quotedText(entry.userAgent ?? "-")}"\n`;
  return clipping(line, quotedText);
}

function commonLine(end: string): LineFormat {
  const clfTime = cached(commonTime, 1000);
  return (entry, atMs) =>
    `${quotedText(entry.remote || "-")} - - [${clfTime(atMs)}] "${quotedText(entry.method)} ${quotedText(entry.path)} ` +
    `HTTP/${quotedText(entry.httpVersion)}" ${entry.status} ${entry.bytes === 0 ? "-" : entry.bytes}${end}`;
}

function prettyFormat(colour: boolean): LineFormat {
  const time = cached((atMs) => new Date(atMs).toTimeString().slice(0, 8), 1000);
  const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[39m` : text);
  const line: LineFormat = (entry, atMs) => {
    const wait = entry.waitMs >= 0.1 ? ` after ${entry.waitMs.toFixed(1)} ms in the queue` : "";
    const worker = entry.worker === null ? "" : ` worker ${entry.worker}`;
    const code = entry.code === undefined ? "" : ` ${quotedText(entry.code)}`;
    return (
      `${paint(90, time(atMs))} ${paint(statusColour(entry.status), String(entry.status))} ${quotedText(entry.method)} ` +
      `${quotedText(entry.path)} ${paint(90, `${entry.runMs.toFixed(1)} ms${wait}, ${entry.bytes} bytes,${worker}`)}${code}\n`
    );
  };
  return clipping(line, quotedText);
}

function statusColour(status: number): number {
  if (status >= 500) return 31;
  if (status >= 400) return 33;
  return status >= 300 ? 36 : 32;
}

/** "10/Oct/2000:13:55:36 -0700", in the machine's time zone. */
function commonTime(atMs: number): string {
  const date = new Date(atMs);
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const eastMinutes = -date.getTimezoneOffset();
  const offset = `${two(Math.trunc(Math.abs(eastMinutes) / 60))}${two(Math.abs(eastMinutes) % 60)}`;
  return (
    `${two(date.getDate())}/${months[date.getMonth()]}/${date.getFullYear()}:${two(date.getHours())}:` +
    `${two(date.getMinutes())}:${two(date.getSeconds())} ${eastMinutes < 0 ? "-" : "+"}${offset}`
  );
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** `make`, called once for each `periodMs` and not for each line. */
function cached(make: (atMs: number) => string, periodMs: number): (atMs: number) => string {
  let period = Number.NaN;
  let text = "";
  return (atMs) => {
    const now = Math.floor(atMs / periodMs);
    if (now !== period) {
      period = now;
      text = make(atMs);
    }
    return text;
  };
}

/** Microseconds are enough, and whole numbers become text faster than fractions. */
function milliseconds(valueMs: number): string {
  const us = Math.round(valueMs * 1000);
  const whole = Math.floor(us / 1000);
  const rest = us - whole * 1000;
  if (rest === 0) return `${whole}`;
  return rest >= 100 ? `${whole}.${rest}` : rest >= 10 ? `${whole}.0${rest}` : `${whole}.00${rest}`;
}

// What may stand between quotes as it is, in JSON as in the Common Log Format: printable ASCII without `"` and `\`.
const isClean = /^[ !#-[\]-~]*$/;

/** A text inside a JSON string, all ASCII. */
function jsonText(text: string): string {
  if (isClean.test(text)) return text;
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\x7f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A text inside the quotes of the other formats, escaped as Apache does: `\"`, `\\`, `\xhh` for each byte. */
function quotedText(text: string): string {
  if (isClean.test(text)) return text;
  return text.replace(/[^ !#-[\]-~]/gu, (char) => {
    if (char === '"' || char === "\\") return `\\${char}`;
    const code = char.codePointAt(0)!;
    // Node reads headers as Latin-1, so up to 0xff a character is the byte that was sent.
    const bytes = code <= 0xff ? [code] : Buffer.from(char);
    return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  });
}

/** Makes lines that would be too long again, with the texts that clients choose cut short. They are rare. */
function clipping(line: LineFormat, escaped: (text: string) => string): LineFormat {
  return (entry, atMs) => {
    const text = line(entry, atMs);
    if (text.length <= maxLineBytes) return text;
    const clipped: AccessEntry = {
      ...entry,
      path: clip(entry.path, 1900, escaped),
      referer: entry.referer === undefined ? undefined : clip(entry.referer, 700, escaped),
      userAgent: entry.userAgent === undefined ? undefined : clip(entry.userAgent, 700, escaped),
    };
    return line(clipped, atMs);
  };
}

/** As much of a text as is at most `limit` long once it is escaped, and "..." for the rest. */
function clip(text: string, limit: number, escaped: (text: string) => string): string {
  if (escaped(text).length <= limit) return text;
  let kept = text.slice(0, limit - 3);
  // A character becomes twelve at most, so this ends after a few turns and keeps at least a twelfth.
  while (escaped(kept).length > limit - 3) kept = kept.slice(0, Math.floor(kept.length * 0.7));
  return `${kept}...`;
}
