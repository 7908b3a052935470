// The dashboard's part of the admin server: the page at /, its files below /assets/, its events at /events.

import { randomBytes } from "node:crypto";
import type { ServerStatus } from "../../metrics/snapshot.ts";
import type { IncomingMessage, ServerResponse } from "../../node-http.ts";
import type { ServerControl } from "../../server-control.ts";
import { Actions } from "./actions.ts";
import { assetOf } from "./assets.ts";
import { isOwnHost } from "./guard.ts";
import { Live } from "./live.ts";
import { contentSecurityPolicy, dashboardPage } from "./page.ts";

export interface DashboardOptions {
  readonly status: () => ServerStatus;
  readonly control: ServerControl;
  /** Whether the page may be opened by any name: where a token guards it. */
  readonly anyHost: boolean;
}

export class Dashboard {
  readonly #live: Live;
  readonly #actions: Actions;
  readonly #anyHost: boolean;
  /** Written into the page; a request that changes something must bring it. */
  readonly #token = randomBytes(24).toString("base64url");

  constructor({ status, control, anyHost }: DashboardOptions) {
    this.#anyHost = anyHost;
    this.#live = new Live(status);
    this.#actions = new Actions(control, this.#token);
  }

  /** Answers a request that is the dashboard's, and returns whether it was. */
  answer(request: IncomingMessage, response: ServerResponse, pathname: string): boolean {
    const isAction = pathname.startsWith("/actions/");
    const isOurs = isAction || pathname === "/" || pathname === "/events" || pathname.startsWith("/assets/");
    if (!isOurs) return false;
    if (!this.#anyHost && !isOwnHost(request)) {
      sendText(
        response,
        421,
        "Open the dashboard by an IP address or as localhost: another name may be somebody else's.",
      );
    } else if (isAction) {
      void this.#act(request, response, pathname.slice("/actions/".length));
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      sendText(response, 405, "Only GET and HEAD are answered here.");
    } else if (pathname === "/") {
      send(request, response, { type: "text/html; charset=utf-8", body: dashboardPage({ token: this.#token }) });
    } else if (pathname === "/events") {
      this.#live.open(request, response);
    } else {
      this.#sendAsset(request, response, pathname.slice("/assets/".length));
    }
    return true;
  }

  close(): void {
    this.#live.close();
  }

  async #act(request: IncomingMessage, response: ServerResponse, action: string): Promise<void> {
    const { status, text } = await this.#actions.answer(request, action);
    sendText(response, status, text);
  }

  #sendAsset(request: IncomingMessage, response: ServerResponse, name: string): void {
    const asset = assetOf(name);
    if (asset === null) {
      sendText(response, 404, "There is no such file.");
    } else if (request.headers["if-none-match"] === asset.etag) {
      response.writeHead(304, { ETag: asset.etag, "Cache-Control": "no-cache" }).end();
    } else {
      send(request, response, { ...asset, headers: { ETag: asset.etag, "Cache-Control": "no-cache" } });
    }
  }
}

interface Answer {
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

function send(request: IncomingMessage, response: ServerResponse, { type, body, headers = {} }: Answer): void {
  response.writeHead(200, {
    "Content-Type": type,
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    "Content-Security-Policy": contentSecurityPolicy,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" });
  response.end(`${text}\n`);
}
