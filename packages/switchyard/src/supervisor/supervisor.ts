// The supervisor: the parent of everything, on no request's path.
//
// It binds the listening socket, starts the loop workers (or, for model sync, the balancer, which starts its own workers),
// waits until each is ready, replaces one that dies, keeps the status page, and stops them all when it is told to.
// It ends with exit code 0 after a stop, and with the application's error when that can't be loaded.
//
// Whoever steers it from outside calls its ServerControl. What changes the workers is done one at a time (changes.ts).

import { constants } from "node:os";
import { nowMs, wallMs } from "../clock.ts";
import { lanesOf } from "../config/lanes.ts";
import type { ServeSettings } from "../config/settings.ts";
import { workerPlan } from "../config/workers.ts";
import { errorOf, reportOf, type SwitchyardError } from "../errors.ts";
import type { FromWorker, ToWorker } from "../ipc/messages.ts";
import { logFileMode, reopenLogFiles } from "../log/files.ts";
import type { Log } from "../log/log.ts";
import type { BlockedReport, DeathReport, Phase, ServerStatus } from "../metrics/snapshot.ts";
import { type Death, deathReport, lastSeen } from "../pool/death.ts";
import { type Member, Pool } from "../pool/pool.ts";
import { noLimits, Recycler, usageOf } from "../pool/recycle.ts";
import type { ServerControl } from "../server-control.ts";
import { activatedFd } from "./activation.ts";
import { type AdminAccess, readAdminAccess } from "./admin-access.ts";
import { tellFound, tellServing } from "./announcement.ts";
import { AutoLanes, laneOfMoved } from "./auto-lanes.ts";
import { BlockedLoops, blockedText } from "./blocked-loops.ts";
import { ConnectionDesk } from "./connection-desk.ts";
import { Deaths } from "./deaths.ts";
import { Exclusive, type ExclusiveParts } from "./exclusive.ts";
import { Figures } from "./figures.ts";
import { type Handover, startSuccessor, stoppedMeanwhile, successorFd, takeHandover } from "./handover.ts";
import { LanePool } from "./lane-pool.ts";
import { type LastWatch, startLastWatch } from "./last-watch.ts";
import { adoptListeningSocket, bindListeningSocket, type ListeningSocket } from "./listening-socket.ts";
import { assertLogFiles } from "./log-files.ts";
import { readCpus } from "./machine.ts";
import { assertFree, pidFileMode } from "./pid-file.ts";
import { become, type Identity, identityFor, makeFileFor } from "./privileges.ts";
import { statusOf } from "./server-status.ts";
import { connectService, type Service } from "./service.ts";
import { onSignals } from "./signals.ts";
import { type Now, Steering } from "./steering.ts";
import { readTlsFiles } from "./tls-files.ts";
import { WorkerStarts } from "./worker-starts.ts";

export interface SupervisorParts extends Pick<ExclusiveParts, "startAdmin" | "startControl"> {
  readonly settings: ServeSettings;
  readonly log: Log;
  /** Reads the settings again, by what the config file says now. */
  readonly readSettings: () => Promise<ServeSettings>;
}

/** Runs the server until it is told to stop, and returns the command's exit code. */
export async function runSupervisor(parts: SupervisorParts): Promise<number> {
  const { settings } = parts;
  const handover = takeHandover();
  const activated = handover === null ? activatedFd() : null;
  if (settings.pidFile !== null) assertFree(settings.pidFile, handover?.predecessor ?? null);
  const access = readAdminAccess(settings, process.env);
  const cpus = readCpus();
  const lanes = lanesOf(settings, cpus);
  const now = { settings, plan: workerPlan(settings, cpus), tls: readTlsFiles(settings), lanes };
  // A successor has the rights that its predecessor was left with.
  const identity = handover === null ? identityFor(settings) : null;
  const inherited = handover === null ? activated : successorFd;
  const socket = inherited === null ? await bindListeningSocket(settings, identity) : adoptListeningSocket(inherited);
  try {
    if (identity !== null) giveUpRights(identity, settings);
    assertLogFiles(settings);
    const service = connectService(parts.log);
    try {
      return await new Supervisor({ ...parts, access, socket, handover, service }, now).run();
    } finally {
      await service.close();
    }
  } finally {
    socket.close();
  }
}

/** The files that the server writes are its user's, where root alone could make them. */
function giveUpRights(identity: Identity, { logFile, accessLogFile, pidFile }: ServeSettings): void {
  for (const file of [logFile, accessLogFile]) if (file !== null) makeFileFor(identity, file, logFileMode);
  if (pidFile !== null) makeFileFor(identity, pidFile, pidFileMode);
  become(identity);
}

interface Parts extends Omit<SupervisorParts, "settings"> {
  readonly access: AdminAccess;
  readonly socket: ListeningSocket;
  /** The server that this one takes the place of. */
  readonly handover: Handover | null;
  readonly service: Service;
}

class Supervisor implements ServerControl {
  readonly #parts: Parts;
  readonly #pool: Pool;
  /** The process of the lanes' workers, beside loop workers. */
  readonly #lanePool: LanePool;
  readonly #connections: ConnectionDesk;
  readonly #steering: Steering;
  #phase: Phase = "starting";
  /** Aborted when the server is told to stop. */
  readonly #stopped = new AbortController();
  /** Until a successor has taken over, or could not. */
  #handingOver: Promise<void> = Promise.resolve();
  readonly #figures = new Figures<Member>();
  readonly #startedAtMs = wallMs();
  readonly #deaths = new Deaths();
  readonly #recycler: Recycler;
  readonly #blocked = new BlockedLoops();
  /** Under model auto. */
  readonly #autoLanes: AutoLanes | null;
  #application: string | null = null;
  readonly #exclusive: Exclusive;
  /** Workers that a balancer has started, by process. */
  readonly #ownWorkers = new Map<Member, readonly number[]>();
  #lastWatch: LastWatch | null = null;
  readonly #starts: WorkerStarts;
  #exitCode = 0;
  #resolveEnd: (exitCode: number) => void = () => {};
  #rejectEnd: (error: Error) => void = () => {};

  constructor(parts: Parts, now: Now) {
    this.#parts = parts;
    const { settings, plan } = now;
    const { log } = parts;
    const isSync = settings.model === "sync";
    const supervisor = this;
    this.#connections = new ConnectionDesk(log);
    this.#starts = new WorkerStarts({
      now: () => this.#steering.now,
      socket: parts.socket,
      connections: this.#connections,
      link: () => this.#lanePool.link,
    });
    this.#exclusive = new Exclusive({
      ...{ log, access: parts.access, startAdmin: parts.startAdmin, startControl: parts.startControl },
      settings: () => this.#steering.now.settings,
      predecessor: parts.handover?.predecessor ?? null,
      status: () => this.status(),
      control: this,
    });
    this.#pool = new Pool({
      name: isSync ? "balancer" : plan.threads > 0 ? "process" : "worker",
      size: isSync ? 1 : plan.processes,
      start: (slot) => (isSync ? this.#starts.startBalancer() : this.#starts.startLoop(slot)),
      get startTimeoutMs() {
        return supervisor.#steering.now.settings.startTimeoutMs;
      },
      startTogether: readCpus().count,
      patienceMs: isSync ? balancerPatienceMs : workerPatienceMs,
      log,
      onReady: (member, message) => {
        this.#updateLastWatch();
        this.#connections.add(member);
        const routes = this.#autoLanes?.routes ?? [];
        if (routes.length > 0) member.handle.send({ type: "moves", routes });
        this.#onReady(message);
      },
      onMessage: (member, message) => this.#onMessage(member, message),
      onDeath: (member, death) => this.#onDeath(this.#remainsOf(member, { death, name: this.#pool.name })),
      onRetire: (member) => this.#connections.retire(member),
      onGone: (member) => this.#onGone(member),
      onGiveUp: (error) => this.#giveUp(error),
    });
    this.#autoLanes =
      settings.model !== "auto"
        ? null
        : new AutoLanes({
            log,
            startWorkers: () => this.#addAutoLane(),
            tellLoops: (routes) => this.#tellLoops({ type: "moves", routes }),
          });
    this.#lanePool = new LanePool({
      orderFor: (link) => this.#starts.lanePoolOrder(link),
      startTimeoutMs: () => this.#steering.now.settings.startTimeoutMs,
      log,
      tellLoops: (message, who) => this.#tellLoops(message, who),
      onReady: (message) => {
        this.#updateLastWatch();
        this.#onReady(message);
      },
      onMessage: (member, message) => this.#onMessage(member, message),
      onDeath: (member, death) => this.#onDeath(this.#remainsOf(member, { death, name: "pool" })),
      onGone: (member) => this.#onGone(member),
      onGiveUp: (error) => this.#giveUp(error),
    });
    const { readSettings } = parts;
    this.#recycler = new Recycler({
      pool: this.#pool,
      // A balancer recycles its own workers, and is none itself.
      limits: () => (isSync ? noLimits : this.#steering.now.settings),
      usageOf: (member) => usageOf(this.#figures.workersOf(member)),
      restart: (member) => this.#steering.recycle(member),
      log,
      name: plan.threads > 0 ? "process" : "worker",
    });
    this.#steering = new Steering({
      now,
      phase: () => this.#phase,
      pool: this.#pool,
      lanePool: this.#lanePool,
      tellLoops: (message) => this.#tellLoops(message),
      workers: () => this.#figures.workers(),
      log,
      readSettings,
    });
  }

  async run(): Promise<number> {
    const ended = new Promise<number>((resolve, reject) => {
      this.#resolveEnd = resolve;
      this.#rejectEnd = reject;
    });
    this.#figures.start();
    const forgetSignals = onSignals({
      stop: (how, signal) => this.#stop(how, signal),
      kill: (signal) => this.#kill(signal),
      // Its outcome is in the log.
      reload: () => void this.reload().catch(() => {}),
      scaleBy: (processes) =>
        void this.#steering.scaleBy(processes).catch((error) => this.#logFailure("Scaling", error)),
      // Its outcome is in the log.
      reopenLogs: () => void errorIn(() => this.reopenLogs()),
      handOver: () => {
        this.#handingOver = this.#handOver().catch((error) => this.#logFailure("Replacing the server", error));
      },
    });
    let lateWatch: NodeJS.Timeout | undefined;
    try {
      // Workers load while the status page is made ready: the way to the first answer is the longest one.
      const started = Promise.all([this.#pool.start(), this.#steering.startLanePool()]);
      started.catch(() => {});
      // An application that takes long to load may be stuck.
      lateWatch = setTimeout(() => this.#startLastWatch(), lastWatchAfterMs);
      const { handover } = this.#parts;
      if (handover === null) await this.#exclusive.open();
      await Promise.race([started, ended]);
      if (this.#phase === "starting") {
        this.#phase = "serving";
        if (handover !== null) {
          const learned = await handover.takeOver();
          await this.#exclusive.open();
          this.#autoLanes?.adopt(learned?.moves ?? []);
        }
        // Not before the workers are ready, to whom the first answer belongs; but before anybody is told that they are.
        this.#startLastWatch();
        this.#announce();
      }
      return await ended;
    } finally {
      forgetSignals();
      clearTimeout(lateWatch);
      this.#figures.stop();
      this.#exclusive.close();
      this.#pool.killAll("the server ends");
      this.#lanePool.killAll("the server ends");
      this.#lanePool.close();
      this.#lastWatch?.close();
      this.#connections.close();
    }
  }

  #addAutoLane(): Promise<void> {
    const { now } = this.#steering;
    return this.#steering.changeLanes([...now.lanes, laneOfMoved(now, readCpus())]);
  }

  #tellLoops(message: ToWorker, who: "all" | "settled" = "all"): void {
    if (this.#steering.now.settings.model === "sync") return;
    for (const { handle, change } of this.#pool.members) if (who === "all" || change === null) handle.send(message);
  }

  #onReady(message: FromWorker & { type: "ready" }): void {
    this.#steering.program = message.program;
    if (this.#application === message.application) return;
    this.#application = message.application;
    const { log, socket } = this.#parts;
    const { settings, tls } = this.#steering.now;
    tellFound(log, message, { app: settings.app, address: socket.address, isSecure: tls !== null });
  }

  #onMessage(member: Member, message: FromWorker): void {
    const { log } = this.#parts;
    switch (message.type) {
      case "report":
        this.#figures.report(member, message);
        if (this.#phase === "serving") this.#recycler.check();
        return;
      case "blocked":
        void this.#onBlocked(member, message.report);
        return;
      case "death":
        this.#onDeath(message.death);
        return;
      case "connections":
        this.#connections.told(member, message);
        return;
      case "handedOverLast":
        this.#connections.handedOverLast(member);
        return;
      case "holds":
        this.#autoLanes?.observe(message.where, message.routes);
        return;
      case "processes":
        this.#ownWorkers.set(member, message.pids);
        this.#updateLastWatch();
        return;
      case "impaired":
        if (member.state.is !== "ready" || member.hasSuccessor) return;
        log.error({ pid: member.handle.pid, cause: message.cause }, `${message.cause}; its process is replaced.`);
        (this.#lanePool.members.has(member) ? this.#lanePool : this.#pool).replace(
          member,
          this.#steering.retireWithinMs,
        );
        return;
      case "changed":
        this.#steering.settle(message.id, message.error === null ? null : errorOf(message.error));
        return;
    }
  }

  #startLastWatch(): void {
    this.#lastWatch ??= startLastWatch();
    this.#updateLastWatch();
  }

  /** Names to the last watch every process that runs now. */
  #updateLastWatch(): void {
    this.#lastWatch?.watch(
      [...this.#pool.members, ...this.#lanePool.members].flatMap((member) => [
        member.handle.pid,
        ...(this.#ownWorkers.get(member) ?? []),
      ]),
    );
  }

  #remainsOf(member: Member, { death, name }: { death: Death; name: string }): DeathReport {
    const what = `${name} ${member.number}`;
    const workers = this.#figures.workersOf(member);
    return deathReport({ what, pid: member.handle.pid, death, workers, lastWords: member.lastWords });
  }

  async #onBlocked(member: Member, told: BlockedReport): Promise<void> {
    // Loaded here, since most servers never need it.
    const { atSources } = await import("./source-maps.ts");
    const report = { ...told, stack: await atSources(told.stack) };
    this.#blocked.add(report);
    const { latest } = this.#figures.workersOf(member).find(({ worker }) => worker === told.worker) ?? { latest: [] };
    this.#parts.log.warn({ blocked: report }, blockedText(report, latest));
  }

  #onDeath(death: DeathReport): void {
    this.#deaths.add(death);
    this.#parts.log.warn({ death }, `${death.what} died: ${death.cause}. Last seen: ${lastSeen(death)}.`);
  }

  #onGone(member: Member): void {
    this.#steering.forget(member);
    this.#ownWorkers.delete(member);
    this.#connections.forget(member);
    this.#updateLastWatch();
    this.#figures.gone(member);
  }

  #announce(): void {
    const { log, socket, service } = this.#parts;
    const url = tellServing(log, { now: this.#steering.now, socket, adminUrl: this.#exclusive.adminUrl });
    service.ready(`Serving at ${url}`);
  }

  status(): ServerStatus {
    return statusOf({
      phase: this.#phase,
      startedAtMs: this.#startedAtMs,
      application: this.#application,
      socket: this.#parts.socket,
      steering: this.#steering,
      pool: this.#pool,
      lanePool: this.#lanePool,
      figures: this.#figures,
      autoLanes: this.#autoLanes,
      deaths: this.#deaths,
      blocked: this.#blocked,
    });
  }

  async reload(): Promise<void> {
    const { service } = this.#parts;
    service.reloading();
    try {
      await this.#steering.reload();
    } finally {
      if (this.#phase === "serving") service.ready("Serving");
    }
  }

  scale(lane: string, workers: number): Promise<void> {
    return this.#steering.scale(lane, workers);
  }

  restart(worker: number): Promise<void> {
    return this.#steering.restart(worker);
  }

  stop(how: "graceful" | "quick"): void {
    this.#stop(how, null);
  }

  reopenLogs(): void {
    // First, for it makes the files, and whoever can't open one writes on in the old file.
    const error = errorIn(() => assertLogFiles(this.#steering.now.settings));
    reopenLogFiles();
    const members = [...this.#pool.members, ...this.#lanePool.members];
    for (const { handle } of members) handle.send({ type: "reopenLogs" });
    if (error === null) {
      this.#parts.log.info({}, "The log files are opened again.");
      return;
    }
    const { code, saw, fix } = reportOf(error);
    this.#parts.log.error({ code, saw, fix }, "Not every log file was opened again: its old file is written on.");
    throw error;
  }

  #logFailure(what: string, error: unknown): void {
    const { code, saw, fix } = reportOf(error);
    this.#parts.log.error({ code, saw, fix }, `${what} failed; all is as it was.`);
  }

  #stop(how: "graceful" | "quick", signal: NodeJS.Signals | null): void {
    const { lameDuckMs } = this.#steering.now.settings;
    this.#stopped.abort();
    this.#parts.service.stopping();
    if (how === "quick" || lameDuckMs === 0) {
      this.#drain(how, signal);
    } else if (this.#phase === "serving") {
      this.#phase = "leaving";
      const text = `not ready any more, and serving on for ${lameDuckMs} ms before the drain.`;
      this.#parts.log.info({ signal, lameDuckMs }, `${signal ?? "Told to stop"}: ${text}`);
      setTimeout(() => this.#drain(how, signal), lameDuckMs);
    } else if (this.#phase === "starting") {
      this.#drain(how, signal);
    }
  }

  #drain(how: "graceful" | "quick", signal: NodeJS.Signals | null): void {
    if (this.#phase === "draining") return;
    const { log, socket } = this.#parts;
    const { drainTimeoutMs } = this.#steering.now.settings;
    const withinMs = how === "quick" ? Math.min(quickStopMs, drainTimeoutMs) : drainTimeoutMs;
    this.#phase = "draining";
    // The kernel goes on to take connections for a socket that anybody holds open.
    socket.close();
    log.info(
      { signal, withinMs },
      `${signal ?? "Told to stop"}: no new requests; ending when those in flight are answered, in ${withinMs} ms at the latest.`,
    );
    void Promise.all([this.#stopAll(withinMs, false), this.#handingOver]).then(() => {
      log.info({}, "Stopped.");
      this.#resolveEnd(this.#exitCode);
    });
  }

  async #stopAll(withinMs: number, handsOver: boolean): Promise<void> {
    const stopByMs = nowMs() + withinMs;
    await this.#pool.stop(withinMs, handsOver);
    // The loops' requests are in it until then.
    await this.#lanePool.stop(Math.max(0, stopByMs - nowMs()));
  }

  /** Another server, of the same command line, takes the socket over; this one finishes what it has. */
  #handOver(): Promise<void> {
    return this.#steering.whenServing("hand over", async () => {
      const { log, socket, service } = this.#parts;
      const { settings } = this.#steering.now;
      log.info({}, "A new server is started in the place of this one.");
      const successor = await startSuccessor({
        fd: socket.fd,
        withinMs: settings.startTimeoutMs + successorGraceMs,
        environment: service.successorEnvironment,
        stopped: this.#stopped.signal,
      });
      await service.succeeded(successor.pid);
      if (this.#stopped.signal.aborted) throw stoppedMeanwhile();
      this.#phase = "draining";
      this.#exclusive.close();
      socket.close();
      successor.release({ moves: this.#autoLanes?.moves ?? [] });
      log.info({ successor: successor.pid }, `Process ${successor.pid} serves now; this one finishes what it has.`);
      void this.#stopAll(this.#steering.retireWithinMs, true).then(() => {
        log.info({}, "Stopped: another server has taken over.");
        this.#resolveEnd(this.#exitCode);
      });
    });
  }

  #kill(signal: NodeJS.Signals): void {
    this.#parts.log.warn({ signal }, `${signal} again: ending now.`);
    this.#exitCode = exitCodeOfSignal + constants.signals[signal];
    this.#pool.killAll(`${signal} was sent twice`);
    this.#lanePool.killAll(`${signal} was sent twice`);
  }

  #giveUp(error: SwitchyardError): void {
    this.#rejectEnd(error);
  }
}

function errorIn(attempt: () => void): SwitchyardError | null {
  try {
    attempt();
    return null;
  } catch (error) {
    return errorOf(reportOf(error));
  }
}

/** How long the workers may take to be ready before there is a last watch, in milliseconds. */
const lastWatchAfterMs = 1_000;
/** What requests in flight have of a quick stop, in milliseconds. */
const quickStopMs = 1_000;
/** How much longer than its workers a successor may take to be ready, in milliseconds. */
const successorGraceMs = 10_000;
/** How much longer than the drain's deadline a loop worker may take to end, in milliseconds: its application cleans up. */
const workerPatienceMs = 1_000;
/** A balancer gives its clients a last moment, and then its own workers theirs. */
const balancerPatienceMs = 3_000;
/** What shells add to a signal's number for the exit code of a program that it ended. */
const exitCodeOfSignal = 128;
