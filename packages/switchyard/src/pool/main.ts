// The balancer's process: the entry of a server with model sync. It owns the listening socket's connections and the queue,
// and starts the sync workers: processes, threads of its own, or processes with threads.
//
// A request's way: listener.ts admits it, `balancer.offer` queues it and assigns it, a Transfer carries it to the worker
// (worker/main.ts) and its response back to the client.

import type { IncomingMessage } from "node:http";
import { nowMs } from "../clock.ts";
import { Account } from "../edge/account.ts";
import { Listener } from "../edge/listener.ts";
import { refuseConnection } from "../edge/refusals.ts";
import { reportOf, SwitchyardError } from "../errors.ts";
import type { PoolChange } from "../ipc/messages.ts";
import { connectToParent, type Parent } from "../ipc/parent.ts";
import { createAccessLog } from "../log/access.ts";
import { createLogger } from "../log/logger.ts";
import type { WorkerSnapshot } from "../metrics/snapshot.ts";
import { Balancer } from "./balancer.ts";
import { Changes } from "./changes.ts";
import { completed, deathReport } from "./death.ts";
import { type Member, Pool } from "./pool.ts";
import { firstExtraFd, ProcessHandle } from "./process-handle.ts";
import { mostOf, Recycler } from "./recycle.ts";
import { residentBytes } from "./resident.ts";
import { siblingModule } from "./sibling-module.ts";
import { SyncWorker } from "./sync-worker.ts";
import { ThreadHandle } from "./thread-handle.ts";
import type { WorkerHandle } from "./worker-handle.ts";

/** How often the balancer tells the supervisor how it is, in milliseconds. */
const reportEveryMs = 250;
/** How long the last answers have to reach their clients, in milliseconds. */
const lastAnswersWithinMs = 500;
/** A worker was told when it must have ended; this is for what it needs to do so in order, in milliseconds. */
const workerPatienceMs = 1_000;
/** How long a worker may live on without its channel for requests, in milliseconds. */
const endAfterCloseMs = 1_000;

const parent = await connectToParent();
await runBalancer(parent).catch((error) => failToStart(parent, error));

async function runBalancer(parent: Parent): Promise<void> {
  const { order } = parent;
  const { settings } = order;
  const log = createLogger({ level: settings.logLevel, component: "balancer", file: settings.logFile });
  const accessLog =
    settings.accessLog === null ? null : createAccessLog({ format: settings.accessLog, file: settings.accessLogFile });
  const account = new Account({ accessLog, model: "sync", worker: null });
  const plan = memberPlan(parent);
  const byMember = new Map<Member, SyncWorker[]>();

  const balancer = new Balancer({
    queueLimit: settings.queueLimit,
    runTimeoutMs: settings.runTimeoutMs,
    account,
    log,
    killWorker: (worker, why) => {
      if (plan.workersEach === 1) pool.kill(worker.member, why);
      else worker.member.handle.send({ type: "endThread", worker: worker.number });
    },
  });
  let application = { type: "ready", application: "", askedPort: null } as Parameters<Parent["send"]>[0];
  const pool: Pool = new Pool({
    name: plan.name,
    size: plan.members,
    start: (slot) => {
      const handle = plan.start(slot);
      if (handle.isolation === "process")
        tellProcesses(
          [...pool.members].map((each) => each.handle.pid),
          handle.pid,
        );
      return handle;
    },
    startTimeoutMs: settings.startTimeoutMs,
    patienceMs: workerPatienceMs,
    log,
    onReady: (member, message) => {
      application = message;
      const workers = member.handle.channels.map(
        (channel, index) => new SyncWorker(member.slot * plan.workersEach + index + 1, member, channel),
      );
      byMember.set(member, workers);
      for (const worker of workers) {
        worker.channel.onClose = () => {
          balancer.removeWorker(worker, "it died");
          if (plan.workersEach === 1 && member.state.is === "ready") killUnlessEnded(pool, member);
        };
        balancer.addWorker(worker);
      }
      // The first worker serves while the others load.
      listening ??= listener.listen(firstExtraFd);
      listening.catch(() => {});
    },
    onMessage: (member, message) => {
      if (message.type === "vitals") {
        for (const worker of byMember.get(member) ?? [])
          if (worker.number === message.worker) worker.vitals = message.vitals;
      }
      if (message.type === "death") {
        const dead = (byMember.get(member) ?? []).filter(({ number }) => message.death.what === `worker ${number}`);
        void parent.send({ type: "death", death: completed(message.death, snapshots(dead)) });
      }
      if (message.type !== "impaired") return;
      if (member.state.is !== "ready" || member.hasSuccessor) return;
      log.error(
        { pid: member.handle.pid, cause: message.cause },
        `${message.cause}; ${plan.name} ${member.number} is replaced.`,
      );
      pool.replace(member, settings.drainTimeoutMs);
    },
    onRetire: (member) => {
      for (const worker of byMember.get(member) ?? []) balancer.retireWorker(worker);
      for (const channel of member.handle.channels) channel.send({ type: "last" });
    },
    onDeath: (member, death) => {
      const { pid } = member.handle;
      const workers = snapshots(byMember.get(member) ?? []);
      const what = `${plan.name} ${member.number}`;
      void parent.send({
        type: "death",
        death: deathReport({ what, pid, death, workers, lastWords: member.lastWords }),
      });
    },
    onGone: (member, death) => {
      // The last answer of a process that ended in order may still be in its channel, whose close removes the worker.
      const mayHaveAnswered = death.code === 0 && member.handle.isolation === "process";
      for (const worker of byMember.get(member) ?? []) {
        if (!mayHaveAnswered || worker.transfer === null) balancer.removeWorker(worker, death.cause);
      }
      byMember.delete(member);
      if (member.handle.isolation === "process") tellProcesses([...pool.members].map((each) => each.handle.pid));
    },
    onGiveUp: async (error) => {
      await endWithin({ listener, balancer, withinMs: 0, handsOver: false });
      await failToStart(parent, error);
    },
  });
  const listener = new Listener({
    settings,
    tls: order.tls,
    serverSettings: {},
    onRequest: (request, response) => balancer.offer(request, response, false),
    onCheckContinue: (request, response) => balancer.offer(request, response, true),
    takesUpgrades: isWebSocket,
    onUpgrade: (_request, socket) => {
      account.refused(501);
      refuseConnection(
        socket,
        501,
        "Model sync serves one request at a time and no WebSocket; use --model async, hybrid or greenlet.",
      );
    },
    onRefused: (status) => account.refused(status),
    onBodyRefused: (response, answer) => account.bodyRefused(response, answer),
  });

  const snapshots = (workers: Iterable<SyncWorker> = balancer.workers): WorkerSnapshot[] =>
    [...workers].map((worker) => ({
      worker: worker.number,
      pid: worker.member.handle.pid,
      isolation: settings.threads > 0 ? "thread" : "process",
      model: "sync",
      state: listener.isDraining || worker.isLeaving ? "draining" : "ready",
      requests: worker.counts(),
      rssBytes: rssOf(worker),
      vitals: worker.vitals,
      latest: worker.latest(),
    }));
  const report = () =>
    parent.send({
      type: "report",
      workers: snapshots(),
      totals: account.counts(),
      traffic: account.traffic(),
      queue: balancer.queueSnapshot(),
      restarts: pool.restarts,
    });
  const tellProcesses = (known: readonly number[], started?: number) => {
    void parent.send({ type: "processes", pids: started === undefined ? known : [...known, started] });
  };

  const changes = new Changes();
  const recycler = new Recycler({
    pool,
    limits: () => settings,
    usageOf: (member) => ({
      requests: mostOf((byMember.get(member) ?? []).map((worker) => worker.counts().begun)),
      // Of threads of this process, nobody can tell whose memory it is.
      rssBytes: member.handle.isolation === "thread" ? 0 : residentBytes(member.handle.pid),
      heapBytes: mostOf((byMember.get(member) ?? []).map(({ vitals }) => vitals?.heapUsedBytes ?? 0)),
    }),
    restart: (member) =>
      changes.run("recycle", async () => {
        if (member.state.is === "ready") await pool.restart(member, settings.drainTimeoutMs);
      }),
    log,
    name: plan.name,
  });

  let listening: Promise<void> | null = null;
  parent.onChange = (id, change) => {
    void changes
      .run("change", () => changePool(pool, plan, { change, withinMs: settings.drainTimeoutMs }))
      .then(
        () => parent.send({ type: "changed", id, error: null }),
        (error) => parent.send({ type: "changed", id, error: reportOf(error) }),
      );
  };
  parent.onReopenLogs = () => {
    for (const { handle } of pool.members) handle.send({ type: "reopenLogs" });
  };
  let isStopping = false;
  let stopByMs = Number.POSITIVE_INFINITY;
  parent.onStop = async (withinMs, handsOver) => {
    stopByMs = Math.min(stopByMs, nowMs() + withinMs);
    account.announceClose();
    const ended = endWithin({ listener, balancer, withinMs, handsOver });
    if (isStopping) return;
    isStopping = true;
    await ended;
    await report();
    for (const { member } of balancer.busyWorkers()) pool.kill(member, "its request was not done by the deadline");
    await pool.stop(Math.max(0, stopByMs - nowMs()));
    await accessLog?.close();
    process.exit(0);
  };
  await pool.start();
  await listening;
  await parent.send(application);
  await report();
  setInterval(() => {
    void report();
    recycler.check();
  }, reportEveryMs).unref();
}

interface MemberPlan {
  readonly name: string;
  readonly members: number;
  /** Sync workers in each member. */
  readonly workersEach: number;
  readonly start: (slot: number) => WorkerHandle;
}

/** Threads of this process when one process was asked for; processes, or processes with threads, otherwise. */
function memberPlan({ order }: Parent): MemberPlan {
  const { settings } = order;
  const entry = siblingModule(import.meta.url, "./worker/main");
  const isThreads = settings.threads > 0 && settings.workers === 1;
  if (isThreads) {
    return {
      name: "worker",
      members: settings.threads,
      workersEach: 1,
      start: (slot) => new ThreadHandle({ entry, order: { ...order, workers: [slot + 1] }, withPort: true, fd: null }),
    };
  }
  const workersEach = Math.max(1, settings.threads);
  return {
    name: settings.threads > 0 ? "process" : "worker",
    members: order.workers.length / workersEach,
    workersEach,
    start: (slot) => {
      const workers = Array.from({ length: workersEach }, (_, index) => slot * workersEach + index + 1);
      const handle = new ProcessHandle({ entry, channelCount: workersEach });
      handle.send({ type: "start", order: { ...order, workers } });
      return handle;
    },
  };
}

/** Keeps another number of workers, or replaces one. */
async function changePool(
  pool: Pool,
  plan: MemberPlan,
  order: { change: PoolChange; withinMs: number },
): Promise<void> {
  const { change, withinMs } = order;
  if ("workers" in change) return pool.resize(Math.max(1, Math.ceil(change.workers / plan.workersEach)), withinMs);
  const slot = Math.floor((change.restart - 1) / plan.workersEach);
  const member = [...pool.members].find((each) => each.slot === slot && each.state.is === "ready");
  if (member !== undefined) await pool.restart(member, withinMs);
}

interface Ending {
  readonly listener: Listener;
  readonly balancer: Balancer;
  readonly withinMs: number;
  readonly handsOver: boolean;
}

/** Takes no connection any more, lets the queue and the workers finish, answers 503 to what is left at the deadline. */
async function endWithin({ listener, balancer, withinMs, handsOver }: Ending): Promise<void> {
  const giveUp = () => {
    balancer.giveUp();
    setTimeout(() => listener.closeAll(), lastAnswersWithinMs).unref();
  };
  const deadline = setTimeout(giveUp, withinMs);
  await listener.drain({ leavesIdle: handsOver });
  clearTimeout(deadline);
}

/** A worker that closed its channel serves nothing, so it must end, in case that it does not by itself. */
function killUnlessEnded(pool: Pool, member: Member): void {
  setTimeout(() => pool.kill(member, "it closed its channel for requests"), endAfterCloseMs).unref();
}

/** Of one that has ended, as it was seen last. */
function rssOf(worker: SyncWorker): number {
  const bytes = residentBytes(worker.member.handle.pid);
  if (bytes > 0) worker.rssBytes = bytes;
  return worker.rssBytes;
}

function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === "websocket";
}

async function failToStart(parent: Parent, error: unknown): Promise<never> {
  const report = reportOf(error);
  await parent.send({ type: "failed", error: report });
  process.exit(new SwitchyardError(report.code, report).exitCode);
}
