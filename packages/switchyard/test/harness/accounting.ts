// A client that accounts for every request that it sends: each has a number, which the application writes down when it
// runs it, and a connection of its own, on which everything that comes back is kept. So a second answer, an answer to
// another request, or none at all is seen, which an HTTP client library would hide.

import net from "node:net";
import { patiently } from "./patience.ts";
import type { LogLine, TestServer } from "./server.ts";

export interface Outcome {
  readonly number: number;
  /** The status of every final answer that came on the connection: one, when all is well. */
  readonly statuses: readonly number[];
  /** All that came. */
  readonly text: string;
  /** Why the connection broke, or null when it was closed in order. */
  readonly error: string | null;
}

export interface Sent {
  readonly number: number;
  readonly socket: net.Socket;
  readonly outcome: Promise<Outcome>;
}

export class Accounting {
  readonly #server: TestServer;
  readonly outcomes = new Map<number, Outcome>();
  #last = 0;

  constructor(server: TestServer) {
    this.#server = server;
  }

  get sent(): number {
    return this.#last;
  }

  /** Sends a request, whose answer is complete when the server closes the connection. */
  send(path: string, options: { method?: string; headers?: string; body?: string } = {}): Sent {
    const number = ++this.#last;
    const { method = "GET", headers = "", body = "" } = options;
    const sent = open(this.#server, number, (outcome) => this.outcomes.set(number, outcome));
    sent.socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Number: ${number}\r\n${headers}\r\n${body}`,
    );
    return sent;
  }

  /** Keeps `clients` requests under way until `count` have been sent, and resolves when each has an outcome. */
  async load(path: string, { clients, count }: { clients: number; count: number }): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    let left = count;
    const client = async () => {
      while (left-- > 0) outcomes.push(await this.send(path).outcome);
    };
    await Promise.all(Array.from({ length: clients }, client));
    return outcomes;
  }

  /** Numbers that the application says it has run, in order, a number for each time. */
  get ran(): number[] {
    return this.#server.lines.filter((line) => "ran" in line).map((line) => Number(line.ran));
  }

  /** The line that the application wrote when it ran a request. */
  runOf(number: number): LogLine | undefined {
    return this.#server.lines.find((line) => line.ran === number);
  }
}

/** Sends bytes as they are, on a connection of their own. */
export function sendRaw(server: TestServer, bytes: string | Uint8Array): Sent {
  const sent = open(server, 0, () => {});
  sent.socket.write(bytes);
  return sent;
}

/** A connection to the server on which nothing was sent yet. */
export function openConnection(server: TestServer): Sent {
  return open(server, 0, () => {});
}

function open(server: TestServer, number: number, done: (outcome: Outcome) => void): Sent {
  const { hostname, port } = new URL(server.url);
  const socket = net.connect(Number(port), hostname);
  let text = "";
  let error: string | null = null;
  socket.setEncoding("latin1");
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.on("error", (cause: NodeJS.ErrnoException) => {
    error = cause.code ?? cause.message;
  });
  const closed = new Promise<Outcome>((resolve) => {
    socket.once("close", () => {
      const result = { number, statuses: statusesIn(text), text, error };
      done(result);
      resolve(result);
    });
  });
  return { number, socket, outcome: patiently(closed, () => `request ${number}: ${JSON.stringify(text)}`) };
}

/** The status of each final answer in what came on a connection; interim ones (1xx) announce another. */
function statusesIn(text: string): number[] {
  const found = [...text.matchAll(/HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/g)].map((match) => Number(match[1]));
  return found.filter((status) => status >= 200);
}

/** How often each status was the one answer. Anything but one answer is counted under what was seen instead. */
export function tally(outcomes: Iterable<Outcome>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { statuses, error } of outcomes) {
    const key = statuses.length === 1 ? String(statuses[0]) : `${statuses.length} answers, ${error ?? "closed"}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
