// Adopts the server of a program that calls listen() itself.
//
// While an application loads, and for the rest of the thread's life, net.Server.prototype.listen passes through here. The
// first HTTP server that listens is adopted: it never binds, and the worker's own server stands in for it (stand-in.ts).
// Servers that share a request listener with it are its twins (Fastify makes one for each address of "localhost") and are
// treated alike. Every other server really listens, with a notice, because only the program knows what it is for.
//
// A program may start a server for something else first (metrics, a back end on a UNIX socket). So a later HTTP server that
// asks for the very port that is served here takes the first one's place, and that one listens by itself, as it had asked to.
//
// A server of Switchyard's own in the same thread listens on a descriptor after the load, or is exempted before.

import { type ListenOptions, Server as NetServer } from "node:net";
import { speaksHttp } from "../node-http.ts";
import type { LoadRequest } from "./application.ts";
import { askedPortOf, type ListenCall, listenCallOf } from "./listen-arguments.ts";
import { type StandIn, standInFor } from "./stand-in.ts";

export interface AdoptedServer {
  readonly standIn: StandIn;
  /** The port that the program passed to listen(), or null when it passed none. */
  readonly askedPort: number | null;
  /** What the program passed to listen(); null when it has not called it. */
  readonly listenArgs: readonly unknown[] | null;
}

export interface Adoption {
  /** The adopted server, from the moment that the program called listen(). */
  readonly adopted: AdoptedServer | null;
  /** Settles once the adopted server has emitted `listening`. */
  readonly listening: Promise<AdoptedServer>;
  /** Treats an exported server as if the program had called listen() on it. */
  adoptExported(server: NetServer): AdoptedServer;
  /** Ends adoption of the first server that comes: the application is `served`, a request listener or an app object. */
  settleOn(served: unknown): void;
  /** Calls back for every server that takes the place of what was served, and at once if one did before. */
  onTakeOver(taken: (adopted: AdoptedServer) => void): void;
}

type AdoptionRequest = Pick<LoadRequest, "address" | "notice" | "whenProgramCloses">;

const exempt = new WeakSet<NetServer>();
let listenInNode: NetServer["listen"] | null = null;
let current: ListenInterception | null = null;

/** Lets a server of Switchyard's own listen for real, in a thread where applications are loaded. */
export function exemptFromAdoption<T extends NetServer>(server: T): T {
  exempt.add(server);
  return server;
}

/** Starts to intercept listen(). A second call takes over from the first: a thread holds one application. */
export function interceptListen(request: AdoptionRequest): Adoption {
  listenInNode ??= installInterception();
  current = new ListenInterception(request);
  return current;
}

function installInterception(): NetServer["listen"] {
  const native = NetServer.prototype.listen;
  // The cast: one function stands for all overloads of listen(), as Node's own does.
  NetServer.prototype.listen = function listen(this: NetServer, ...args: unknown[]): NetServer {
    if (current === null || exempt.has(this)) return Reflect.apply(native, this, args);
    return current.listen(this, args);
  } as NetServer["listen"];
  return native;
}

class ListenInterception implements Adoption {
  adopted: AdoptedServer | null = null;
  readonly listening: Promise<AdoptedServer>;
  private resolveListening: (server: AdoptedServer) => void = () => {};
  private isSettled = false;
  private wasTakenOver = false;
  private taken: (adopted: AdoptedServer) => void = () => {};
  private readonly requestListeners = new Set<unknown>();
  private readonly twins = new WeakMap<NetServer, StandIn>();
  private readonly request: AdoptionRequest;

  constructor(request: AdoptionRequest) {
    this.request = request;
    this.listening = new Promise((resolve) => {
      this.resolveListening = resolve;
    });
  }

  listen(server: NetServer, args: readonly unknown[]): NetServer {
    const call = listenCallOf(args);
    const known = this.adopted?.standIn.server === server ? this.adopted.standIn : this.twins.get(server);
    if (known !== undefined) known.open(call.callback);
    else if (speaksHttp(server) && this.adopted === null && !this.isSettled) this.adopt(server, args, call);
    else if (speaksHttp(server) && this.isNearer(server, call)) this.takeOver(server, args, call);
    else if (speaksHttp(server) && this.isTwin(server)) this.openTwin(server, call);
    else if (this.asksForOurPort(call)) refusePort(server, call);
    else return this.listenForReal(server, args, call);
    closeOnAbort(server, call.options);
    return server;
  }

  adoptExported(server: NetServer): AdoptedServer {
    return this.adopt(server, null, { options: {}, callback: null });
  }

  settleOn(served: unknown): void {
    this.isSettled = true;
    this.requestListeners.add(served);
  }

  onTakeOver(taken: (adopted: AdoptedServer) => void): void {
    this.taken = taken;
    if (this.wasTakenOver && this.adopted !== null) taken(this.adopted);
  }

  private adopt(server: NetServer, listenArgs: readonly unknown[] | null, call: ListenCall): AdoptedServer {
    const standIn = standInFor(server, this.standInOptions());
    const adopted = { standIn, askedPort: askedPortOf(call.options), listenArgs };
    this.adopted = adopted;
    for (const listener of server.listeners("request")) this.requestListeners.add(listener);
    standIn.open(call.callback);
    server.once("listening", () => this.resolveListening(adopted));
    return adopted;
  }

  /**
   * Whether the server is what the program is for, rather than what is served now: it asks for the port that is served
   * here, or is the server around the app that was exported, and may have WebSocket listeners. A server on a UNIX socket
   * is given up for any port.
   */
  private isNearer(server: NetServer, call: ListenCall): boolean {
    if (this.adopted === null) return this.asksForOurPort(call) || this.isTwin(server);
    const { askedPort, listenArgs } = this.adopted;
    if (this.isTwin(server) || listenArgs === null || askedPort === this.ourPort()) return false;
    const isOnPath = listenCallOf(listenArgs).options.path !== undefined;
    return this.asksForOurPort(call) || (isOnPath && askedPortOf(call.options) !== null);
  }

  private asksForOurPort({ options }: ListenCall): boolean {
    return this.ourPort() !== null && askedPortOf(options) === this.ourPort();
  }

  private ourPort(): number | null {
    const { address } = this.request;
    return typeof address === "string" ? null : address.port;
  }

  private takeOver(server: NetServer, args: readonly unknown[], call: ListenCall): void {
    const before = this.adopted;
    const adopted = this.adopt(server, args, call);
    this.wasTakenOver = true;
    this.taken(adopted);
    if (before === null || before.listenArgs === null) return;
    before.standIn.retire();
    // Its callback was called, or waits for `listening`, since the stand-in opened.
    const itsArgs = before.listenArgs.filter((argument) => typeof argument !== "function");
    this.listenForReal(before.standIn.server, itsArgs, listenCallOf(itsArgs));
  }

  private isTwin(server: NetServer): boolean {
    return server.listeners("request").some((listener) => this.requestListeners.has(listener));
  }

  private openTwin(server: NetServer, call: ListenCall): void {
    const twin = standInFor(server, this.standInOptions());
    this.twins.set(server, twin);
    twin.open(call.callback);
  }

  private listenForReal(server: NetServer, args: readonly unknown[], call: ListenCall): NetServer {
    this.noticeListener(server, call);
    const listenArgs = canReusePort(call.options) ? [{ ...call.options, reusePort: true }, call.callback] : args;
    // The cast: listenInNode is set before the first ListenInterception is made.
    return Reflect.apply(listenInNode as NetServer["listen"], server, listenArgs);
  }

  private noticeListener(server: NetServer, { options }: ListenCall): void {
    // A descriptor that somebody else has bound opens nothing new: it is how a worker itself listens.
    if (options.fd !== undefined) return;
    const asked = options.path ?? (options.port === undefined ? "a port of its own" : `port ${options.port}`);
    const kind = speaksHttp(server) ? "HTTP server" : "server";
    const port = askedPortOf(options);
    const hint = speaksHttp(server) && port ? ` To serve that one instead: --port ${port}.` : "";
    this.request.notice(
      `The application opened another ${kind}, on ${asked}; it listens by itself, in every worker.${hint}`,
    );
  }

  private standInOptions() {
    return { address: this.request.address, whenProgramCloses: this.request.whenProgramCloses };
  }
}

/** The error that Node gives a second server on one port. Listening for real would take connections away from ours. */
function refusePort(server: NetServer, { options: { port } }: ListenCall): void {
  const message = `listen EADDRINUSE: address already in use :::${port}`;
  const error = Object.assign(new Error(message), { code: "EADDRINUSE", syscall: "listen", port: Number(port) });
  process.nextTick(() => server.emit("error", error));
}

/** Several workers can share a fixed port with SO_REUSEPORT, where Node's net has it; it throws on other platforms. */
function canReusePort(options: ListenOptions): boolean {
  const hasOption = process.platform === "linux" || process.platform === "freebsd";
  return hasOption && Number(options.port) > 0 && options.path === undefined && options.reusePort === undefined;
}

/** Node's listen() takes an AbortSignal that closes the server. */
function closeOnAbort(server: NetServer, options: ListenOptions): void {
  const signal = options.signal;
  if (signal === undefined) return;
  if (signal.aborted) server.close();
  else signal.addEventListener("abort", () => server.close(), { once: true });
}
