// Connections that stay open and ask on each which process has them.

import net from "node:net";
import type { TestContext } from "node:test";
import tls from "node:tls";
import { mayBeReset } from "../harness/connections.ts";
import type { TestServer } from "../harness/server.ts";

export interface KeptConnection {
  /** Resolves with the body of the answer; rejects when the connection closes before one has come. */
  ask(path?: string): Promise<string>;
  readonly socket: net.Socket;
}

export function connect(t: TestContext, server: TestServer, unixPath?: string): KeptConnection {
  const { protocol, hostname, port } = new URL(server.url.startsWith("unix:") ? "http://localhost:1" : server.url);
  const socket =
    unixPath !== undefined
      ? mayBeReset(net.connect(unixPath))
      : protocol === "https:"
        ? mayBeReset(
            tls.connect({ port: Number(port), host: hostname, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] }),
          )
        : mayBeReset(net.connect(Number(port), hostname));
  t.after(() => socket.destroy());
  socket.setEncoding("latin1");
  let text = "";
  let settle: { resolve: (body: string) => void; reject: (error: Error) => void } | null = null;
  socket.on("data", (chunk) => {
    text += chunk;
    const head = text.indexOf("\r\n\r\n");
    const length = /content-length: (\d+)/i.exec(text)?.[1];
    if (head === -1 || length === undefined || text.length < head + 4 + Number(length)) return;
    const body = text.slice(head + 4);
    text = "";
    settle?.resolve(body);
  });
  socket.on("error", (error) => settle?.reject(error));
  socket.on("close", () => settle?.reject(new Error("The connection was closed.")));
  return {
    socket,
    ask: (path = "/") =>
      new Promise((resolve, reject) => {
        settle = { resolve, reject };
        socket.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
      }),
  };
}

/** How many of these answers came from each process. */
export function countEach(answers: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return counts;
}
