// Recycling: a worker that has served for long enough, or has grown too large, is replaced before it becomes a problem.
//
// Its successor is ready before it goes, so no request is lost; never two at once; and each worker's own limit lies up to a
// fifth below the one that was set, at random, so that workers that were started together do not come due together. One
// that can't be replaced, because the application does not load any more, serves on, and is tried again later.

import { nowMs } from "../clock.ts";
import type { ServeSettings } from "../config/settings.ts";
import { reportOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { WorkerSnapshot } from "../metrics/snapshot.ts";
import type { Member, Pool } from "./pool.ts";

export type RecycleLimits = Pick<
  ServeSettings,
  "maxRequests" | "maxLifetimeMs" | "memoryLimitBytes" | "heapLimitBytes"
>;

/** What one member has used so far; of a process with several workers, the most that any of them has. */
export interface Usage {
  readonly requests: number;
  readonly ageMs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
}

export interface RecyclerParts {
  readonly pool: Pool;
  readonly limits: () => RecycleLimits;
  readonly usageOf: (member: Member) => Omit<Usage, "ageMs">;
  /** Replaces a member, when nothing else is being changed. */
  readonly restart: (member: Member) => Promise<void>;
  readonly log: Log;
  /** What its members are called in the log. */
  readonly name: string;
}

export const noLimits: RecycleLimits = { maxRequests: 0, maxLifetimeMs: 0, memoryLimitBytes: 0, heapLimitBytes: 0 };

/** How long to leave a worker that could not be replaced, in milliseconds. */
const againAfterMs = 30_000;

export class Recycler {
  readonly #parts: RecyclerParts;
  /** A member's own share of each limit, from 0.8 to 1. */
  readonly #shares = new WeakMap<Member, number>();
  #isBusy = false;
  #notBeforeMs = 0;

  constructor(parts: RecyclerParts) {
    this.#parts = parts;
  }

  /** Replaces the first member that is due, unless one is being replaced. Called whenever the usage is known anew. */
  check(): void {
    if (this.#isBusy || nowMs() < this.#notBeforeMs) return;
    for (const member of this.#parts.pool.members) {
      const why = this.#whyDue(member);
      if (why === null) continue;
      void this.#recycle(member, why);
      return;
    }
  }

  #whyDue(member: Member): string | null {
    if (member.state.is !== "ready" || member.hasSuccessor || member.change !== null) return null;
    const { limits, usageOf } = this.#parts;
    const share = this.#shares.get(member) ?? shareOf(Math.random());
    this.#shares.set(member, share);
    return whyDue({ ...usageOf(member), ageMs: nowMs() - member.state.sinceMs }, limits(), share);
  }

  async #recycle(member: Member, why: string): Promise<void> {
    const { log, name, restart } = this.#parts;
    this.#isBusy = true;
    log.info({ [name]: member.number, pid: member.handle.pid, why }, `${name} ${member.number} is recycled: ${why}.`);
    try {
      await restart(member);
    } catch (error) {
      const { code, saw, fix } = reportOf(error);
      this.#notBeforeMs = nowMs() + againAfterMs;
      log.error(
        { code, saw, fix },
        `${name} ${member.number} could not be replaced, and serves on; tried again later.`,
      );
    } finally {
      this.#isBusy = false;
    }
  }
}

/** @param random from 0 to 1 */
export function shareOf(random: number): number {
  return 1 - random * 0.2;
}

/** Why a worker is to be replaced, as a phrase, or null. A limit of 0 is none. */
export function whyDue(usage: Usage, limits: RecycleLimits, share: number): string | null {
  const { maxRequests, maxLifetimeMs, memoryLimitBytes, heapLimitBytes } = limits;
  if (maxRequests > 0 && usage.requests >= maxRequests * share) {
    return `it has had ${usage.requests} requests, and maxRequests is ${maxRequests}`;
  }
  if (maxLifetimeMs > 0 && usage.ageMs >= maxLifetimeMs * share) {
    return `it has served for ${Math.round(usage.ageMs / 1_000)} s, and maxLifetimeMs is ${maxLifetimeMs}`;
  }
  // Memory is no clock: workers do not reach a limit together, and below it there is nothing to mend.
  if (memoryLimitBytes > 0 && usage.rssBytes > memoryLimitBytes) {
    return `its process has ${mib(usage.rssBytes)} of memory, and memoryLimitBytes is ${mib(memoryLimitBytes)}`;
  }
  if (heapLimitBytes > 0 && usage.heapBytes > heapLimitBytes) {
    return `its heap holds ${mib(usage.heapBytes)}, and heapLimitBytes is ${mib(heapLimitBytes)}`;
  }
  return null;
}

/** What the workers of one member have told of themselves. */
export function usageOf(workers: readonly WorkerSnapshot[]): Omit<Usage, "ageMs"> {
  return {
    requests: mostOf(workers.map(({ requests }) => requests.begun)),
    rssBytes: mostOf(workers.map(({ rssBytes }) => rssBytes)),
    heapBytes: mostOf(workers.map(({ vitals }) => vitals?.heapUsedBytes ?? 0)),
  };
}

export function mostOf(numbers: readonly number[]): number {
  return Math.max(0, ...numbers);
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`;
}
