// An application as every worker sees it, whatever form its module gave it in.
//
// `load.ts` finds which form that is; each other file of this folder makes an Application of one form. An Application
// never listens, reads no option, and knows nothing of models: the worker that holds it decides when `handle` runs.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { ProgramSettings } from "../config/program-settings.ts";

export interface Application {
  /** What was found, for the first lines that the server prints: "an Express app (default export)". */
  readonly description: string;
  /** The port that the program passed to listen() when its server was adopted, else null. */
  readonly askedPort: number | null;
  /** What the program set on its own http.Server, to be kept by the server that stands in for it. */
  readonly serverSettings: ProgramSettings;

  /**
   * Answers one request, as a listener of http.Server's `request` event does. Starts synchronously: everything that a
   * synchronous handler does happens before this returns. A promise, where one is returned, settles when the handler has.
   * What it throws or rejects with is the caller's to log and answer with 500.
   */
  handle(request: IncomingMessage, response: ServerResponse): unknown;

  /** Whether the program takes upgraded connections (WebSocket), or requests of the method CONNECT, at this moment. */
  takesUpgrades(event: "upgrade" | "connect"): boolean;
  /** Hands over an upgraded connection. Only called when `takesUpgrades()`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;

  /** A listener of `checkContinue` when the program has one; else null, and the caller answers 100 by itself. */
  checkContinue(): ((request: IncomingMessage, response: ServerResponse) => void) | null;

  /**
   * The route that the application took for a request, as it wrote it (`/users/:name`): where its framework can be asked
   * and leaves nothing on the request itself. Asked after the handler ran, and of few requests.
   */
  readonly routeOf?: (request: IncomingMessage) => string | null;

  /** Ends what the program opened (Fastify's and Nest's close hooks), after the last request. */
  close(): Promise<void>;
}

/** What whoever starts a worker is told of its application. */
export interface Introduction {
  /** What was found. */
  readonly application: string;
  /** The port that the program passed to listen(). */
  readonly askedPort: number | null;
  /** What it set on its server. */
  readonly program: ProgramSettings;
}

export function introductionOf({ description, askedPort, serverSettings }: Application): Introduction {
  return { application: description, askedPort, program: serverSettings };
}

/** Where the server listens, for programs that ask their adopted server for its address. */
export type ListeningAddress = { address: string; family: string; port: number } | string;

export interface LoadRequest {
  /** The application's file, as an absolute path. */
  readonly file: string;
  readonly address: ListeningAddress;
  /** How long the application may take until it serves, in milliseconds. */
  readonly startTimeoutMs: number;
  /** Says something worth a log line: a second server that listens by itself, a loader in use. */
  readonly notice: (text: string) => void;
  /**
   * Called when the program itself closes its adopted server, as many do in a SIGTERM handler that then ends the process.
   * The program's callback and `close` event wait for this promise, so a worker that answers what is in flight here
   * loses nothing to such a handler. Absent: they come at once.
   */
  readonly whenProgramCloses?: () => Promise<void>;
}

/** As what node:http hands over a connection that is HTTP no more after this request. */
export function upgradeEventOf({ method }: IncomingMessage): "upgrade" | "connect" {
  return method === "CONNECT" ? "connect" : "upgrade";
}
