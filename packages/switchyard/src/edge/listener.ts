// The listener is where clients' connections come in: an HTTP/1.1 server, with TLS also HTTP/2 by ALPN, with a limit on
// everything that a client can send.
//
// It answers by itself what must not reach an application: malformed or oversized requests (400, 408, 413, 431), and
// connection upgrades that nobody takes. Every other request goes to `onRequest`. It takes a listening socket that
// somebody else has bound, so a worker's death closes nothing, and drains: no connection is accepted any more, idle ones
// are closed, and each answer still to be given tells its client that the connection closes.

import type http from "node:http";
import type http2 from "node:http2";
import net, { type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { exemptFromAdoption } from "../app/adopt.ts";
import { type ProgramSettings, withProgram } from "../config/program-settings.ts";
import type { ServeSettings } from "../config/settings.ts";
import type { StartOrder } from "../ipc/messages.ts";
import {
  createServer as createHttpServer,
  HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "../node-http.ts";
import { acceptWaiting } from "./accept-waiting.ts";
import { FairShare, type ShareLine } from "./fair-share.ts";
import { remoteOf, settleForwarding, TrustedProxies } from "./forwarding.ts";
import { mayHaveBody } from "./front.ts";
import { closeWith, goAway, goAwayInOrder, Handshakes, type Upgrade } from "./going-away.ts";
import { interceptConnections } from "./intercept.ts";
import { expectProxyHeader } from "./proxy-protocol.ts";
import {
  endLingering,
  refuse,
  refuseBody,
  refuseConnection,
  refuseUnread,
  statusOfClientError,
  whyRefused,
} from "./refusals.ts";

/** What is known of a request that was refused. */
export interface Refusal {
  /** Null when what came was no request. */
  readonly request: IncomingMessage | null;
  readonly remote: string | undefined;
  /** Bytes of the answer's body. */
  readonly bytes: number;
}

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

export interface ListenerOptions {
  readonly settings: ServeSettings;
  readonly tls: StartOrder["tls"];
  /** Under HTTP/2 the two are Node's compatibility objects, which look alike but are not of the same classes. */
  readonly onRequest: RequestListener;
  /** How large a request's body may be, in bytes. */
  readonly bodyLimitOf: (request: IncomingMessage) => number;
  /** Gets a request that waits for 100 Continue before it sends its body, and must answer it. */
  readonly onCheckContinue: RequestListener;
  /**
   * Whether a request for an upgrade, or with the method CONNECT, is handed to `onUpgrade` at this moment. If not, an upgrade is
   * served as the plain request it is, and a CONNECT is refused.
   */
  readonly takesUpgrades: (request: IncomingMessage) => boolean;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** A request was refused here, with this status, and never reached an application. */
  readonly onRefused: (status: number, refusal: Refusal) => void;
  /** Headers of a proxy that is not trusted were taken out of a request. Called once. */
  readonly onUntrustedProxy?: (peer: string, header: string) => void;
  /** A request that `onRequest` had got was answered here, because of its body. */
  readonly onBodyRefused: (response: ServerResponse, answer: { status: number; bytes: number }) => void;
  /** Where a loop that is one of several gives away the connections of which it has too many, or null. */
  readonly shareLine?: ShareLine | null;
}

type AnyServer = http.Server | http2.Http2SecureServer;

/** How often idle connections are looked for while draining, in milliseconds. */
const sweepEveryMs = 50;
/**
 * How many connections may wait to be accepted, where the kernel's own limit (net.core.somaxconn) is not lower. With Node's
 * default of 511, the next of a thousand clients that connect at once try again after a second.
 */
const longestBacklog = 4_096;
/** How often slow headers and bodies are looked for, in milliseconds; a client may be that much slower than its limit. */
const checkEveryMs = 1_000;

export class Listener {
  readonly #server: AnyServer;
  readonly #options: ListenerOptions;
  /** How long an HTTP/2 session may be kept with no request on it, in milliseconds. */
  #idleMs = 0;
  readonly #sessions = new Map<http2.Http2Session, { open: number; hasAsked: boolean }>();
  /** Connections with TLS: Node's server for them can't close them all. */
  readonly #secure = new Set<Socket>();
  readonly #handshakes: Handshakes | null;
  readonly #upgraded = new Map<Socket, Upgrade>();
  /** Connections whose bytes are not HTTP any more. */
  readonly #broken = new WeakSet<Duplex>();
  /** The connections that are this loop's own, when there may be other loops. */
  readonly fairShare: FairShare | null = null;
  /** Connections that another loop has accepted: the server does not count them. */
  readonly #adopted = new Set<Socket>();
  readonly #proxies: TrustedProxies;
  #hasToldOfProxy = false;
  /** Closes the connections whose PROXY header has not come. */
  #closeUnproxied: () => void = () => {};
  #isDraining = false;
  /** Resolves when this listener, which drains, accepts no more. */
  #accepted: Promise<void> = Promise.resolve();
  #drained: Promise<void> = Promise.resolve();
  #onNoneAdopted: () => void = () => {};
  #closesIdle = false;
  /** Connections that were adopted, and of which the loop has not looked whether they have brought something. */
  #justAdopted = 0;
  #sweep: NodeJS.Timeout | null = null;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#proxies = new TrustedProxies(options.settings.trustProxy);
    this.#server = exemptFromAdoption(createServer(options));
    this.applyProgram({});
    // Before others take the server's connections, so that it hears of each when the handshake begins.
    this.#handshakes = options.tls === null ? null : new Handshakes(this.#server);
    if (options.settings.proxyProtocol) {
      this.#closeUnproxied = expectProxyHeader(this.#server, {
        trusts: (address) => this.#proxies.trusts(address),
        timeoutMs: options.settings.headersTimeoutMs,
        onRefused: ({ remoteAddress }) => options.onRefused(400, { request: null, remote: remoteAddress, bytes: 0 }),
      });
    }
    this.#server.on("request", this.#admit(options.onRequest));
    this.#server.on("checkContinue", this.#admit(options.onCheckContinue));
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) =>
      this.#onClientError(error, socket),
    );
    this.#server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#onUpgrade(request, socket, head),
    );
    // node:http closes such a connection without a word where nobody listens. Of HTTP/2 it comes with a response instead.
    this.#server.on("connect", (request: IncomingMessage, socket: Socket | ServerResponse, head: Buffer) => {
      if ("writeHead" in socket) this.#refuse(request, 501, () => refuse(socket, 501, noProxy));
      else this.#onUpgrade(request, socket, head);
    });
    this.#server.on("session", (session: http2.Http2Session) => this.#onSession(session));
    this.#server.on("secureConnection", (socket: Socket) => {
      this.#secure.add(socket);
      socket.once("close", () => this.#secure.delete(socket));
    });
    const { shareLine = null } = options;
    if (shareLine !== null) {
      const begin = interceptConnections(this.#server, (socket) => this.fairShare?.accept(socket));
      this.fairShare = new FairShare(shareLine, begin);
    }
  }

  /** Takes a connection that another loop has accepted, as the handle that came from its process. */
  adopt(handle: unknown): void {
    // From another thread it comes as a socket, which has not begun to read and is left as an empty one.
    const own = handle instanceof net.Socket ? handleOf(handle) : handle;
    // The types lack the handle, by which Node itself makes a socket of a connection.
    const options = { handle: own, allowHalfOpen: true } as unknown as net.SocketConstructorOpts;
    const socket = new net.Socket(options);
    // As node:http sets it on the connections that it accepts.
    socket.setNoDelay(true);
    this.#adopted.add(socket);
    socket.once("close", () => {
      this.#adopted.delete(socket);
      if (this.#adopted.size === 0) this.#onNoneAdopted();
    });
    this.fairShare?.adopt(socket);
    if (this.#isDraining) {
      this.#justAdopted++;
      setImmediate(() => setImmediate(() => this.#justAdopted--));
    }
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The time limits of clients, with what the program set on a server of its own, for connections that come from now on. */
  applyProgram(program: ProgramSettings): void {
    const { keepAliveTimeoutMs, headersTimeoutMs, requestTimeoutMs } = withProgram(this.#options.settings, program);
    this.#idleMs = keepAliveTimeoutMs;
    const { timeout, maxRequestsPerSocket } = program;
    // The types of the server for TLS lack what it has for its HTTP/1.1 half.
    Object.assign(this.#server, {
      keepAliveTimeout: keepAliveTimeoutMs,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      ...(maxRequestsPerSocket === undefined ? {} : { maxRequestsPerSocket }),
    });
    if (timeout !== undefined) this.#server.setTimeout(timeout);
  }

  /** Begins to accept on a bound socket, by its descriptor in this process. */
  listen(fd: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ fd }, longestBacklog, () => {
        this.#server.removeListener("error", reject);
        resolve();
      });
    });
  }

  /**
   * Accepts what waits in the kernel's queue and nothing more, and resolves when every connection has closed. Idle
   * connections are closed at once, the others when they become idle; WebSockets are told to go away (1001) and upgraded
   * connections of any kind end with it.
   *
   * With `leavesIdle` an idle connection is not closed, nor one whose PROXY header or handshake is under way, since its client
   * may be sending a request on it at this moment: it is answered, and told then that the connection closes, or ends when it
   * was idle for keepAliveTimeoutMs, or slow for its limit, as it would have anyway. (docs/decisions/reload.md) May be called again without it.
   */
  drain({ leavesIdle }: { leavesIdle: boolean }): Promise<void> {
    const server = this.#server;
    if (!this.#isDraining) {
      this.#isDraining = true;
      // Where somebody else listens on the same socket, nothing that waits there is lost.
      const accepted = leavesIdle ? Promise.resolve() : acceptWaiting(server, longestBacklog);
      const closed = accepted.then(
        // node:http's own close() would end idle connections first.
        () => new Promise<void>((resolve) => void net.Server.prototype.close.call(server, () => resolve())),
      );
      this.#accepted = accepted;
      this.#drained = Promise.all([closed, this.fairShare?.end()]).then(() => this.#whenNoneAdopted());
      // A client that has just connected may refuse its own first requests on such word: it is told when it has asked.
      for (const [session, { hasAsked }] of this.#sessions) if (hasAsked || !leavesIdle) goAwayInOrder(session);
      for (const [socket, upgrade] of this.#upgraded) goAway(socket, upgrade);
    }
    if (!leavesIdle && !this.#closesIdle) {
      this.#closesIdle = true;
      // Not before: what has been sent on the last connections has been read by then.
      void this.#accepted.then(() => {
        this.#closeUnproxied();
        this.#handshakes?.closeSoon();
        this.#closeIdle();
        this.#sweep = setInterval(() => this.#closeIdle(), sweepEveryMs);
      });
    }
    return this.#drained.finally(() => {
      // What node:http's own close() would have stopped: its watch over slow requests.
      server.close();
      if (this.#sweep !== null) clearInterval(this.#sweep);
    });
  }

  #closeIdle(): void {
    // To node:http a connection is idle before its first request too, which may be here, unread.
    if (this.#justAdopted > 0) return;
    closeIdle(this.#server);
    // An idle client that was told to go away in order is done, and may neither answer the PING nor close.
    for (const [session, { open }] of this.#sessions) if (open === 0) session.close();
  }

  async #whenNoneAdopted(): Promise<void> {
    if (this.#adopted.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onNoneAdopted = resolve;
    });
  }

  /** Ends every connection now, answered or not. */
  closeAll(): void {
    this.#closeAll();
    // Those too that this listener, which drains, accepts yet.
    void this.#accepted.then(() => this.#closeAll());
  }

  #closeAll(): void {
    this.#closeUnproxied();
    this.#handshakes?.closeAll();
    if ("closeAllConnections" in this.#server) this.#server.closeAllConnections();
    for (const session of this.#sessions.keys()) session.destroy();
    for (const socket of this.#secure) socket.destroy();
    for (const socket of this.#upgraded.keys()) socket.destroy();
  }

  /** Puts the limits that need the head of a request before a listener of requests. */
  #admit(listener: RequestListener): RequestListener {
    return (request, response) => {
      // What follows a refused body, on a connection that is closed for answers already, is not served.
      if (request.httpVersionMajor < 2 && !request.socket.writable) return;
      this.#settleForwarding(request);
      if (lacksHost(request)) {
        this.#refuse(request, 400, () =>
          refuse(response, 400, "An HTTP/1.1 request has a Host header (RFC 9112, section 3.2)."),
        );
        return;
      }
      const declared = request.headers["content-length"];
      const bodyLimitBytes = declared === undefined ? 0 : this.#options.bodyLimitOf(request);
      if (declared !== undefined && Number(declared) > bodyLimitBytes) {
        this.#refuse(request, 413, () =>
          refuseUnread(response, 413, `The body is longer than ${bodyLimitBytes} bytes.`),
        );
        return;
      }
      if (declared === undefined && mayHaveBody(request)) this.#countBody(request, response);
      if (this.#isDraining && request.httpVersionMajor < 2 && !closeWith(response)) return;
      listener(request, response);
    };
  }

  #settleForwarding(request: IncomingMessage): void {
    const removed = settleForwarding(request, this.#proxies);
    if (removed === null || this.#hasToldOfProxy) return;
    this.#hasToldOfProxy = true;
    this.#options.onUntrustedProxy?.(request.socket.remoteAddress ?? "a UNIX socket", removed);
  }

  /** Answers a request here, counts it and gives it its access line. `answer` returns the bytes of the answer's body. */
  #refuse(request: IncomingMessage, status: number, answer: () => number): void {
    const remote = remoteOf(request);
    this.#options.onRefused(status, { request, remote, bytes: answer() });
  }

  /** The same on a connection whose bytes are no request. */
  #refuseConnection(socket: Duplex, status: number): void {
    const { remoteAddress } = socket as Socket;
    const bytes = refuseConnection(socket, status);
    this.#options.onRefused(status, { request: null, remote: remoteAddress, bytes });
  }

  /** Holds a body whose length was not declared to the limit, by counting what the parser pushes. */
  #countBody(request: IncomingMessage, response: ServerResponse): void {
    const bodyLimitBytes = this.#options.bodyLimitOf(request);
    let bytes = 0;
    let isRefused = false;
    const push = request.push;
    const countedPush = (chunk: Buffer | null, encoding?: BufferEncoding) => {
      // True: the rest is dropped as fast as it comes.
      if (isRefused) return true;
      bytes += chunk?.length ?? 0;
      if (bytes <= bodyLimitBytes) return push.call(request, chunk, encoding);
      isRefused = true;
      this.#refuseBody(response, 413, `The body is longer than ${bodyLimitBytes} bytes.`);
      return true;
    };
    request.push = countedPush;
  }

  #refuseBody(response: ServerResponse, status: number, why: string): void {
    const bytes = refuseBody(response, status, why);
    if (bytes !== null) this.#options.onBodyRefused(response, { status, bytes });
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    // A connection that its client reset has nobody to answer.
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    // Nothing can be said on a connection whose handshake is not done.
    if (error.code === "ERR_TLS_HANDSHAKE_TIMEOUT") {
      this.#options.onRefused(408, { request: null, remote: (socket as Socket).remoteAddress, bytes: 0 });
      socket.destroy();
      return;
    }
    // Whatever follows on a connection that was found broken is no request either.
    if (this.#broken.has(socket)) return;
    this.#broken.add(socket);
    const status = statusOfClientError(error);
    const response = responseOn(socket);
    if (response === null) {
      this.#refuseConnection(socket, status);
    } else if (!response.req.complete) {
      // The fault is in the body of a request that the application has begun.
      this.#refuseBody(response, status, whyRefused(status));
    } else {
      // The fault is in what follows a request: that one still gets its answer, and nothing comes after it.
      this.#options.onRefused(status, { request: null, remote: (socket as Socket).remoteAddress, bytes: 0 });
      if (!response.headersSent) response.setHeader("Connection", "close");
      response.once("finish", () => endLingering(socket));
    }
  }

  /** An HTTP/2 session with no request on it for as long as an HTTP/1.1 connection may be kept is told to go away. */
  #onSession(session: http2.Http2Session): void {
    const requests = { open: 0, hasAsked: false };
    this.#sessions.set(session, requests);
    session.once("close", () => this.#sessions.delete(session));
    session.on("stream", (stream) => {
      requests.open++;
      if (!requests.hasAsked && this.#isDraining) goAwayInOrder(session);
      requests.hasAsked = true;
      stream.once("close", () => {
        requests.open--;
      });
    });
    session.setTimeout(this.#idleMs);
    // Every time that nothing has passed for so long: a callback of setTimeout would be called once.
    session.on("timeout", () => {
      if (requests.open === 0) session.close();
    });
  }

  #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (!this.#options.takesUpgrades(request)) {
      const why = request.method === "CONNECT" ? noProxy : "This server takes no upgraded connections.";
      this.#refuse(request, 501, () => refuseConnection(socket, 501, why));
      return;
    }
    this.#settleForwarding(request);
    const upgrade = { protocol: request.headers.upgrade?.toLowerCase() ?? "", bytesBefore: socket.bytesWritten };
    this.#upgraded.set(socket, upgrade);
    socket.once("close", () => this.#upgraded.delete(socket));
    try {
      this.#options.onUpgrade(request, socket, head);
      if (this.#isDraining) goAway(socket, upgrade);
    } catch (error) {
      // The error is the process's to log. The connection has left the HTTP server, so nothing else would ever end it.
      socket.destroy();
      throw error;
    }
  }
}

/** RFC 9110, sections 9.3.6 and 15.6.2. */
const noProxy = "This server is no proxy and takes no CONNECT.";

function createServer(options: ListenerOptions): AnyServer {
  const { settings, tls } = options;
  const limits: http.ServerOptions = {
    maxHeaderSize: settings.maxHeaderBytes,
    connectionsCheckingInterval: checkEveryMs,
    // Checked here, where a refusal is counted.
    requireHostHeader: false,
  };
  // Node 24.9 and later ask before they treat a request as an upgrade, so that `Upgrade: h2c` is served as plain HTTP.
  const asking = {
    shouldUpgradeCallback: (request: IncomingMessage) => !isH2c(request) && options.takesUpgrades(request),
  };
  return tls === null
    ? createHttpServer({ ...limits, ...asking })
    : // Loaded only where it is used, for it takes longer than all else here.
      process.getBuiltinModule("node:http2").createSecureServer({
        ...limits,
        ...asking,
        cert: tls.cert,
        key: tls.key,
        allowHTTP1: true,
        handshakeTimeout: settings.tlsHandshakeTimeoutMs,
      });
}

/** An offer to go on in HTTP/2 without TLS, which no server takes up any more (RFC 9113 §3.1). */
function isH2c({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "h2c";
}

/** The answer that a connection is owed at this moment. Node keeps it on the socket, and no public name leads to it. */
function responseOn(socket: Duplex): ServerResponse | null {
  return (socket as unknown as { _httpMessage?: ServerResponse | null })._httpMessage ?? null;
}

/** Takes the connection out of a socket. Node keeps it there, and no public name leads to it. */
function handleOf(socket: Socket): unknown {
  const holder = socket as unknown as { _handle: unknown };
  const handle = holder._handle;
  holder._handle = null;
  return handle;
}

function lacksHost(request: IncomingMessage): boolean {
  return request.headers.host === undefined && request.httpVersion === "1.1";
}

function closeIdle(server: AnyServer): void {
  // The server with TLS has no such method of its own; its HTTP/1.1 half is kept where node:http's is.
  if ("closeIdleConnections" in server) server.closeIdleConnections();
  else HttpServer.prototype.closeIdleConnections.call(server as unknown as HttpServer);
}
