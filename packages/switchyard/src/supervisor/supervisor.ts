// The supervisor: the parent of everything, on no request's path.
//
// It binds the listening socket, starts the loop workers (or, for model sync, the balancer, which starts its own workers),
// waits until each is ready, replaces one that dies, keeps the status page, and stops them all when it is told to.
// It ends with exit code 0 after a stop, and with the application's error when that can't be loaded.
//
// Whoever steers it from outside calls its ServerControl. What changes the workers is done one at a time (changes.ts).

import { constants } from "node:os";
import { nowMs, wallMs } from "../clock.ts";
import { defaultSyncLane, type LaneSettings, laneOf, lanesOf } from "../config/lanes.ts";
import type { ServeSettings } from "../config/settings.ts";
import { workerPlan } from "../config/workers.ts";
import { errorOf, reportOf, type SwitchyardError } from "../errors.ts";
import type { FromWorker, StartOrder, ToWorker } from "../ipc/messages.ts";
import { logFileMode, reopenLogFiles } from "../log/files.ts";
import type { Log } from "../log/log.ts";
import type { BlockedReport, DeathReport, Phase, ServerStatus } from "../metrics/snapshot.ts";
import { type Death, deathReport, lastSeen } from "../pool/death.ts";
import { type Member, Pool } from "../pool/pool.ts";
import { ProcessHandle } from "../pool/process-handle.ts";
import { noLimits, Recycler, usageOf } from "../pool/recycle.ts";
import { siblingModule } from "../pool/sibling-module.ts";
import type { ServerControl } from "../server-control.ts";
import { activatedFd } from "./activation.ts";
import { type AdminAccess, readAdminAccess } from "./admin-access.ts";
import { AutoLanes } from "./auto-lanes.ts";
import { BlockedLoops, blockedText } from "./blocked-loops.ts";
import { ConnectionDesk } from "./connection-desk.ts";
import { Deaths } from "./deaths.ts";
import { Figures } from "./figures.ts";
import { type Handover, startSuccessor, successorFd, takeHandover } from "./handover.ts";
import { LanePool } from "./lane-pool.ts";
import { allQueues, laneSnapshots } from "./lane-status.ts";
import { type LastWatch, startLastWatch } from "./last-watch.ts";
import { adoptListeningSocket, bindListeningSocket, type ListeningSocket } from "./listening-socket.ts";
import { assertLogFiles } from "./log-files.ts";
import { readCpus } from "./machine.ts";
import { assertFree, pidFileMode, writePidFile } from "./pid-file.ts";
import { become, type Identity, identityFor, makeFileFor } from "./privileges.ts";
import { retireWithinMs } from "./reload.ts";
import { connectService, type Service } from "./service.ts";
import { onSignals } from "./signals.ts";
import { type Now, Steering } from "./steering.ts";
import { readTlsFiles } from "./tls-files.ts";

export interface SupervisorParts {
  readonly settings: ServeSettings;
  readonly log: Log;
  /** Starts the status page. Not called when the settings want none. */
  readonly startAdmin: (options: {
    port: number;
    access: AdminAccess;
    status: () => ServerStatus;
    control: ServerControl;
  }) => Promise<Admin>;
  /** Makes the control socket. Not called when the settings want none. */
  readonly startControl: (options: ControlOptions) => Promise<{ close(): void }>;
  /** Reads the settings again, by what the config file says now. */
  readonly readSettings: () => Promise<ServeSettings>;
}

export interface ControlOptions {
  /** Null for the place where the commands look. */
  readonly path: string | null;
  /** The process whose place this server takes. */
  readonly predecessor: number | null;
  readonly control: ServerControl;
}

interface Admin {
  readonly url: string;
  close(): void;
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
  readonly #figures = new Figures<Member>();
  readonly #startedAtMs = wallMs();
  readonly #deaths = new Deaths();
  readonly #recycler: Recycler;
  readonly #blocked = new BlockedLoops();
  /** Under model auto. */
  readonly #autoLanes: AutoLanes | null;
  #application: string | null = null;
  #admin: Admin | null = null;
  #control: { close(): void } | null = null;
  #pidFile: { close(): void } | null = null;
  /** Workers that a balancer has started, by process. */
  readonly #ownWorkers = new Map<Member, readonly number[]>();
  #lastWatch: LastWatch | null = null;
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
    this.#pool = new Pool({
      name: isSync ? "balancer" : plan.threads > 0 ? "process" : "worker",
      size: isSync ? 1 : plan.processes,
      start: (slot) => (isSync ? this.#startBalancer() : this.#startLoop(slot)),
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
      orderFor: (link) => ({ ...this.#orderFor([firstLaneWorker(this.#steering.now.plan.total)]), link }),
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
      handOver: () => void this.#handOver().catch((error) => this.#logFailure("Replacing the server", error)),
    });
    let lateWatch: NodeJS.Timeout | undefined;
    try {
      // Workers load while the status page is made ready: the way to the first answer is the longest one.
      const started = Promise.all([this.#pool.start(), this.#steering.startLanePool()]);
      started.catch(() => {});
      // An application that takes long to load may be stuck.
      lateWatch = setTimeout(() => this.#startLastWatch(), lastWatchAfterMs);
      const { handover } = this.#parts;
      if (handover === null) await this.#openOwn();
      await Promise.race([started, ended]);
      if (this.#phase === "starting") {
        this.#phase = "serving";
        if (handover !== null) {
          const learned = await handover.takeOver();
          await this.#openOwn();
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
      this.#closeOwn();
      this.#pool.killAll("the server ends");
      this.#lanePool.killAll("the server ends");
      this.#lanePool.close();
      this.#lastWatch?.close();
      this.#connections.close();
    }
  }

  /** What only one server can have at a time. */
  async #openOwn(): Promise<void> {
    const { pidFile } = this.#steering.now.settings;
    if (pidFile !== null) this.#pidFile = writePidFile(pidFile);
    this.#control = await this.#startControl();
    this.#admin = await this.#startAdmin();
  }

  #closeOwn(): void {
    for (const each of [this.#admin, this.#control, this.#pidFile]) each?.close();
    // Not twice: by then the files may be a successor's.
    this.#admin = null;
    this.#control = null;
    this.#pidFile = null;
  }

  #startLoop(slot: number): ProcessHandle {
    const { plan } = this.#steering.now;
    const { socket } = this.#parts;
    const perProcess = Math.max(1, plan.threads);
    const workers = Array.from({ length: perProcess }, (_, index) => slot * perProcess + index + 1);
    const handle = new ProcessHandle({
      entry: siblingModule(import.meta.url, "../loop/main"),
      listenFds: Array<number>(perProcess).fill(socket.fd),
    });
    if (plan.threads === 0) this.#connections.know(handle);
    handle.send({ type: "start", order: this.#orderFor(workers) });
    return handle;
  }

  #startBalancer(): ProcessHandle {
    const { plan } = this.#steering.now;
    const { socket } = this.#parts;
    const workers = Array.from({ length: plan.total }, (_, index) => index + 1);
    const handle = new ProcessHandle({
      entry: siblingModule(import.meta.url, "../pool/main"),
      listenFds: [socket.fd],
    });
    handle.send({ type: "start", order: this.#orderFor(workers) });
    return handle;
  }

  #orderFor(workers: number[]): StartOrder {
    const { settings, tls, plan, lanes } = this.#steering.now;
    const { socket } = this.#parts;
    const { link } = this.#lanePool;
    const own = { ...settings, workers: plan.processes };
    return { settings: own, address: socket.address, workers, tls, lanes, lane: null, link };
  }

  /** The lane of routes that model auto moves; it has no pattern, since the loops are told the routes. */
  #addAutoLane(): Promise<void> {
    const { settings, lanes } = this.#steering.now;
    const cpus = readCpus();
    const name = freeLaneName(lanes);
    // As many as CPUs: what is moved holds the CPU, and what waits is not moved, so more of them would serve no more and
    // would take the loops' CPU from them. Two at least, so that a long request does not hold up every other.
    const most = Math.max(2, cpus.count);
    const lane = laneOf(
      { match: [], model: "sync", workers: { min: Math.min(2, cpus.count), max: most } },
      { settings, cpus, name, origin: "auto" },
    );
    return this.#steering.changeLanes([...lanes, lane]);
  }

  #tellLoops(message: ToWorker, who: "all" | "settled" = "all"): void {
    if (this.#steering.now.settings.model === "sync") return;
    for (const { handle, change } of this.#pool.members) if (who === "all" || change === null) handle.send(message);
  }

  #onReady(message: FromWorker & { type: "ready" }): void {
    if (this.#application === message.application) return;
    this.#application = message.application;
    const { log } = this.#parts;
    const { app } = this.#steering.now.settings;
    log.info({ application: message.application }, `Found ${message.application} in ${app}.`);
    const { address } = this.#parts.socket;
    if (message.askedPort !== null && typeof address === "object" && message.askedPort !== address.port) {
      log.info(
        { askedPort: message.askedPort, port: address.port },
        `The application asked for port ${message.askedPort}; Switchyard serves it on its own port, ${address.port} (--port ${message.askedPort} to change that).`,
      );
    }
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
          retireWithinMs(this.#steering.now.settings),
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
    const { log, socket } = this.#parts;
    const { settings, plan, tls, lanes } = this.#steering.now;
    const workers = plan.total === 1 ? "1 worker" : `${plan.total} workers`;
    log.info({ model: settings.model, workers: plan.total }, `Model ${settings.model}, ${workers}: ${plan.why}.`);
    for (const lane of lanes) log.info({ lane: lane.name, match: lane.match }, describeLane(lane));
    if (this.#admin !== null) log.info({ url: this.#admin.url }, `Status page: ${this.#admin.url}`);
    const url = urlOf(socket, tls !== null);
    log.info({ url }, `Serving at ${url}`);
    this.#parts.service.ready(`Serving at ${url}`);
  }

  async #startAdmin(): Promise<Admin | null> {
    const { adminPort } = this.#steering.now.settings;
    if (adminPort === null) return null;
    const { startAdmin, access } = this.#parts;
    return startAdmin({ port: adminPort, access, status: () => this.status(), control: this });
  }

  async #startControl(): Promise<{ close(): void } | null> {
    const { controlSocket } = this.#steering.now.settings;
    if (controlSocket === null) return null;
    const isAsked = controlSocket !== "auto";
    const predecessor = this.#parts.handover?.predecessor ?? null;
    try {
      return await this.#parts.startControl({ path: isAsked ? controlSocket : null, predecessor, control: this });
    } catch (error) {
      if (isAsked) throw error;
      // A container may have no folder that can be written to; the server needs none.
      const { code, saw, fix } = reportOf(error);
      this.#parts.log.warn({ code, saw, fix }, "There is no control socket: the commands can't reach this server.");
      return null;
    }
  }

  status(): ServerStatus {
    const { settings, plan, tls, lanes } = this.#steering.now;
    const { socket } = this.#parts;
    const figures = this.#figures;
    return {
      atMs: wallMs(),
      phase: this.#phase,
      change: this.#steering.change,
      reloads: this.#steering.reloads,
      retiring: [...this.#pool.members, ...this.#lanePool.members].filter(({ state }) => state.is === "draining")
        .length,
      application: { file: settings.app, description: this.#application },
      model: settings.model,
      workersWanted: plan.total,
      why: plan.why,
      url: urlOf(socket, tls !== null),
      pid: process.pid,
      restarts: this.#pool.restarts + this.#lanePool.restarts + figures.restarts(),
      totals: figures.totals(),
      workers: figures.workers(),
      queue: allQueues(figures.lanes()),
      moves: this.#autoLanes?.snapshots() ?? [],
      lanes: laneSnapshots({
        lanes: [...lanes, this.#defaultLane()],
        reports: figures.lanes(),
        traffic: figures.traffic(),
      }),
      startedAtMs: this.#startedAtMs,
      traffic: figures.traffic(),
      latency: figures.latency(),
      dropped: figures.dropped(),
      cpuMs: figures.cpuMs(),
      deaths: this.#deaths.recent,
      blocked: this.#blocked.recent,
      blockedCount: this.#blocked.count,
      deathCounts: this.#deaths.counts,
    };
  }

  #defaultLane(): LaneSettings {
    const { settings, plan } = this.#steering.now;
    const lane = defaultSyncLane(settings, plan.total);
    if (settings.model === "sync") return lane;
    return { ...lane, workers: null, model: settings.model === "greenlet" ? "greenlet" : "async" };
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
    void this.#stopAll(withinMs, false).then(() => {
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
      });
      service.succeeded(successor.pid);
      this.#phase = "draining";
      this.#closeOwn();
      socket.close();
      successor.release({ moves: this.#autoLanes?.moves ?? [] });
      log.info({ successor: successor.pid }, `Process ${successor.pid} serves now; this one finishes what it has.`);
      void this.#stopAll(retireWithinMs(settings), true).then(() => {
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

/** The numbers of lanes' workers begin at the next hundred, so that more loops can be added below them. */
function firstLaneWorker(loops: number): number {
  return Math.ceil((loops + 1) / 100) * 100 + 1;
}

function describeLane({ name, match, methods, model, workers }: LaneSettings): string {
  const what = [methods?.join(", "), match.join(", ")].filter((text) => text).join(" ");
  const range =
    workers === null ? null : workers.min === workers.max ? `${workers.min}` : `${workers.min} to ${workers.max}`;
  const where = range === null ? "in the loop workers" : `${range} worker${range === "1" ? "" : "s"} of its own`;
  return `Lane ${name}: ${what}; ${model}, ${where}.`;
}

function freeLaneName(lanes: readonly LaneSettings[]): string {
  let name = "auto";
  for (let count = 2; lanes.some((lane) => lane.name === name); count++) name = `auto-${count}`;
  return name;
}

function urlOf({ address }: ListeningSocket, isSecure: boolean): string {
  if (typeof address === "string") return `unix:${address}`;
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `${isSecure ? "https" : "http"}://${host}:${address.port}`;
}
