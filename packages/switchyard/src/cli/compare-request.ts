// What `switchyard compare` sends besides a path: a method, headers and a body, the same for every path.
//
// It only reads flags. Fields that belong to the connection are refused, since whoever sends the requests writes them.

import type { RequestShape } from "../compare/load/orders.ts";
import { text } from "../config/values.ts";
import { SwitchyardError } from "../errors.ts";

/** HEAD has an answer without the body that its length tells of, and the others are about connections. */
const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

export const requestFlags = {
  method: {
    kind: text({ placeholder: "<method>", allowed: methods.join(", ") }),
    prose: `The method of every request: ${methods.join(", ")}. Default: GET, and POST with --body.`,
  },
  header: {
    kind: text({ placeholder: "<name: value>", allowed: 'a header, as in "Authorization: Bearer x"' }),
    prose: "A header of every request. May be given several times.",
    isRepeated: true,
  },
  body: {
    kind: text({ placeholder: "<text>", allowed: "the text of a body" }),
    prose: "The body of every request. Its type is application/json when it is JSON, unless --header names one.",
  },
} as const;

export interface RequestValues {
  readonly method: string | null;
  readonly header: readonly string[];
  readonly body: string | null;
}

/** @throws {SwitchyardError} `SY_OPTION_VALUE`. */
export function requestOf({ method: named, header, body }: RequestValues): RequestShape {
  const method = (named ?? (body === null ? "GET" : "POST")).toUpperCase();
  if (!methods.includes(method)) {
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `--method was given "${named}", and it takes ${methods.join(", ")}.`,
      fix: "Give the method that the path is for.",
    });
  }
  if (method === "GET" && body !== null) {
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: "--body was given with --method GET, and a GET has no body.",
      fix: "Leave out --method for a POST, or name another one.",
    });
  }
  const headers = header.map(headerOf);
  const hasType = headers.some(({ name }) => name.toLowerCase() === "content-type");
  if (body !== null && !hasType && isJson(body)) headers.push({ name: "Content-Type", value: "application/json" });
  return { method, headers, body: body ?? "" };
}

/** RFC 9110 §5.1 and §5.5. */
const headerLine =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?[ \t]*$/;
const ofConnection = new Set(["host", "connection", "content-length", "transfer-encoding", "upgrade", "expect", "te"]);

function headerOf(line: string): { name: string; value: string } {
  const [, name, value = ""] = headerLine.exec(line) ?? [];
  if (name === undefined) {
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `--header was given "${line}", and it takes a name, a colon and a value.`,
      fix: 'Write it as in --header "Authorization: Bearer x".',
    });
  }
  if (ofConnection.has(name.toLowerCase())) {
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `--header was given ${name}, which compare writes itself.`,
      fix: "Leave it out.",
    });
  }
  return { name, value };
}

function isJson(body: string): boolean {
  try {
    JSON.parse(body);
    return true;
  } catch {
    return false;
  }
}
