// The application on a node:http server of the test's own, on a free port, closed when the test ends.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import app from "../app.ts";

export interface TestServer {
  readonly port: number;
  readonly url: (path: string) => string;
  /** The response that the application is given for the next request. */
  readonly nextResponse: () => Promise<ServerResponse>;
}

export async function startServer(
  t: TestContext,
  handle: (request: IncomingMessage, response: ServerResponse) => void = app,
): Promise<TestServer> {
  const waiting: ((response: ServerResponse) => void)[] = [];
  const server = createServer((request, response) => {
    waiting.shift()?.(response);
    handle(request, response);
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  t.after(async () => {
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    server.closeAllConnections();
    await closed.promise;
  });
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: (path) => `http://127.0.0.1:${port}${path}`,
    nextResponse: () => new Promise((resolve) => waiting.push(resolve)),
  };
}

export const asBrowser = { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };

/** The JSON of a response, as the type that the test expects and goes on to check. */
export async function jsonOf<T>(response: Response | Promise<Response>): Promise<T> {
  return (await (await response).json()) as T;
}
