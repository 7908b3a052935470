// Asks a database for something that takes a tenth of a second, over a pool of connections of its own, as applications do.
//
// Each worker loads this module and so has such a pool: POOL_SIZE connections at most, opened when they are needed. Which
// database it is says the environment (PGHOST, PGUSER, PGDATABASE). `/` answers from a promise, under any model; `/wait` in
// straight-line style, under sync and greenlet.

import type { IncomingMessage, ServerResponse } from "node:http";
import { wait } from "@switchyard/greenlet";
import { Pool } from "pg";

const pool = new Pool({ max: Number(process.env.POOL_SIZE ?? 10) });
// A connection that breaks while nobody uses it: the pool opens another when one is needed.
pool.on("error", () => {});

const query = "select pg_sleep(0.1)";

export default function tenConnections(request: IncomingMessage, response: ServerResponse): void {
  const answer = () => response.end("answered\n");
  const fail = (error: Error) => response.writeHead(500).end(`${error.message}\n`);
  if (request.url !== "/wait") {
    pool.query(query).then(answer, fail);
    return;
  }
  try {
    wait(pool.query(query));
    answer();
  } catch (error) {
    fail(error instanceof Error ? error : new Error(String(error)));
  }
}
