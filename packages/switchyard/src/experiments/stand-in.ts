// Stands in for PostgreSQL where that is not installed: takes as many connections as it is told, and is a tenth of a second
// about every query, which it does not look at.
//
// It speaks as much of the protocol as a client needs to connect without a password and send simple queries (PostgreSQL's
// manual, chapter "Frontend/Backend Protocol"), so that the application is the same. Whoever comes when all connections are
// taken hears what PostgreSQL would say.

import { once } from "node:events";
import { createServer, type Socket } from "node:net";

export interface StandIn {
  close(): Promise<void>;
}

const answerAfterMs = 100;

/** Listens on this UNIX socket. */
export async function startStandIn(path: string, connections: number): Promise<StandIn> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    if (open.size >= connections) {
      // What it sends is read all the same: a socket that nobody reads never closes.
      socket.resume().end(tooManyClients);
      return;
    }
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    serve(socket);
  });
  server.listen(path);
  await once(server, "listening");
  return {
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function serve(socket: Socket): void {
  let received = Buffer.alloc(0);
  let hasBegun = false;
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (;;) {
      // The first message has no type before its length.
      const from = hasBegun ? 1 : 0;
      if (received.length < from + 4) return;
      const end = from + received.readUInt32BE(from);
      if (received.length < end) return;
      const type = hasBegun ? received.toString("latin1", 0, 1) : "";
      received = received.subarray(end);
      if (!hasBegun) socket.write(Buffer.concat([authenticated, ready]));
      else if (type === "Q") setTimeout(() => socket.write(Buffer.concat([completed, ready])), answerAfterMs);
      else if (type === "X") socket.end();
      hasBegun = true;
    }
  });
}

function message(type: string, body: Buffer | string): Buffer {
  const content = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(type, "latin1");
  head.writeUInt32BE(content.length + 4, 1);
  return Buffer.concat([head, content]);
}

const authenticated = message("R", Buffer.alloc(4));
const ready = message("Z", "I");
const completed = message("C", "SELECT 1\0");
const tooManyClients = message("E", "SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0");
