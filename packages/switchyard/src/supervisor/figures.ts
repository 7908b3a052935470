// What the supervisor knows of the server's figures: the last report of each member, and what those that have ended had
// counted, so that no count ever goes backwards.

import { nowMs } from "../clock.ts";
import type { FromWorker } from "../ipc/messages.ts";
import {
  afterDeath,
  type Dropped,
  type LaneWorkersSnapshot,
  noneDropped,
  noRequests,
  type RequestCounts,
  sumOf,
  sumOfDropped,
  type WorkerSnapshot,
} from "../metrics/snapshot.ts";
import { type LaneLatency, type LaneTraffic, latencyOf, sumOfTraffic, trafficAfterDeath } from "../metrics/traffic.ts";

type Report = FromWorker & { type: "report" };

interface Sums {
  readonly totals: RequestCounts;
  readonly traffic: readonly LaneTraffic[];
  readonly restarts: number;
  readonly dropped: Dropped;
}

/** Latencies are those of this many milliseconds. */
const latencyOverMs = 10_000;
/** How often the traffic is kept to compare with. */
const keepEveryMs = 1_000;

export class Figures<Member> {
  readonly #reports = new Map<Member, Report>();
  readonly #cpu = new CpuTimes();
  #gone: Sums = { totals: noRequests, traffic: [], restarts: 0, dropped: noneDropped };
  /** The traffic as it was, oldest first. */
  #past: { readonly atMs: number; readonly traffic: readonly LaneTraffic[] }[] = [];
  #timer: NodeJS.Timeout | null = null;

  /** Starts to keep what latencies are measured against. */
  start(): void {
    this.#timer = setInterval(() => this.#keep(), keepEveryMs).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  report(member: Member, report: Report): void {
    this.#reports.set(member, report);
    for (const worker of report.workers) this.#cpu.told(worker);
  }

  /** A member has ended. @returns what it had told last. */
  gone(member: Member): Report | null {
    const report = this.#reports.get(member);
    if (report === undefined) return null;
    this.#reports.delete(member);
    const { totals, traffic, restarts, dropped } = this.#gone;
    this.#gone = {
      totals: sumOf([totals, afterDeath(report.totals)]),
      traffic: sumOfTraffic([traffic, trafficAfterDeath(report.traffic)]),
      restarts: restarts + (report.restarts ?? 0),
      dropped: sumOfDropped([dropped, report.dropped]),
    };
    return report;
  }

  /** The workers of a member, as it has told last. */
  workersOf(member: Member): readonly WorkerSnapshot[] {
    return this.#reports.get(member)?.workers ?? [];
  }

  totals(): RequestCounts {
    return sumOf([this.#gone.totals, ...this.#each(({ totals }) => totals)]);
  }

  traffic(): LaneTraffic[] {
    return sumOfTraffic([this.#gone.traffic, ...this.#each(({ traffic }) => traffic)]);
  }

  latency(): LaneLatency[] {
    const before = this.#past[0]?.traffic ?? [];
    return this.traffic().map((now) =>
      latencyOf(
        now,
        before.find(({ lane }) => lane === now.lane),
      ),
    );
  }

  /** Restarts that members have told of. */
  restarts(): number {
    return this.#each(({ restarts }) => restarts ?? 0).reduce((sum, each) => sum + each, this.#gone.restarts);
  }

  dropped(): Dropped {
    return sumOfDropped([this.#gone.dropped, ...this.#each(({ dropped }) => dropped)]);
  }

  workers(): WorkerSnapshot[] {
    return this.#each(({ workers }) => [...workers])
      .flat()
      .sort((a, b) => a.worker - b.worker);
  }

  /** What the processes of lanes' workers tell of them. */
  lanes(): LaneWorkersSnapshot[] {
    return this.#each(({ lanes }) => [...(lanes ?? [])]).flat();
  }

  /** By worker number, in milliseconds. */
  cpuMs(): Record<number, number> {
    return this.#cpu.byWorker();
  }

  #each<T>(read: (report: Report) => T): T[] {
    return [...this.#reports.values()].map(read);
  }

  #keep(): void {
    const atMs = nowMs();
    this.#past.push({ atMs, traffic: this.traffic() });
    // The first that is kept is the youngest of those that are old enough.
    while (this.#past.length > 1 && atMs - this.#past[1]!.atMs >= latencyOverMs) this.#past.shift();
  }
}

/** CPU time by worker number: of the worker that has the number now, and of those that had it before. */
class CpuTimes {
  readonly #byWorker = new Map<number, { life: string; nowMs: number; beforeMs: number }>();

  told({ worker, pid, vitals }: WorkerSnapshot): void {
    if (vitals === null) return;
    const life = `${pid} ${vitals.startedAtMs}`;
    const known = this.#byWorker.get(worker);
    if (known === undefined) this.#byWorker.set(worker, { life, nowMs: vitals.cpuMs, beforeMs: 0 });
    else if (known.life === life) known.nowMs = Math.max(known.nowMs, vitals.cpuMs);
    else this.#byWorker.set(worker, { life, nowMs: vitals.cpuMs, beforeMs: known.beforeMs + known.nowMs });
  }

  byWorker(): Record<number, number> {
    return Object.fromEntries([...this.#byWorker].map(([worker, { nowMs, beforeMs }]) => [worker, nowMs + beforeMs]));
  }
}
