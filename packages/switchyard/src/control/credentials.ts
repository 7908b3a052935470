// Whether a request to the admin port brings its token: as a bearer (RFC 6750 §2.1), or as the password of HTTP Basic
// (RFC 7617), for which browsers ask by themselves and which they then send with every request, events included.

import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "../node-http.ts";

/** What a request that brings no token is told to bring. */
export const challenges = ['Basic realm="Switchyard admin", charset="UTF-8"', 'Bearer realm="Switchyard admin"'];

export class Credentials {
  readonly #digest: Buffer | null;

  /** `token` is null when anybody may ask. */
  constructor(token: string | null) {
    this.#digest = token === null ? null : digestOf(token);
  }

  get areNeeded(): boolean {
    return this.#digest !== null;
  }

  areBroughtBy({ headers }: IncomingMessage): boolean {
    if (this.#digest === null) return true;
    const given = tokenIn(headers.authorization ?? "");
    // Digests are of one length, and where two begin to differ tells nothing of the texts.
    return given !== null && timingSafeEqual(digestOf(given), this.#digest);
  }
}

function digestOf(text: string): Buffer {
  return hash("sha256", text, "buffer");
}

function tokenIn(authorization: string): string | null {
  const [, scheme, value] = /^(bearer|basic) +(\S+) *$/i.exec(authorization) ?? [];
  if (scheme === undefined || value === undefined) return null;
  if (scheme.toLowerCase() === "bearer") return value;
  const pair = Buffer.from(value, "base64").toString();
  const colon = pair.indexOf(":");
  // The user's name can be any: there is only one user.
  return colon === -1 ? null : pair.slice(colon + 1);
}
