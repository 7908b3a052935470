// The admin server: a small HTTP server on a port of the supervisor's own, so that it answers when every worker is stuck.
// It has the dashboard, the status as JSON, and what tells a balancer outside whether to send requests here.
//
// Where it has a token, whoever brings none is told whether the server lives and is ready, and nothing else.

import type { AddressInfo } from "node:net";
import { SwitchyardError } from "../errors.ts";
import { exposition, expositionType } from "../metrics/exposition.ts";
import { pathOf, type ServerStatus } from "../metrics/snapshot.ts";
import { createServer, type IncomingMessage, type ServerResponse } from "../node-http.ts";
import type { ServerControl } from "../server-control.ts";
import { Credentials, challenges } from "./credentials.ts";
import { Dashboard } from "./dashboard/dashboard.ts";

export interface AdminServer {
  readonly url: string;
  close(): void;
}

export interface AdminOptions {
  readonly port: number;
  /** The address to listen on, and the token that requests must bring; null for none. */
  readonly access: { readonly host: string; readonly token: string | null };
  readonly status: () => ServerStatus;
  readonly control: ServerControl;
}

/** @throws {SwitchyardError} `SY_PORT_IN_USE`, `SY_PORT_DENIED`. */
export function startAdminServer(options: AdminOptions): Promise<AdminServer> {
  const { host, token } = options.access;
  const credentials = new Credentials(token);
  // What a token guards, another site's page can't reach by any name: a browser sends the token to no other name's page.
  const dashboard = new Dashboard({ ...options, anyHost: credentials.areNeeded });
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: 5_000, requestTimeout: 5_000 },
    (request, response) => {
      const pathname = pathOf(request.url ?? "/");
      const isTrusted = credentials.areBroughtBy(request);
      if (!isTrusted && !isProbe(pathname)) {
        refuse(response);
      } else if (!dashboard.answer(request, response, pathname)) {
        answer(request, response, { pathname, status: options.status, isTrusted });
      }
    },
  );
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, { host, port: options.port })));
    server.listen(options.port, host, () => {
      const { address, family, port } = server.address() as AddressInfo;
      resolve({
        url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}/`,
        close: () => {
          dashboard.close();
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}

function isProbe(pathname: string): boolean {
  return pathname === "/livez" || pathname === "/readyz";
}

function refuse(response: ServerResponse): void {
  response.setHeader("WWW-Authenticate", challenges);
  send(
    response,
    401,
    "text/plain; charset=utf-8",
    "Bring the token of --admin-token-file, as a bearer or a password.\n",
  );
}

interface Question {
  readonly pathname: string;
  /** Whether the asker may know more than a probe needs. */
  readonly isTrusted: boolean;
  readonly status: () => ServerStatus;
}

function answer(request: IncomingMessage, response: ServerResponse, { pathname, status, isTrusted }: Question): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    send(response, 405, "text/plain; charset=utf-8", "Only GET and HEAD are answered here.\n");
    return;
  }
  switch (pathname) {
    case "/status":
      send(response, 200, "application/json", `${JSON.stringify(status())}\n`);
      return;
    case "/metrics":
      send(response, 200, expositionType, exposition(status()));
      return;
    case "/livez":
      send(response, 200, "text/plain; charset=utf-8", "ok\n");
      return;
    case "/readyz":
      sendReadiness(response, status(), isTrusted);
      return;
    default:
      send(response, 404, "text/plain; charset=utf-8", "There are /, /status, /metrics, /livez and /readyz here.\n");
  }
}

function sendReadiness(response: ServerResponse, status: ServerStatus, isTrusted: boolean): void {
  const { phase, workers } = status;
  if (phase === "leaving" || phase === "draining") {
    send(response, 503, "text/plain; charset=utf-8", "the server is stopping\n");
    return;
  }
  const ready = workers.filter((worker) => worker.state === "ready").length;
  const unready = unreadyLanes(status);
  const isReady = ready > 0 && unready.length === 0;
  if (!isTrusted) {
    send(response, isReady ? 200 : 503, "text/plain; charset=utf-8", isReady ? "ok\n" : "not ready\n");
    return;
  }
  const why = ready === 0 ? "no worker is ready" : `no worker is ready for: ${unready.join(", ")}`;
  send(
    response,
    isReady ? 200 : 503,
    "text/plain; charset=utf-8",
    isReady ? `ok: ${ready} workers are ready\n` : `${why}\n`,
  );
}

/** The lanes that nobody could serve at this moment. A lane without workers of its own runs in the loop workers. */
function unreadyLanes({ lanes, workers }: ServerStatus): string[] {
  const isServed = (lane: string | null) => workers.some((each) => each.lane === lane && each.state === "ready");
  return lanes
    .filter(({ name, workers: own }) => (own === null ? !isServed(null) : own.min > 0 && !isServed(name)))
    .map(({ name }) => name);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  });
  response.end(body);
}

function listenError(error: NodeJS.ErrnoException, { host, port }: { host: string; port: number }): unknown {
  if (error.code === "EADDRINUSE") {
    return new SwitchyardError("SY_PORT_IN_USE", {
      saw: `The status page's port ${port} is in use by another process.`,
      fix: "Choose another with --admin-port, 0 for any free one, or off.",
      cause: error,
    });
  }
  if (error.code === "EACCES") {
    return new SwitchyardError("SY_PORT_DENIED", {
      saw: `This user may not listen on the status page's port ${port}.`,
      fix: "Choose one of 1024 or more with --admin-port.",
      cause: error,
    });
  }
  if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND") {
    return new SwitchyardError("SY_PORT_DENIED", {
      saw: `The status page's address ${host} is none of this machine's (${error.code}).`,
      fix: "Correct --admin-host: 0.0.0.0 is every IPv4 address of the machine, :: every address.",
      cause: error,
    });
  }
  return error;
}
