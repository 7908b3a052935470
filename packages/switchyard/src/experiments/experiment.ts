// What an experiment is, and what it has to work with: servers of the example application, one at a time, and requests that
// arrive together or keep coming.

import { nowMs } from "../clock.ts";
import { type Answered, Connection, requestFor } from "../compare/load/connection.ts";
import type { Generator } from "../compare/load/generator.ts";
import type { Target } from "../compare/load/orders.ts";
import type { Bar } from "../compare/report/svg.ts";
import type { Subject } from "../compare/subject.ts";

export interface Experiment {
  readonly name: string;
  /** The question that it answers. */
  readonly title: string;
  readonly run: (bench: Bench) => Promise<Finding>;
}

export interface Finding {
  /** What was done, in a sentence. */
  readonly done: string;
  /** What was seen, in whole sentences with this machine's numbers. */
  readonly seen: readonly string[];
  readonly pictures: readonly { readonly title: string; readonly bars: readonly Bar[] }[];
}

export interface Bench {
  readonly generator: Generator;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Aborted by Ctrl-C: whatever an experiment has started besides servers ends then. */
  readonly signal: AbortSignal;
  /** Starts an example with these flags of `serve`, atlas unless another is named, runs the work, and stops it. */
  withServer<Result>(
    args: readonly string[],
    work: (subject: Subject) => Promise<Result>,
    example?: { readonly app: string; readonly env: Readonly<Record<string, string>> },
  ): Promise<Result>;
  /** Has a process killed when this one is, until the returned function is called: when it has ended. */
  readonly onProcess: (pid: number) => () => void;
}

/** A city whose page waits for the upstream, 100 ms by default. */
export const waitingPath = "/cities/2988507";
/** About ten milliseconds of CPU time. */
export const computingPath = "/report/nearest?of=2988507";

/** Longer than any experiment's slowest request. */
const burstTimeoutMs = 60_000;

/**
 * Sends requests at the same moment, each on a connection of its own, and returns their latencies, shortest first.
 *
 * @throws when one is not answered with 200.
 */
export async function burst(target: Target, request: { path: string; count: number }): Promise<number[]> {
  const answers = await answersOf(target, request);
  const refused = answers.find(({ status }) => status !== 200);
  if (refused !== undefined) throw new Error(`${request.path} was answered with ${refused.status}.`);
  return answers.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
}

export interface Answer {
  readonly status: number;
  readonly latencyMs: number;
}

/**
 * Sends requests at the same moment, each on a connection of its own.
 *
 * @throws when one is not answered.
 */
export async function answersOf(target: Target, { path, count }: { path: string; count: number }): Promise<Answer[]> {
  const request = requestFor(target, path);
  const beganAtMs = nowMs();
  const connections: Connection[] = [];
  const timeout = AbortSignal.timeout(burstTimeoutMs);
  try {
    const answers = Array.from({ length: count }, () => {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      timeout.addEventListener("abort", () =>
        reject(new Error(`${path} was not answered within ${burstTimeoutMs} ms.`)),
      );
      const connection = new Connection(target, {
        onAnswer: (_connection: Connection, { status }: Answered) =>
          resolve({ status, latencyMs: nowMs() - beganAtMs }),
        onBroken: () => reject(new Error(`A connection for ${path} broke.`)),
      });
      connections.push(connection);
      connection.send(request);
      return promise;
    });
    return await Promise.all(answers);
  } finally {
    for (const connection of connections) connection.close();
  }
}
