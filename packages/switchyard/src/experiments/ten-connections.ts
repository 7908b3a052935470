// A database that allows ten connections: what that does to each model, and what a pool of connections for each worker means.

import type { Bar } from "../compare/report/svg.ts";
import { ms } from "../plan/plan.ts";
import { startDatabase } from "./database.ts";
import { answersOf, type Bench, type Finding } from "./experiment.ts";

const connections = 10;
const requests = 100;
const queryMs = 100;

interface Variant {
  readonly name: string;
  readonly place: number;
  readonly args: readonly string[];
  /** Connections that each worker may open. */
  readonly poolSize: number;
  /** Where the application answers from a promise, or waits in straight-line style. */
  readonly path: "/" | "/wait";
}

const variants: readonly Variant[] = [
  { name: "async, 10", place: 0, args: ["--model", "async"], poolSize: 10, path: "/" },
  {
    name: "greenlet, 10",
    place: 4,
    args: ["--model", "greenlet", "--workers", "1"],
    poolSize: 10,
    path: "/wait",
  },
  { name: "sync, 4 × 1", place: 3, args: ["--model", "sync", "--workers", "4"], poolSize: 1, path: "/wait" },
  { name: "hybrid, 4 × 10", place: 1, args: ["--model", "hybrid", "--workers", "4"], poolSize: 10, path: "/" },
  { name: "hybrid, 4 × 2", place: 2, args: ["--model", "hybrid", "--workers", "4"], poolSize: 2, path: "/" },
];

export async function tenConnections(bench: Bench): Promise<Finding> {
  const { signal, onProcess } = bench;
  const database = await startDatabase({ connections, signal, onProcess });
  try {
    const times: Bar[] = [];
    const failures: Bar[] = [];
    const seen: string[] = [];
    for (const { name, place, args, poolSize, path } of variants) {
      const env = { ...database.env, POOL_SIZE: String(poolSize) };
      const answers = await bench.withServer(args, ({ target }) => answersOf(target, { path, count: requests }), {
        app: "ten-connections",
        env,
      });
      const lastMs = Math.max(...answers.map(({ latencyMs }) => latencyMs));
      const failed = answers.filter(({ status }) => status !== 200).length;
      const answered = requests - failed;
      times.push({ name, place, parts: [{ value: lastMs, kind: "" }], said: ms(lastMs) });
      failures.push({ name, place, parts: [{ value: failed, kind: "" }], said: String(failed) });
      seen.push(
        failed === 0
          ? `${name}: all ${requests} were answered, the last after ${ms(lastMs)}.`
          : `${name}: ${answered} were answered within ${ms(lastMs)}, and ${failed} failed with "too many clients".`,
      );
    }
    return { done: doneWith(database.name), seen: [...seen, ...meaning], pictures: picturesOf(times, failures) };
  } finally {
    await database.stop();
  }
}

function doneWith(name: string): string {
  return `${requests} requests at the same moment, each with a query of ${ms(queryMs)}, to a database that allows ${connections} connections (${name}). Each worker has a pool of its own; the figure behind a model is how many connections it may open.`;
}

const meaning = [
  `${connections} connections do ${connections} queries at a time: ${requests} take ${ms((requests / connections) * queryMs)} at the least, under every model. Who has no connection waits in the application's pool under async and greenlet, and in the server's queue under sync, where a worker has one query at a time.`,
  "A pool is for each worker, and the database counts all of them: four workers with pools of ten want forty connections, and whoever comes too late is refused at once, though it need only have waited.",
  "So the pools of all workers together must not be larger than the database's limit. switchyard plan --connections 10 reckons with it.",
];

function picturesOf(times: readonly Bar[], failures: readonly Bar[]): Finding["pictures"] {
  const failed = failures.some(({ parts }) => parts[0]!.value > 0);
  const last = { title: "Until the last had an answer", bars: times };
  return failed ? [last, { title: `Failed, of ${requests}`, bars: failures }] : [last];
}
