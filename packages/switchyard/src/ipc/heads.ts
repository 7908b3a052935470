// Heads of requests and responses as flat text, a line for each part: what a serializer copies as one string, and what a
// process that only passes a message on never takes apart.
//
// Nothing in a head can hold a line feed: Node's parsers refuse one in what a client sends, and its ServerResponse in what
// an application answers (RFC 9110 §5.5).

import type { Endpoint, RequestHead, ResponseHead } from "./messages.ts";

export function packRequestHead({ method, url, httpVersion, rawHeaders, endpoint }: RequestHead): string {
  const before = `${method}\n${url}\n${httpVersion}\n${packEndpoint(endpoint)}`;
  return rawHeaders.length === 0 ? before : `${before}\n${rawHeaders.join("\n")}`;
}

export function unpackRequestHead(text: string): RequestHead {
  const parts = text.split("\n");
  return {
    method: parts[0]!,
    url: parts[1]!,
    httpVersion: parts[2]!,
    endpoint: {
      remoteAddress: textOrNone(parts[3]!),
      remotePort: numberOrNone(parts[4]!),
      remoteFamily: textOrNone(parts[5]!),
      localAddress: textOrNone(parts[6]!),
      localPort: numberOrNone(parts[7]!),
      encrypted: parts[8] === "1",
    },
    rawHeaders: parts.slice(requestParts),
  };
}

/** Before the headers: method, URL, version and six of the endpoint. */
const requestParts = 9;

export function packResponseHead({ status, statusMessage, rawHeaders, transferEncoding, close }: ResponseHead): string {
  const before = `${status}\n${statusMessage}\n${transferEncoding ?? ""}\n${close ? "1" : ""}`;
  return rawHeaders.length === 0 ? before : `${before}\n${rawHeaders.join("\n")}`;
}

export function unpackResponseHead(text: string): ResponseHead {
  const parts = text.split("\n");
  return {
    status: Number(parts[0]),
    statusMessage: parts[1]!,
    transferEncoding: textOrNone(parts[2]!) ?? null,
    close: parts[3] === "1",
    rawHeaders: parts.slice(responseParts),
  };
}

const responseParts = 4;

/** The status of a packed response head, by its first line alone. */
export function statusOf(packed: string): number {
  return Number(packed.slice(0, 3));
}

function packEndpoint(endpoint: Endpoint): string {
  const { remoteAddress, remotePort, remoteFamily, localAddress, localPort, encrypted } = endpoint;
  return `${remoteAddress ?? ""}\n${remotePort ?? ""}\n${remoteFamily ?? ""}\n${localAddress ?? ""}\n${localPort ?? ""}\n${encrypted ? "1" : ""}`;
}

function textOrNone(text: string): string | undefined {
  return text === "" ? undefined : text;
}

function numberOrNone(text: string): number | undefined {
  return text === "" ? undefined : Number(text);
}
