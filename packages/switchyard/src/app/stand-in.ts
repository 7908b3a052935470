// Makes a program's http.Server behave as one that listens, while a worker's own server stands in for it.
//
// The server never binds a socket. It says `listening`, knows the worker's address, emits `listening` and `close` when Node
// would, and calls the callbacks of listen() and close(), so that a program's start and its SIGTERM handler work
// unmodified. All else about it (its listeners, its settings) is left as the program made it.
//
//   open() ──► listening ──► the program's close(), or ours ──► closing ──► closed
//                  └──► retire() ──► retired: a server like any other
//
// `closing` lasts until `whenProgramCloses` settles. listen() after closed opens it again, as in Node.

import type { Server } from "node:net";
import type { ListeningAddress } from "./application.ts";
import type { ListenCallback } from "./listen-arguments.ts";

export interface StandIn {
  readonly server: Server;
  /** Lets the server listen: `listening` is emitted and `callback` called in the next tick. */
  open(callback: ListenCallback | null): void;
  /** Closes it as the program's own close() would, without waiting for `whenProgramCloses`. */
  close(): Promise<void>;
  /**
   * Gives the server back, so that it can really listen. If it has said that it listens, the `listening` that Node emits
   * then stays unheard.
   */
  retire(): void;
}

export interface StandInOptions {
  readonly address: ListeningAddress;
  readonly whenProgramCloses: (() => Promise<void>) | undefined;
}

export function standInFor(server: Server, options: StandInOptions): StandIn {
  let state: "new" | "listening" | "closing" | "closed" | "retired" = "new";
  let wasAnnounced = false;
  // With no socket of its own, Node's close() only stops the http server's timers and emits `close` in the next tick.
  const closeInNode = server.close;

  function close(callback?: (error?: Error) => void): Server {
    if (state !== "listening") {
      if (typeof callback === "function") process.nextTick(callback, notRunning());
      return server;
    }
    state = "closing";
    if (typeof callback === "function") server.once("close", () => callback());
    // Whatever becomes of the requests in flight, the program is told that its server is closed.
    const told = options.whenProgramCloses?.() ?? Promise.resolve();
    told.then(finish, finish);
    return server;
  }

  function finish(): void {
    if (state === "closed") return;
    state = "closed";
    closeInNode.call(server);
  }

  Object.defineProperties(server, {
    listening: { configurable: true, get: () => state === "listening" },
    address: { configurable: true, writable: true, value: () => (state === "listening" ? options.address : null) },
    close: { configurable: true, writable: true, value: close },
  });

  return {
    server,
    open(callback) {
      if (state === "closing") throw notRunning();
      state = "listening";
      if (callback !== null) server.once("listening", callback);
      process.nextTick(() => {
        if (state !== "listening") return;
        wasAnnounced = true;
        server.emit("listening");
      });
    },
    async close() {
      if (state === "retired") server.close();
      if (state !== "listening" && state !== "closing") return;
      const closed = new Promise<void>((resolve) => server.once("close", () => resolve()));
      finish();
      await closed;
    },
    retire() {
      if (state !== "listening") return;
      state = "retired";
      for (const name of ["listening", "address", "close"]) Reflect.deleteProperty(server, name);
      if (wasAnnounced) muteSecondListening(server);
    },
  };
}

/** A program may have listeners for `listening` that stay, and that start something once. */
function muteSecondListening(server: Server): void {
  const { emit } = server;
  server.emit = function muted(this: Server, event: string | symbol, ...args: unknown[]): boolean {
    if (event !== "listening") return Reflect.apply(emit, this, [event, ...args]);
    Reflect.deleteProperty(server, "emit");
    return true;
    // The cast: one function stands for all overloads of emit().
  } as Server["emit"];
}

/** The error that Node's own close() passes to its callback when the server is not listening. */
function notRunning(): Error {
  return Object.assign(new Error("Server is not running."), { code: "ERR_SERVER_NOT_RUNNING" });
}
