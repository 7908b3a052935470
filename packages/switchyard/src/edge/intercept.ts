// A connection is looked at before its server has it: for its PROXY header, or for whose share it is.

import type { Server, Socket } from "node:net";

/**
 * Puts `accept` between a server and what it does with a connection.
 *
 * @returns what the server does with one.
 */
export function interceptConnections(server: Server, accept: (socket: Socket) => void): (socket: Socket) => void {
  const listeners = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", accept);
  return (socket) => {
    for (const listener of listeners) listener.call(server, socket);
  };
}
