// Which lane a request goes to: the patterns of all lanes, compiled once, asked once for each request.
//
// A pattern is a path as the web's URLPattern has it (urlpattern.spec.whatwg.org): literal text, `:name` for one segment,
// `*` for any characters, slashes among them; `/**` for nothing or a slash and any characters. What costs more for each request (groups, regular
// expressions, modifiers), or more than its length for a long path (a name that is part of a segment, several `*` before
// the end), is not taken. A request's path is compared without its query, as it was sent, and not as dot
// segments resolve, because that is what the application sees. Percent-encodings that RFC 3986 §6.2.2 calls equivalent are
// one: `/%7Efoo` is `/~foo`, `%c3` is `%C3`. A calculation: no I/O.

/** What a lane matches by. */
export interface LanePattern {
  readonly name: string;
  readonly match: readonly string[];
  /** Null: every method. */
  readonly methods: readonly string[] | null;
}

/** A pattern that is no path pattern, in a sentence that says why; null for one that is. */
export function faultOfPattern(pattern: string): string | null {
  if (!pattern.startsWith("/") && pattern !== "*" && pattern !== "**") return "a pattern begins with /";
  if (pattern.includes("?") || pattern.includes("#")) return "a pattern is of the path alone, without ? and #";
  if (!pattern.isWellFormed()) return "it is not well-formed text";
  if (pattern.includes("***")) return "* and ** are the wildcards that there are";
  const odd = /[(){}+\\\s]/.exec(pattern);
  if (odd !== null) return `"${odd[0]}" has no meaning in a pattern: there are literal text, :name and *`;
  if (/:(?![A-Za-z_$])/.test(pattern)) return "a colon is followed by a name, as in /users/:id";
  if (/[^/]:|:[\w$]+[^\w$/]/.test(pattern)) return "a :name is a whole segment, as in /users/:id/posts";
  if (pattern.replace(/\*+$/, "").split(/\*+/).length > 2) return "it has more than one * before the one at its end";
  return null;
}

interface Compiled<Lane> {
  readonly lane: Lane;
  readonly methods: ReadonlySet<string> | null;
  readonly matches: (path: string) => boolean;
}

export class LaneMatcher<Lane extends LanePattern> {
  readonly #compiled: readonly Compiled<Lane>[];

  /** @param lanes the first that matches wins. */
  constructor(lanes: readonly Lane[]) {
    this.#compiled = lanes.flatMap((lane) =>
      lane.match.map((pattern) => ({ lane, methods: methodsOf(lane), matches: compile(pattern) })),
    );
  }

  /** The lane of a request, or null when no lane takes it. @param url as the request line has it. */
  match(method: string, url: string): Lane | null {
    if (this.#compiled.length === 0) return null;
    const path = pathOf(url);
    for (const { lane, methods, matches } of this.#compiled) {
      if ((methods === null || methods.has(method)) && matches(path)) return lane;
    }
    return null;
  }
}

/** A handler for GET answers HEAD too, in every framework (RFC 9110 §9.3.2). */
function methodsOf({ methods }: LanePattern): ReadonlySet<string> | null {
  if (methods === null) return null;
  return new Set(methods.includes("GET") ? [...methods, "HEAD"] : methods);
}

function compile(pattern: string): (path: string) => boolean {
  const text = normalized(pattern, encodeURIComponent);
  const tree = /^([^*:]*)\/\*\*$/.exec(text)?.[1];
  if (tree !== undefined)
    return (path) => path.startsWith(tree) && (path.length === tree.length || path.charCodeAt(tree.length) === slash);
  const firstSpecial = text.search(/\/?[*:]/);
  if (firstSpecial === -1) return (path) => path === text;
  const prefix = text.slice(0, firstSpecial);
  const source = text.replaceAll(/:[A-Za-z_$][\w$]*|\/\*\*|\*+|[^*:]/g, (part) => {
    if (part.length > 1 && part.startsWith(":")) return "[^/]+";
    if (part === "/**") return "(?:/.*)?";
    return part.startsWith("*") ? ".*" : part.replaceAll(/[\\^$.+?()[\]{}|/-]/g, "\\$&");
  });
  const expression = new RegExp(`^${source}$`);
  return (path) => path.startsWith(prefix) && expression.test(path);
}

/** The path of a request's target: without its query, and without scheme and host where a proxy's form has them. */
export function pathOf(url: string): string {
  let start = 0;
  if (url.charCodeAt(0) !== slash) {
    const authority = url.indexOf("://");
    if (authority === -1) return url;
    start = url.indexOf("/", authority + 3);
    if (start === -1) return "/";
  }
  const query = url.indexOf("?", start);
  const path = query === -1 ? url.slice(start) : url.slice(start, query);
  return isPlain.test(path) ? path : normalized(path, encodeByte);
}

const slash = 0x2f;
/** Nothing in it has two forms. */
const isPlain = /^[!-$&-~]*$/;
/** The characters that need no encoding (RFC 3986 §2.3). */
const unreserved = /^[A-Za-z0-9._~-]$/;

function normalized(path: string, encode: (character: string) => string): string {
  return path.replaceAll(/%[0-9a-fA-F]{2}|[^!-~]/gu, (text) => {
    if (text.length < 3) return encode(text);
    const character = String.fromCharCode(Number.parseInt(text.slice(1), 16));
    return unreserved.test(character) ? character : text.toUpperCase();
  });
}

/** Node shows bytes of a path that are no ASCII as Latin-1, a character each. */
function encodeByte(character: string): string {
  return `%${(character.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, "0")}`;
}
