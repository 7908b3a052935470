// A gate that requests wait at, in the application, until the test lets them through. So a test knows which requests run
// at a moment, in which process, and decides when each is answered, without a sleep.
//
// The application connects to the UNIX socket named by GATE, writes `{ number, pid }` as a line, and answers its client
// when it reads a byte.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { patiently } from "./patience.ts";

export interface Arrival {
  readonly number: number;
  readonly pid: number;
  release(): void;
}

export interface Gate {
  /** For the server's environment. */
  readonly env: { readonly GATE: string };
  /** Everything that has arrived so far, in order. */
  readonly arrivals: readonly Arrival[];
  /** Resolves with the first `count` arrivals. */
  waitFor(count: number): Promise<readonly Arrival[]>;
  /** From now on each arrival is handed to this, those that wait already included. */
  onArrival(act: (arrival: Arrival) => void): void;
  /** Lets everything through, now and later. */
  open(): void;
}

export async function startGate(t: TestContext): Promise<Gate> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-gate-"));
  const path = join(folder, "gate");
  const arrivals: Arrival[] = [];
  const sockets = new Set<net.Socket>();
  const watchers = new Set<() => void>();
  let act: (arrival: Arrival) => void = () => {};

  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // A worker that is killed resets it.
    socket.on("error", () => {});
    // One short line comes in one piece on a UNIX socket.
    socket.once("data", (line) => {
      const arrival = { ...JSON.parse(String(line)), release: () => socket.write("!") };
      arrivals.push(arrival);
      act(arrival);
      for (const watcher of watchers) watcher();
    });
  });
  server.listen(path);
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
    rmSync(folder, { recursive: true });
  });

  const gate: Gate = {
    env: { GATE: path },
    arrivals,
    waitFor(count) {
      const { promise, resolve } = Promise.withResolvers<Arrival[]>();
      const watcher = () => {
        if (arrivals.length < count) return;
        watchers.delete(watcher);
        resolve(arrivals.slice(0, count));
      };
      watchers.add(watcher);
      watcher();
      return patiently(promise, () => `${arrivals.length} of ${count} arrived`);
    },
    onArrival(newAct) {
      act = newAct;
      for (const arrival of arrivals) act(arrival);
    },
    open: () => gate.onArrival((arrival) => arrival.release()),
  };
  return gate;
}
