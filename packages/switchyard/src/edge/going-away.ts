// How connections learn that this server, or this worker of it, serves no more: each protocol has its own way, and none of
// them may lose a request that is on its way.

import type { ServerResponse } from "node:http";
import type http2 from "node:http2";
import type { Server, Socket } from "node:net";
import { endLingering } from "./refusals.ts";

/** The answer with which each connection closes. */
const last = new WeakMap<Socket, ServerResponse>();

/**
 * Makes this answer the last one of its HTTP/1.1 connection, and tells the client with it. Of requests that were pipelined
 * each is told in turn, so that all that came before the client could know are answered.
 *
 * @returns whether it is: not when an earlier answer has said so already. The client knows then that the request of this one
 * was not served (RFC 9112 §9.6), and it must not be.
 */
export function closeWith(response: ServerResponse): boolean {
  const { socket } = response.req;
  const earlier = last.get(socket);
  if (earlier !== undefined && earlier !== response) {
    if (earlier.headersSent) return false;
    earlier.removeHeader("Connection");
  }
  response.setHeader("Connection", "close");
  last.set(socket, response);
  // What Node's server calls once the answer is out: the client may be sending its next requests at this moment, and a
  // reset would take the answer with it.
  socket.destroySoon = () => endLingering(socket);
  return true;
}

/**
 * Ends an HTTP/2 session without losing a request that is on its way: first a GOAWAY that refuses no stream yet, and when
 * the client has answered a PING that came after it, the one that names the last stream (RFC 9113 §6.8). Node's own client
 * answers nothing any more once it has read the first, and what it had not sent by then waits for the second.
 */
export function goAwayInOrder(session: http2.Http2Session): void {
  if (session.closed || session.destroyed) return;
  session.goaway(noError, highestStreamId);
  const late = setTimeout(() => session.close(), answerPingMs);
  session.once("close", () => clearTimeout(late));
  session.ping(() => session.close());
}

/** How long a client may take to answer the PING, in milliseconds. */
const answerPingMs = 1_000;
/** NO_ERROR (RFC 9113 §7). */
const noError = 0;
const highestStreamId = 2 ** 31 - 1;

/** What is known of a connection that was upgraded, or is about to be. */
export interface Upgrade {
  readonly protocol: string;
  /** What had been written on it before, in bytes. */
  readonly bytesBefore: number;
}

/**
 * A WebSocket is sent a close frame, "going away" (RFC 6455 §7.4.1), before its end; others just end. A WebSocket's client
 * answers with a close frame and has nothing else to say: one that does not is not waited for.
 */
export function goAway(socket: Socket, upgrade: Upgrade): void {
  if (!socket.writable) return;
  // An application that asks elsewhere first, for a session perhaps: its answer to the upgrade comes before anything of ours.
  if (socket.bytesWritten === upgrade.bytesBefore) {
    setTimeout(() => goAway(socket, upgrade), lookEveryMs).unref();
    return;
  }
  if (upgrade.protocol !== "websocket") {
    socket.end();
    return;
  }
  socket.end(Buffer.from([0x88, 0x02, 0x03, 0xe9]));
  // Not before everything that the application has sent is out.
  socket.once("finish", () => {
    const deadline = setTimeout(() => socket.destroy(), closeFrameMs);
    socket.once("close", () => clearTimeout(deadline));
  });
}

/** How often it is looked whether an upgrade has been answered, in milliseconds. */
const lookEveryMs = 50;
/** How long a WebSocket's client may take to answer the close frame, in milliseconds. */
const closeFrameMs = 2_000;

/** How long a handshake that has begun may still take once the server ends, in milliseconds. */
const handshakeGraceMs = 1_000;

/** The connections of a server with TLS whose handshake is not done. Its own lists begin after the handshake. */
export class Handshakes {
  readonly #open = new Set<Socket>();

  constructor(server: Server) {
    server.prependListener("connection", (socket: Socket) => {
      this.#open.add(socket);
      socket.once("close", () => this.#open.delete(socket));
    });
    server.on("secureConnection", (secure: Socket) => {
      const raw = rawOf(secure);
      // Rather wait for a handshake than close what is served.
      if (raw === undefined) this.#open.clear();
      else this.#open.delete(raw);
    });
  }

  /** Closes those that are not done soon. A request may be right behind the others: a reset would lose it. */
  closeSoon(): void {
    if (this.#open.size === 0) return;
    const late = [...this.#open];
    setTimeout(() => {
      for (const socket of late) if (this.#open.has(socket)) socket.destroy();
    }, handshakeGraceMs);
  }

  /** Closes them now: nothing has been asked on any. */
  closeAll(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

/** The connection that carries one with TLS. Node keeps it on the socket, and no public name leads to it. */
function rawOf(secure: Socket): Socket | undefined {
  return (secure as unknown as { readonly _parent?: Socket })._parent;
}
