// Constant load, every request of which is accounted for: small ones and ones with 16 KiB there and back, over connections
// that are kept and over fresh ones, by clients that ask again at once and by clients that think first, so that at any
// moment some kept connections are idle.

import http from "node:http";
import type { TestContext } from "node:test";
import { patiently } from "./patience.ts";

export interface LoadResult {
  /** How often each outcome was seen: "ok", or what was seen instead. */
  readonly outcomes: Record<string, number>;
  readonly sent: number;
  readonly versions: ReadonlySet<string>;
}

export interface Load {
  /** Requests that have been answered in full so far. */
  readonly ok: number;
  /** Resolves when so many more requests have been answered. */
  answered(more: number): Promise<void>;
  /** Resolves when an application of this version has answered. */
  answeredBy(version: string): Promise<void>;
  /** Lets what is under way finish, and says what became of each request. */
  stop(): Promise<LoadResult>;
}

const large = Buffer.alloc(16 * 1024, "x");

export function startLoad(t: TestContext, url: string, { clients = 8 }: { clients?: number } = {}): Load {
  const agents = Array.from({ length: clients }, () => new http.Agent({ keepAlive: true, maxSockets: 1 }));
  const outcomes: Record<string, number> = {};
  const versions = new Set<string>();
  const waiters = new Set<() => void>();
  let sent = 0;
  let isStopping = false;

  const client = async (index: number) => {
    for (let turn = 0; !isStopping; turn++) {
      const body = (index + turn) % 3 === 0 ? large : null;
      const agent = index % 3 === 2 ? false : agents[index]!;
      sent++;
      const outcome = await send(url, { agent, body, number: sent, versions });
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      for (const waiter of waiters) waiter();
      // How long a client thinks is part of the load: a connection that is never idle can't be closed while idle.
      if (index % 2 === 0) await new Promise((resolve) => setTimeout(resolve, (turn % 5) * 4));
    }
  };
  const ended = Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  const stop = async () => {
    isStopping = true;
    await ended;
    for (const agent of agents) agent.destroy();
    return { outcomes, sent, versions };
  };
  t.after(stop);
  return {
    get ok() {
      return outcomes.ok ?? 0;
    },
    async answeredBy(version) {
      const answered = async () => {
        while (!versions.has(version)) await this.answered(1);
      };
      await patiently(answered(), () => ({ versions, outcomes }));
    },
    answered(more) {
      const goal = (outcomes.ok ?? 0) + more;
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiter = () => {
        if ((outcomes.ok ?? 0) < goal && !isStopping) return;
        waiters.delete(waiter);
        resolve();
      };
      waiters.add(waiter);
      return patiently(promise, () => ({ goal, outcomes }));
    },
    stop,
  };
}

interface Sending {
  readonly agent: http.Agent | false;
  readonly body: Buffer | null;
  readonly number: number;
  readonly versions: Set<string>;
}

function send(url: string, { agent, body, number, versions }: Sending): Promise<string> {
  const path = `/echo/${number}`;
  const expected = `${path} ${body?.length ?? 0} `.padEnd(body === null ? 64 : 16 * 1024, ".");
  return new Promise((resolve) => {
    const request = http.request(url + path, { agent, method: body === null ? "GET" : "POST" }, (response) => {
      let text = "";
      response.setEncoding("latin1");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("error", (error: NodeJS.ErrnoException) => resolve(`broken: ${error.code}`));
      response.on("end", () => {
        versions.add(String(response.headers["x-version"]));
        if (response.statusCode !== 200) resolve(`status ${response.statusCode}`);
        else resolve(text === expected ? "ok" : "another answer");
      });
    });
    request.on("error", (error: NodeJS.ErrnoException) => resolve(`failed: ${error.code ?? error.message}`));
    request.end(body ?? undefined);
  });
}
