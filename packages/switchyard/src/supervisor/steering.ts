// Changes of a running server's workers: a reload, another number, a restart by hand. One at a time (changes.ts), each
// whole or not at all: what fails leaves the workers, and the settings for those to come, as they were.
//
// Loop workers are in the supervisor's own pool. Those of model sync are the balancer's, which is asked to change them.

import { nowMs } from "../clock.ts";
import { defaultLaneName, type LaneSettings, lanesOf } from "../config/lanes.ts";
import { type ProgramSettings, withProgram } from "../config/program-settings.ts";
import type { ServeSettings } from "../config/settings.ts";
import { type WorkerPlan, workerPlan } from "../config/workers.ts";
import { reportOf, SwitchyardError } from "../errors.ts";
import type { PoolChange, ToWorker } from "../ipc/messages.ts";
import type { Log } from "../log/log.ts";
import type { Phase, WorkerSnapshot } from "../metrics/snapshot.ts";
import { Changes } from "../pool/changes.ts";
import type { Member, Pool } from "../pool/pool.ts";
import type { LanePool } from "./lane-pool.ts";
import { readCpus } from "./machine.ts";
import { assertReloadable, retireWithinMs } from "./reload.ts";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

/** What whoever is started is told: a reload replaces it. */
export interface Now {
  readonly settings: ServeSettings;
  readonly plan: WorkerPlan;
  readonly tls: TlsFiles | null;
  /** Every lane but the default one. */
  readonly lanes: readonly LaneSettings[];
}

export interface SteeringParts {
  now: Now;
  readonly phase: () => Phase;
  readonly pool: Pool;
  readonly lanePool: LanePool;
  /** Tells every loop worker. */
  readonly tellLoops: (message: ToWorker) => void;
  /** Every worker, as it has told last. */
  readonly workers: () => readonly WorkerSnapshot[];
  readonly log: Log;
  readonly readSettings: () => Promise<ServeSettings>;
}

export class Steering {
  readonly #parts: SteeringParts;
  readonly #changes = new Changes();
  /** Changes that a balancer was told to make, by their number. */
  readonly #asked = new Map<number, { member: Member; resolve: () => void; reject: (error: Error) => void }>();
  #lastAsked = 0;
  #reloads = 0;
  /** The number that signals have asked for and that is not there yet. */
  #wanted: number | null = null;

  constructor(parts: SteeringParts) {
    this.#parts = parts;
  }

  /** What the program set on its server, as a worker has told. */
  program: ProgramSettings = {};

  /** How long a worker that is replaced now may live on, in milliseconds. */
  get retireWithinMs(): number {
    return retireWithinMs(withProgram(this.now.settings, this.program));
  }

  get now(): Now {
    return this.#parts.now;
  }

  /** What is being changed now, in a word, or null. */
  get change(): string | null {
    return this.#changes.current;
  }

  get reloads(): number {
    return this.#reloads;
  }

  /** Beside loop workers, lanes with workers of their own have a process; under sync, the balancer's is theirs too. */
  async startLanePool(): Promise<void> {
    if (!this.#isSync && this.now.lanes.some(({ workers }) => workers !== null)) await this.#parts.lanePool.start();
  }

  reload(): Promise<void> {
    return this.#changes.reload(async () => {
      const { log } = this.#parts;
      const before = this.now;
      const withinMs = this.retireWithinMs;
      const startedAtMs = nowMs();
      log.info({}, "Reload: new workers are started beside the old.");
      try {
        // Also before what takes time: a server that ends has little of it left to answer in.
        this.#assertServing();
        const settings = await this.#parts.readSettings();
        assertReloadable(before.settings, settings);
        this.#assertServing();
        const plan = settings.workers === before.settings.workers ? before.plan : workerPlan(settings, readCpus());
        // The lane of routes that model auto has moved is no part of the settings.
        const auto = before.lanes.filter(({ origin }) => origin === "auto");
        const lanes = [...lanesOf(settings, readCpus()), ...auto];
        this.#parts.now = { settings, plan, tls: readTlsFiles(settings), lanes };
        const size = this.#isSync ? 1 : plan.processes;
        await this.#prepareLanePool(withinMs);
        await this.#parts.pool.reload({ size, withinMs });
        this.#parts.lanePool.takeOver(withinMs);
      } catch (error) {
        this.#parts.now = before;
        this.#parts.lanePool.abandon();
        const { code, saw, fix } = reportOf(error);
        log.error({ code, saw, fix }, "The reload failed; the workers that were there go on.");
        throw error;
      }
      this.#reloads++;
      const tookMs = Math.round(nowMs() - startedAtMs);
      log.info({ tookMs, reloads: this.#reloads }, `Reloaded in ${tookMs} ms; the old workers finish what they have.`);
    });
  }

  /** New loop workers know the new process of the lanes' workers from their start; the old loops keep the old one. */
  async #prepareLanePool(withinMs: number): Promise<void> {
    const { lanePool } = this.#parts;
    if (lanePool.isStarted) await lanePool.prepare(withinMs);
    else await this.startLanePool();
  }

  /**
   * These are the lanes from now on. A lane that is new gets workers, and requests when they are ready; one that is gone
   * gets no request any more before its workers end.
   *
   * @throws {SwitchyardError} the application's own error when a worker can't be ready, `SY_STOPPING`. All stays as it was.
   */
  async changeLanes(lanes: readonly LaneSettings[]): Promise<void> {
    await this.#changes.run("lanes", async () => {
      this.#assertServing();
      const { tellLoops, pool, lanePool } = this.#parts;
      const before = this.now;
      const stays = (lane: LaneSettings) => lanes.some(({ name }) => name === lane.name);
      if (!before.lanes.every(stays)) tellLoops({ type: "lanes", lanes: before.lanes.filter(stays) });
      this.#parts.now = { ...before, lanes };
      try {
        if (this.#isSync) await this.#ask(pool.members, { lanes });
        else if (lanePool.isStarted) await this.#ask(lanePool.members, { lanes });
        else await this.startLanePool();
      } catch (error) {
        this.#parts.now = before;
        tellLoops({ type: "lanes", lanes: before.lanes });
        throw error;
      }
      tellLoops({ type: "lanes", lanes });
    });
  }

  async #scaleLane(name: string, workers: number): Promise<void> {
    const lane = this.now.lanes.find((each) => each.name === name);
    if (lane === undefined || lane.workers === null) throw noLane(name);
    await this.#changes.run("scale", async () => {
      this.#assertServing();
      const { pool, lanePool } = this.#parts;
      await this.#ask(this.#isSync ? pool.members : lanePool.members, { lane: name, workers });
      const scaled = { ...lane, workers: { min: workers, max: workers } };
      // A process that takes the place of this one has as many.
      this.#parts.now = { ...this.now, lanes: this.now.lanes.map((each) => (each === lane ? scaled : each)) };
      this.#parts.log.info({ lane: name, workers }, `Lane ${name} has ${workers} workers from now on.`);
    });
  }

  async scale(lane: string, workers: number): Promise<void> {
    assertCount(workers);
    if (lane !== defaultLaneName) {
      await this.#scaleLane(lane, workers);
      return;
    }
    await this.#changes.run("scale", async () => {
      this.#assertServing();
      const { plan } = this.now;
      const perProcess = Math.max(1, plan.threads);
      const processes = Math.ceil(workers / perProcess);
      if (this.#isSync) await this.#ask(this.#parts.pool.members, { lane: defaultLaneName, workers });
      else await this.#parts.pool.resize(processes, this.retireWithinMs);
      const total = this.#isSync ? workers : processes * perProcess;
      this.#parts.now = { ...this.now, plan: { ...plan, processes, total, why: "as asked for while it ran" } };
      this.#parts.log.info({ workers: total }, `Scaled from ${plan.total} to ${total} workers.`);
    });
  }

  /** One process more, or one less, but the last. */
  async scaleBy(processes: 1 | -1): Promise<void> {
    // Signals that come fast are counted each: by what the one before it has made of the number.
    const { plan } = this.now;
    this.#wanted = Math.min(
      mostWorkers,
      Math.max(1, (this.#wanted ?? plan.total) + processes * Math.max(1, plan.threads)),
    );
    const wanted = this.#wanted;
    try {
      await this.scale("default", wanted);
    } finally {
      if (this.#wanted === wanted) this.#wanted = null;
    }
  }

  /** Replaces a member of the pool that is due, when nothing else is being changed. */
  recycle(member: Member): Promise<void> {
    return this.#changes.run("recycle", async () => {
      this.#assertServing();
      if (member.state.is === "ready") await this.#parts.pool.restart(member, this.retireWithinMs);
    });
  }

  async restart(worker: number): Promise<void> {
    await this.#changes.run("restart", async () => {
      this.#assertServing();
      const { plan } = this.now;
      const { pool, lanePool, workers } = this.#parts;
      const isOfLane = workers().some((each) => each.worker === worker && each.lane !== null);
      if (!isOfLane && (!Number.isInteger(worker) || worker < 1 || worker > plan.total))
        throw noWorker(worker, plan.total);
      if (this.#isSync || isOfLane) {
        await this.#ask(this.#isSync ? pool.members : lanePool.members, { restart: worker });
      } else {
        const slot = Math.floor((worker - 1) / Math.max(1, plan.threads));
        const member = [...this.#parts.pool.members].find((each) => each.slot === slot && each.state.is === "ready");
        // Without one that is ready, another is on its way already.
        if (member !== undefined) await this.#parts.pool.restart(member, this.retireWithinMs);
      }
      this.#parts.log.info({ worker }, `Worker ${worker} was replaced, as asked for.`);
    });
  }

  /** Does something that no change of the workers may run beside. */
  whenServing(name: string, action: () => Promise<void>): Promise<void> {
    return this.#changes.run(name, async () => {
      this.#assertServing();
      await action();
    });
  }

  /** A balancer has answered. */
  settle(id: number, error: Error | null): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (error === null) asked?.resolve();
    else asked?.reject(error);
  }

  /** A member has ended, and with it what it was asked. */
  forget(member: Member): void {
    for (const [id, asked] of this.#asked) if (asked.member === member) this.settle(id, balancerIsGone());
  }

  get #isSync(): boolean {
    return this.now.settings.model === "sync";
  }

  #assertServing(): void {
    const phase = this.#parts.phase();
    if (phase === "serving") return;
    throw new SwitchyardError("SY_STOPPING", {
      saw: `The server is ${phase}.`,
      fix: "Do it again when the server serves.",
    });
  }

  #ask(members: ReadonlySet<Member>, change: PoolChange): Promise<void> {
    const member = [...members].find(({ state }) => state.is === "ready");
    if (member === undefined) return Promise.reject(balancerIsGone());
    const id = ++this.#lastAsked;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { member, resolve, reject });
      member.handle.send({ type: "change", id, change });
    });
  }
}

function assertCount(workers: number): void {
  if (Number.isInteger(workers) && workers >= 1 && workers <= mostWorkers) return;
  throw new SwitchyardError("SY_SCALE", {
    saw: `${workers} is not a number of workers.`,
    fix: `Give a whole number from 1 to ${mostWorkers}.`,
  });
}

const mostWorkers = 1024;

function noLane(lane: string): SwitchyardError {
  return new SwitchyardError("SY_NO_LANE", {
    saw: `The server has no lane "${lane}".`,
    fix: 'Name one that "switchyard lanes" lists; a server without lanes has one, "default".',
  });
}

function noWorker(worker: number, total: number): SwitchyardError {
  return new SwitchyardError("SY_NO_WORKER", {
    saw: `There is no worker ${worker}.`,
    fix: total === 1 ? "Its only worker is 1." : `Its workers are 1 to ${total}.`,
  });
}

function balancerIsGone(): SwitchyardError {
  return new SwitchyardError("SY_WORKER_DIED", {
    saw: "The balancer ended before it was done.",
    fix: 'Look at "switchyard status", then do it again.',
  });
}
