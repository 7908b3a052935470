// Ports for tests that must know one before anybody listens on it.

import { readFileSync } from "node:fs";
import net from "node:net";

/**
 * A port of 127.0.0.1 that nobody listens on. Not one that the kernel has just given: it might give that to the next who
 * asks for any, in another test. These are below those that the kernel gives, and differ from process to process.
 */
export async function freePort(): Promise<number> {
  const [first = 32_768] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/).map(Number);
  const lowest = 10_000;
  for (let port = lowest + ((process.pid * 7) % (first - lowest)); ; port = port + 1 < first ? port + 1 : lowest) {
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
