// A loop worker's end of what is said about connections between the loops of a server (edge/fair-share.ts).
//
// Loops that are threads take no part: the connection of a process can't be handed to one of its threads.

import type { SendHandle } from "node:child_process";
import type { Socket } from "node:net";
import type { ShareLine } from "../edge/fair-share.ts";
import type { Listener } from "../edge/listener.ts";
import type { ToLoopOfMany } from "../ipc/messages.ts";
import type { Parent } from "../ipc/parent.ts";

export function shareLineOf(parent: Parent): ShareLine {
  return {
    tell: (counts) => void parent.send({ type: "connections", ...counts }),
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
  }
}

/** The connection without the socket around it: Node would count a socket as still open in the server that accepted it. */
function handleOf(connection: Socket): SendHandle {
  return (connection as unknown as { readonly _handle: SendHandle })._handle;
}
