// A loop worker's end of what is said about connections between the loops of a server (edge/fair-share.ts).
//
// A process hands its connections on by way of the supervisor, a thread by way of its host, as far as this Node can transfer
// a socket from thread to thread; it can't one of a UNIX socket.

import type { SendHandle } from "node:child_process";
import { Socket } from "node:net";
import type { ShareLine } from "../edge/fair-share.ts";
import type { Listener } from "../edge/listener.ts";
import type { ToLoopOfMany } from "../ipc/messages.ts";
import type { Parent } from "../ipc/parent.ts";

/** Null where connections can't be handed on. */
export function shareLineOf(parent: Parent): ShareLine | null {
  const tell: ShareLine["tell"] = (counts) => void parent.send({ type: "connections", ...counts });
  const tellLast: ShareLine["tellLast"] = () => void parent.send({ type: "handedOverLast" });
  if (parent.thread !== null) {
    if (!transfersSockets || typeof parent.order.address === "string") return null;
    return {
      tell,
      tellLast,
      handOver: (to, connection) =>
        parent.send(connection === null ? { type: "handOver", to } : { type: "handOver", to, connection }),
    };
  }
  return {
    tell,
    tellLast,
    handOver: (to, connection) =>
      parent.send({ type: "handOver", to }, connection === null ? undefined : handleOf(connection)),
  };
}

export function share(listener: Listener, message: ToLoopOfMany, connection: unknown): void {
  switch (message.type) {
    case "tellConnections":
      listener.fairShare?.answer(message.question);
      return;
    case "giveConnections":
      listener.fairShare?.give(message.to, message.count);
      return;
    case "keepConnections":
      listener.fairShare?.keep(message.count, message.fewest);
      return;
    case "takeConnection":
      // Its client may have left while it was on its way; Node passes on that there was one.
      if (connection !== undefined) listener.adopt(connection);
      return;
    case "noneOnTheWay":
      listener.fairShare?.settled();
      return;
  }
}

/** The first versions of Node 24 can't. */
const transfersSockets = Object.getOwnPropertySymbols(Socket.prototype).some(
  ({ description }) => description === "messaging_transfer_symbol",
);

/** The connection without the socket around it: Node would count a socket as still open in the server that accepted it. */
function handleOf(connection: Socket): SendHandle {
  return (connection as unknown as { readonly _handle: SendHandle })._handle;
}
