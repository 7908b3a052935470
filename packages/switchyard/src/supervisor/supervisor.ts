// The supervisor: the parent of everything, on no request's path.
//
// It binds the listening socket, starts the loop workers (or, for model sync, the balancer, which starts its own workers),
// waits until each is ready, replaces one that dies, keeps the status page, and stops them all when it is told to.
// It ends with exit code 0 after a stop, and with the application's error when that can't be loaded.

import { constants } from "node:os";
import type { ServeSettings } from "../config/settings.ts";
import { type WorkerPlan, workerPlan } from "../config/workers.ts";
import type { SwitchyardError } from "../errors.ts";
import type { FromWorker, StartOrder } from "../ipc/messages.ts";
import type { Log } from "../log/log.ts";
import { afterDeath, noRequests, type ServerStatus, sumOf } from "../metrics/snapshot.ts";
import { type Member, Pool } from "../pool/pool.ts";
import { ProcessHandle } from "../pool/process-handle.ts";
import { siblingModule } from "../pool/sibling-module.ts";
import { type LastWatch, startLastWatch } from "./last-watch.ts";
import { bindListeningSocket, type ListeningSocket } from "./listening-socket.ts";
import { readCpus } from "./machine.ts";
import { onSignals } from "./signals.ts";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

export interface SupervisorParts {
  readonly settings: ServeSettings;
  readonly log: Log;
  /** Starts the status page, on a port of 127.0.0.1. Not called when the settings want none. */
  readonly startAdmin: (options: { port: number; status: () => ServerStatus }) => Promise<Admin>;
}

interface Admin {
  readonly url: string;
  close(): void;
}

/** Runs the server until it is told to stop, and returns the command's exit code. */
export async function runSupervisor(parts: SupervisorParts): Promise<number> {
  const { settings } = parts;
  const plan = workerPlan(settings, readCpus());
  const tls = readTlsFiles(settings);
  const socket = await bindListeningSocket(settings);
  const supervisor = new Supervisor({ ...parts, plan, tls, socket });
  try {
    return await supervisor.run();
  } finally {
    socket.close();
  }
}

interface Parts extends SupervisorParts {
  readonly plan: WorkerPlan;
  readonly tls: TlsFiles | null;
  readonly socket: ListeningSocket;
}

class Supervisor {
  readonly #parts: Parts;
  readonly #pool: Pool;
  readonly #reports = new Map<Member, FromWorker & { type: "report" }>();
  /** What the members that have ended had counted. */
  #gone = { totals: noRequests, restarts: 0 };
  #application: string | null = null;
  #admin: Admin | null = null;
  /** Workers that a balancer has started, by process. */
  readonly #ownWorkers = new Map<Member, readonly number[]>();
  #lastWatch: LastWatch | null = null;
  #isStopping = false;
  #exitCode = 0;
  #resolveEnd: (exitCode: number) => void = () => {};
  #rejectEnd: (error: Error) => void = () => {};

  constructor(parts: Parts) {
    this.#parts = parts;
    const { settings, plan, log } = parts;
    const isSync = settings.model === "sync";
    this.#pool = new Pool({
      name: isSync ? "balancer" : plan.threads > 0 ? "process" : "worker",
      size: isSync ? 1 : plan.processes,
      start: (slot) => (isSync ? this.#startBalancer() : this.#startLoop(slot)),
      startTimeoutMs: settings.startTimeoutMs,
      patienceMs: isSync ? balancerPatienceMs : workerPatienceMs,
      log,
      onReady: (_member, message) => {
        this.#updateLastWatch();
        this.#onReady(message);
      },
      onMessage: (member, message) => this.#onMessage(member, message),
      onGone: (member) => this.#onGone(member),
      onGiveUp: (error) => this.#giveUp(error),
    });
  }

  async run(): Promise<number> {
    const ended = new Promise<number>((resolve, reject) => {
      this.#resolveEnd = resolve;
      this.#rejectEnd = reject;
    });
    const forgetSignals = onSignals({ stop: (signal) => this.#stop(signal), kill: (signal) => this.#kill(signal) });
    try {
      // Workers load while the status page is made ready: the way to the first answer is the longest one.
      const started = this.#pool.start();
      started.catch(() => {});
      this.#admin = await this.#startAdmin();
      await Promise.race([started, ended]);
      if (!this.#isStopping) {
        // Not before the workers are ready, to whom the first answer belongs; but before anybody is told that they are.
        this.#lastWatch = startLastWatch();
        this.#updateLastWatch();
        this.#announce();
      }
      return await ended;
    } finally {
      forgetSignals();
      this.#admin?.close();
      this.#pool.killAll("the server ends");
      this.#lastWatch?.close();
    }
  }

  #startLoop(slot: number): ProcessHandle {
    const { plan, socket } = this.#parts;
    const perProcess = Math.max(1, plan.threads);
    const workers = Array.from({ length: perProcess }, (_, index) => slot * perProcess + index + 1);
    const handle = new ProcessHandle({
      entry: siblingModule(import.meta.url, "../loop/main"),
      listenFds: Array<number>(perProcess).fill(socket.fd),
    });
    handle.send({ type: "start", order: this.#orderFor(workers) });
    return handle;
  }

  #startBalancer(): ProcessHandle {
    const { plan, socket } = this.#parts;
    const workers = Array.from({ length: plan.total }, (_, index) => index + 1);
    const handle = new ProcessHandle({
      entry: siblingModule(import.meta.url, "../pool/main"),
      listenFds: [socket.fd],
    });
    handle.send({ type: "start", order: this.#orderFor(workers) });
    return handle;
  }

  #orderFor(workers: number[]): StartOrder {
    const { settings, tls, socket, plan } = this.#parts;
    return { settings: { ...settings, workers: plan.processes }, address: socket.address, workers, tls };
  }

  #onReady(message: FromWorker & { type: "ready" }): void {
    if (this.#application !== null) return;
    this.#application = message.application;
    const { log, settings } = this.#parts;
    log.info({ application: message.application }, `Found ${message.application} in ${settings.app}.`);
    const { address } = this.#parts.socket;
    if (message.askedPort !== null && typeof address === "object" && message.askedPort !== address.port) {
      log.info(
        { askedPort: message.askedPort, port: address.port },
        `The application asked for port ${message.askedPort}; Switchyard serves it on its own port, ${address.port} (--port ${message.askedPort} to change that).`,
      );
    }
  }

  #onMessage(member: Member, message: FromWorker): void {
    const { log, settings } = this.#parts;
    switch (message.type) {
      case "report":
        this.#reports.set(member, message);
        return;
      case "processes":
        this.#ownWorkers.set(member, message.pids);
        this.#updateLastWatch();
        return;
      case "impaired":
        if (member.state.is !== "ready" || member.hasSuccessor) return;
        log.error({ pid: member.handle.pid, cause: message.cause }, `${message.cause}; its process is replaced.`);
        this.#pool.replace(member, settings.drainTimeoutMs);
        return;
    }
  }

  /** Names to the last watch every process that runs now. */
  #updateLastWatch(): void {
    this.#lastWatch?.watch(
      [...this.#pool.members].flatMap((member) => [member.handle.pid, ...(this.#ownWorkers.get(member) ?? [])]),
    );
  }

  #onGone(member: Member): void {
    this.#ownWorkers.delete(member);
    this.#updateLastWatch();
    const report = this.#reports.get(member);
    this.#reports.delete(member);
    if (report === undefined) return;
    this.#gone = {
      totals: sumOf([this.#gone.totals, afterDeath(report.totals)]),
      restarts: this.#gone.restarts + (report.restarts ?? 0),
    };
  }

  #announce(): void {
    const { log, settings, plan, socket } = this.#parts;
    const workers = plan.total === 1 ? "1 worker" : `${plan.total} workers`;
    log.info({ model: settings.model, workers: plan.total }, `Model ${settings.model}, ${workers}: ${plan.why}.`);
    if (this.#admin !== null) log.info({ url: this.#admin.url }, `Status page: ${this.#admin.url}`);
    const url = urlOf(socket, this.#parts.tls !== null);
    log.info({ url }, `Serving at ${url}`);
  }

  async #startAdmin(): Promise<Admin | null> {
    const { settings, startAdmin } = this.#parts;
    if (settings.adminPort === null) return null;
    return startAdmin({ port: settings.adminPort, status: () => this.#status() });
  }

  #status(): ServerStatus {
    const { settings, plan, socket, tls } = this.#parts;
    const reports = [...this.#reports.values()];
    const { totals, restarts } = this.#gone;
    return {
      application: { file: settings.app, description: this.#application },
      model: settings.model,
      workersWanted: plan.total,
      why: plan.why,
      url: urlOf(socket, tls !== null),
      pid: process.pid,
      restarts: reports.reduce((sum, report) => sum + (report.restarts ?? 0), this.#pool.restarts + restarts),
      totals: sumOf([totals, ...reports.map((report) => report.totals)]),
      workers: reports.flatMap((report) => [...report.workers]).sort((a, b) => a.worker - b.worker),
      queue: reports.find((report) => report.queue !== undefined)?.queue ?? null,
    };
  }

  #stop(signal: NodeJS.Signals): void {
    const { log, settings, socket } = this.#parts;
    this.#isStopping = true;
    // The kernel goes on to take connections for a socket that anybody holds open.
    socket.close();
    log.info(
      { signal },
      `${signal}: no new requests; ending when those in flight are answered, in ${settings.drainTimeoutMs} ms at the latest.`,
    );
    void this.#pool.stop(settings.drainTimeoutMs).then(() => {
      log.info({}, "Stopped.");
      this.#resolveEnd(this.#exitCode);
    });
  }

  #kill(signal: NodeJS.Signals): void {
    this.#parts.log.warn({ signal }, `${signal} again: ending now.`);
    this.#exitCode = exitCodeOfSignal + constants.signals[signal];
    this.#pool.killAll(`${signal} was sent twice`);
  }

  #giveUp(error: SwitchyardError): void {
    this.#rejectEnd(error);
  }
}

/** How much longer than the drain's deadline a loop worker may take to end, in milliseconds: its application cleans up. */
const workerPatienceMs = 1_000;
/** A balancer gives its clients a last moment, and then its own workers theirs. */
const balancerPatienceMs = 3_000;
/** What shells add to a signal's number for the exit code of a program that it ended. */
const exitCodeOfSignal = 128;

function urlOf({ address }: ListeningSocket, isSecure: boolean): string {
  if (typeof address === "string") return `unix:${address}`;
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `${isSecure ? "https" : "http"}://${host}:${address.port}`;
}
