// What the dashboard may ask the server to do: reload, scale, restart, each a POST with a small JSON body.
//
// Three things must hold, so that no site that the user visits can steer the server through the user's browser: the Host
// is ours (guard.ts), the Origin is the page's own, and the request brings the token that is written into the page, in a
// header that a form can't send. An answer is 200, or a sentence that says what was wrong.

import { timingSafeEqual } from "node:crypto";
import { SwitchyardError } from "../../errors.ts";
import type { IncomingMessage } from "../../node-http.ts";
import type { ServerControl } from "../../server-control.ts";

export interface ActionAnswer {
  readonly status: number;
  readonly text: string;
}

/** How long a body of an action may be, in bytes. */
const maxBodyBytes = 1024;

export class Actions {
  readonly #control: ServerControl;
  readonly #token: Buffer;

  constructor(control: ServerControl, token: string) {
    this.#control = control;
    this.#token = Buffer.from(token);
  }

  /** Does what is asked for and resolves, when it is done or has failed, with what to answer. Never rejects. */
  async answer(request: IncomingMessage, action: string): Promise<ActionAnswer> {
    const refusal = this.#refusalOf(request);
    if (refusal !== null) return refusal;
    try {
      return await this.#act(action, await readJson(request));
    } catch (error) {
      if (error instanceof Unreadable) return { status: 400, text: error.message };
      if (error instanceof SwitchyardError) return { status: 409, text: `${error.saw} ${error.fix}` };
      return { status: 500, text: error instanceof Error ? error.message : String(error) };
    }
  }

  #refusalOf({ method, headers }: IncomingMessage): ActionAnswer | null {
    if (method !== "POST") return { status: 405, text: "An action is a POST." };
    const origin = headers.origin;
    // Programs send none; a browser sends it with every POST. A proxy with TLS before this port makes it an https one.
    if (origin !== undefined && origin !== `http://${headers.host}` && origin !== `https://${headers.host}`) {
      return { status: 403, text: "The request comes from another site." };
    }
    const given = Buffer.from(String(headers["x-switchyard-token"] ?? ""));
    if (given.length !== this.#token.length || !timingSafeEqual(given, this.#token)) {
      return {
        status: 403,
        text: "The token is not that of this server: it may have been restarted. Open the page again.",
      };
    }
    return null;
  }

  async #act(action: string, details: Readonly<Record<string, unknown>>): Promise<ActionAnswer> {
    switch (action) {
      case "reload":
        await this.#control.reload();
        return done;
      case "scale":
        await this.#control.scale(textOf(details, "lane"), numberOf(details, "workers"));
        return done;
      case "restart":
        await this.#control.restart(numberOf(details, "worker"));
        return done;
      default:
        return { status: 404, text: "There are the actions reload, scale and restart." };
    }
  }
}

const done: ActionAnswer = { status: 200, text: "done" };

class Unreadable extends Error {}

async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxBodyBytes) throw new Unreadable(`The body is longer than ${maxBodyBytes} bytes.`);
    pieces.push(piece);
  }
  const body = parsed(Buffer.concat(pieces).toString() || "{}");
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new Unreadable("The body is no JSON object.");
  return body as Record<string, unknown>;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Unreadable("The body is not JSON.");
  }
}

function textOf(details: Readonly<Record<string, unknown>>, key: string): string {
  const value = details[key];
  if (typeof value === "string" && value !== "") return value;
  throw new Unreadable(`"${key}" must be a text.`);
}

function numberOf(details: Readonly<Record<string, unknown>>, key: string): number {
  const value = details[key];
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new Unreadable(`"${key}" must be a whole number.`);
}
