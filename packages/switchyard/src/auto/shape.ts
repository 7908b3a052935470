// The shape of a path: `/users/123` and `/users/456` are one route, `/users/:id`.
//
// A calculation on the text of a path, for applications whose framework does not tell which route it took. A segment that
// looks like a value is `:id`: numbers and dates, UUIDs, hexadecimal and other random names, long names, slugs, anything
// that had to be percent-encoded. Values that look like words ("/users/anna") are told apart from names of routes by how
// many there are (`widen`, used by policy.ts). It promises that a pattern takes the path that it was made from, and that no
// path, however long, makes a long one.

/** One segment of a pattern, as plain data: `=text` is that text, the others are kinds of values. */
export type Token = `=${string}` | typeof idLike | typeof anySegment | typeof anyRest;

/** A segment that looks like a value. */
export const idLike = "#";
/** Any one segment. */
export const anySegment = "?";
/** All that follows, also nothing. */
export const anyRest = "*";

export interface Pattern {
  readonly tokens: readonly Token[];
}

/** Whether something that came from elsewhere is one. */
export function isPattern(value: unknown): value is Pattern {
  if (typeof value !== "object" || value === null || !("tokens" in value) || !Array.isArray(value.tokens)) return false;
  return value.tokens.every((token) => typeof token === "string" && /^(=.*|[#?*])$/s.test(token));
}

/** Segments that a pattern tells apart; what follows is taken as it comes. */
const maxSegments = 12;
/** Characters of a segment that is kept as it is. */
const maxLiteral = 40;

/** The path of a request's target, without its query; "*" and absolute forms (RFC 9112 §3.2) are taken as they are. */
export function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}

export function patternOfPath(path: string): Pattern {
  const segments = segmentsOf(path, maxSegments + 1);
  const tokens = segments
    .slice(0, maxSegments)
    .map((segment): Token => (looksLikeValue(segment) ? idLike : `=${segment}`));
  if (segments.length > maxSegments) tokens.push(anyRest);
  return { tokens };
}

export function matches({ tokens }: Pattern, path: string): boolean {
  let at = path.startsWith("/") ? 1 : 0;
  for (const token of tokens) {
    if (token === anyRest) return true;
    if (at > path.length) return false;
    const slash = path.indexOf("/", at);
    const end = slash === -1 ? path.length : slash;
    if (!takesSegment(token, path.slice(at, end))) return false;
    at = end + 1;
  }
  // A slash at the end is not told apart, as most frameworks do not.
  return at >= path.length;
}

/** `/users/:id`, as people and a config file write it. */
export function textOf({ tokens }: Pattern): string {
  const segments = tokens.map((token) => {
    if (token === anyRest) return "**";
    return token === idLike || token === anySegment ? ":id" : token.slice(1);
  });
  return `/${segments.join("/")}`;
}

/** The same pattern with any value at the place where the two differ, or null when they differ in more than one place. */
export function widen(one: Pattern, other: Pattern): Pattern | null {
  if (one.tokens.length !== other.tokens.length) return null;
  let differences = 0;
  const tokens = one.tokens.map((token, index): Token => {
    if (token === other.tokens[index]) return token;
    differences++;
    return anySegment;
  });
  return differences === 1 ? { tokens } : null;
}

export function looksLikeValue(segment: string): boolean {
  if (segment.length > maxLiteral) return true;
  if (segment === "") return false;
  // 123 · 12.5 · 2026-07-01 · 10:30
  if (/^\d[\d.,:_-]*$/.test(segment)) return true;
  if (/[%@=]/.test(segment)) return true;
  const digits = countOf(segment, /\d/g);
  const letters = segment.replaceAll(/[-_.~]/g, "");
  // UUIDs, hashes, object ids. A word of hexadecimal letters ("feedbeef") has a digit if it is none.
  if (letters.length >= 7 && digits > 0 && /^[\da-f]+$/i.test(letters)) return true;
  // Tokens: long, with digits among the letters. "ecmascript-2026-proposals" has them in a piece of their own.
  if (letters.length >= 16 && segment.split(/[-_.~]/).some((piece) => piece.length >= 8 && mixesDigits(piece)))
    return true;
  // user-10482 · IMG_0012.jpg, but not v2 or page3
  if (/[-_]\d{3,}(\.\w{1,5})?$/.test(segment)) return true;
  // 123.json
  if (/^\d+\.\w{1,5}$/.test(segment)) return true;
  // how-to-cook-rice-for-two
  return segment.length >= 20 && countOf(segment, /[-_]/g) >= 3;
}

function mixesDigits(piece: string): boolean {
  return /[a-z]\d+[a-z]/i.test(piece) || /\d[a-z]+\d/i.test(piece);
}

function takesSegment(token: Token, segment: string): boolean {
  if (token === anySegment) return segment !== "";
  if (token === idLike) return looksLikeValue(segment);
  return token.length === segment.length + 1 && token.endsWith(segment);
}

/** The first `limit` segments, without reading more of the path than these. */
function segmentsOf(path: string, limit: number): string[] {
  const trimmed = path.replace(/^\//, "").replace(/\/$/, "");
  return trimmed === "" ? [] : trimmed.split("/", limit);
}

function countOf(text: string, what: RegExp): number {
  return text.match(what)?.length ?? 0;
}
