// What every client's connection in a test needs: a listener for its errors, and a way to wait for its end.
//
// A server that closes a connection while bytes are on their way to it makes the kernel reset it. On a slow machine that may
// come at any moment, after the test has seen all that it wanted too, and an "error" that nobody listens for ends the test's
// process. A test of the tests checks that none is opened without (test/structure/clients.test.ts).

interface Connection {
  on(event: "error", listener: () => void): unknown;
}

/** The same connection, which may be reset at any moment. Whoever waits for an event of it with `once` is told all the same. */
export function mayBeReset<C extends Connection>(connection: C): C {
  connection.on("error", () => {});
  return connection;
}

interface Closable {
  readonly closed: boolean;
  once(event: "close", listener: () => void): unknown;
}

/** Resolves when a socket is closed, in whichever way, or was before. */
export function closeOf(socket: Closable): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}
