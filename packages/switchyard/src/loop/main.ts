// A loop worker: takes connections from the server's listening socket and runs the application for each request, as a
// task (async, hybrid) or in a greenlet. The entry of its process, or of one of several threads in a process.
//
// A request's way: listener.ts admits it; lanes.ts finds its lane, and either hands it to the lane's own workers (to-pool.ts)
// or enters it in the account and hands it to the model (run-async.ts, run-greenlet.ts), which calls the application.

import type { ServerResponse } from "node:http";
import { isMainThread } from "node:worker_threads";
import { type Application, introductionOf, upgradeEventOf } from "../app/application.ts";
import { loadApplication } from "../app/load.ts";
import { MovedRoutes } from "../auto/moved-routes.ts";
import type { LaneSettings } from "../config/lanes.ts";
import { Account } from "../edge/account.ts";
import { remoteOf, untrustedProxyText } from "../edge/forwarding.ts";
import { Listener, type RequestListener } from "../edge/listener.ts";
import { lostSessions } from "../edge/lost-sessions.ts";
import { refuseConnection } from "../edge/refusals.ts";
import { failToStart } from "../ipc/failure.ts";
import { connectToParent, type Parent } from "../ipc/parent.ts";
import { createAccessLog } from "../log/access.ts";
import type { Log } from "../log/log.ts";
import { createLogger } from "../log/logger.ts";
import type { WorkerSnapshot } from "../metrics/snapshot.ts";
import { firstExtraFd } from "../pool/process-handle.ts";
import { hostThreads } from "../pool/thread-host.ts";
import { ThreadShares } from "../pool/thread-shares.ts";
import { openTracing } from "../tracing/open.ts";
import { loopLimits } from "../watch/threshold.ts";
import { openVitals } from "../watch/vitals.ts";
import { checkContinue } from "./check-continue.ts";
import { endApplication } from "./ending.ts";
import { Faults } from "./faults.ts";
import { greenletSwitches } from "./greenlets.ts";
import { tellHolds } from "./holds.ts";
import { LoopLanes } from "./lanes.ts";
import { sendLastWords } from "./last-words.ts";
import { letWatch } from "./let-watch.ts";
import { type Handling, runAsync } from "./run-async.ts";
import { share, shareLineOf } from "./sharing.ts";
import { ToPool } from "./to-pool.ts";

/** How often a worker tells its parent how it is, in milliseconds. */
const reportEveryMs = 250;
/** How long the last answers have to reach their clients, in milliseconds. */
const lastAnswersWithinMs = 500;

const parent = await connectToParent();
if (isMainThread && parent.order.settings.threads > 0) {
  hostThreads(parent, new URL(import.meta.url), {
    limits: loopLimits(parent.order.settings),
    shares: new ThreadShares(),
  });
} else {
  await runLoopWorker(parent).catch((error) => failToStart(parent, error));
}

async function runLoopWorker(parent: Parent): Promise<void> {
  const { settings } = parent.order;
  const worker = parent.order.workers[0] ?? 0;
  const model = settings.model === "greenlet" ? "greenlet" : "async";
  const log = createLogger({ level: settings.logLevel, component: `worker ${worker}`, file: settings.logFile });
  const faults = new Faults(log, worker);
  const accessLog =
    settings.accessLog === null ? null : createAccessLog({ format: settings.accessLog, file: settings.accessLogFile });
  const tracing = await openTracing({ log, warns: worker === 1 });
  const onBadRequest = lostSessions(settings, (text) => log.warn({ worker }, text));
  const account = new Account({ accessLog, tracing, model, worker, onBadRequest });

  const toPool = new ToPool(account);
  const moved = new MovedRoutes();
  const lanes = new LoopLanes({
    ...{ account, worker, model, toPool, lanes: parent.order.lanes },
    otherLaneOf: (request, all) =>
      moved.takes(request) ? (all.find(({ origin }) => origin === "auto") ?? null) : null,
  });

  faults.watch();
  const brief = (response: ServerResponse) => account.brief(response);
  sendLastWords({ parent, worker, faults, brief });
  const watch = letWatch({ parent, worker, faults, brief, limits: loopLimits(settings) });
  // Greenlets patch blocking functions of the standard library, so they come before the application.
  const wantsGreenlets = model === "greenlet" || parent.order.lanes.some(isGreenletHere);
  const greenlets = wantsGreenlets ? await (await import("./greenlets.ts")).loadGreenlets(settings, faults) : null;
  const drained = Promise.withResolvers<void>();
  const application = await load(parent, {
    notice: (text) => log.info({ worker }, text),
    whenProgramCloses: () => {
      if (!listener.isDraining) void parent.send({ type: "impaired", cause: "The application closed its server" });
      return drained.promise;
    },
  });
  const runGreenlet = greenlets === null ? null : (await import("./run-greenlet.ts")).runGreenlet;
  const serve = (handling: Handling, expectsContinue: boolean): RequestListener => {
    const async = runAsync(handling, faults);
    const greenlet = greenlets === null || runGreenlet === null ? async : runGreenlet(handling, faults, greenlets);
    return lanes.listener({ async, greenlet }, expectsContinue);
  };
  const listener = listenerFor({ parent, application, serve, account, lanes, log });
  parent.onConnections = (message, connection) => share(listener, message, connection);
  const { lanes: toldLanes, link: toldLink } = parent.toldMeanwhile();
  if (settings.model === "auto") {
    tellHolds({ parent, faults, thresholdMs: settings.autoThresholdMs, where: "loop", application });
    parent.onMoves = (routes) => moved.replace(routes);
  }
  parent.onLanes = (told) => lanes.replace(told);
  parent.onLink = (path) => toPool.connect(path);
  if (toldLanes !== null) lanes.replace(toldLanes);
  const link = toldLink ?? parent.order.link;
  if (link !== null) toPool.connect(link);
  watch?.loaded();
  await listener.listen(parent.thread?.fd ?? firstExtraFd);

  const vitals = openVitals(greenletSwitches);
  const snapshot = (): WorkerSnapshot => ({
    worker,
    pid: process.pid,
    isolation: isMainThread ? "process" : "thread",
    model,
    lane: null,
    state: listener.isDraining ? "draining" : "ready",
    requests: account.countsHere(),
    rssBytes: process.memoryUsage.rss(),
    vitals: vitals.read(),
    latest: account.oldest(3),
  });
  const report = () =>
    parent.send({
      type: "report",
      workers: [snapshot()],
      totals: account.counts(),
      traffic: account.traffic(),
      dropped: { accessLines: accessLog?.dropped ?? 0, spans: tracing?.dropped ?? 0 },
    });
  const reports = setInterval(() => void report(), reportEveryMs).unref();
  let isStopping = false;
  parent.onStop = async (withinMs, handsOver) => {
    const ended = drain({ listener, account, toPool, withinMs, handsOver });
    if (isStopping) return;
    isStopping = true;
    await ended;
    toPool.close();
    drained.resolve();
    clearInterval(reports);
    await Promise.all([accessLog?.close(), tracing?.close()]);
    await report();
    await endApplication({ application, parent, log });
  };
  // Before it is known to be ready: whoever is told that the server serves finds every worker in its status.
  await report();
  await parent.send({ type: "ready", ...introductionOf(application) });
}

type LoadHooks = Pick<Parameters<typeof loadApplication>[0], "notice" | "whenProgramCloses">;

async function load(parent: Parent, hooks: LoadHooks): Promise<Application> {
  const { settings, address } = parent.order;
  parent.release();
  try {
    return await loadApplication({ file: settings.app, address, startTimeoutMs: settings.startTimeoutMs, ...hooks });
  } finally {
    parent.hold();
  }
}

interface ListenerParts {
  readonly parent: Parent;
  readonly application: Application;
  /** Makes the listener that counts requests and runs them. */
  readonly serve: (handling: Handling, expectsContinue: boolean) => RequestListener;
  readonly account: Account;
  readonly lanes: LoopLanes;
  readonly log: Log;
}

function listenerFor({ parent, application, serve, account, lanes, log }: ListenerParts): Listener {
  const { settings, tls } = parent.order;
  const listener = new Listener({
    settings,
    tls,
    bodyLimitOf: (request) => lanes.laneOf(request)?.bodyLimitBytes ?? settings.bodyLimitBytes,
    onRequest: serve(application, false),
    onCheckContinue: serve(checkContinue(application), true),
    takesUpgrades: (request) => lanes.refusesUpgrade(request) || application.takesUpgrades(upgradeEventOf(request)),
    onUpgrade: (request, socket, head) => {
      if (lanes.refusesUpgrade(request)) {
        const why = "The lane of this path is sync: it serves one request at a time and no WebSocket.";
        account.refused(501, { request, remote: remoteOf(request), bytes: refuseConnection(socket, 501, why) });
      } else {
        application.upgrade(request, socket, head);
      }
    },
    onRefused: (status, refusal) => account.refused(status, refusal),
    onUntrustedProxy: (peer, header) => log.warn({ peer, header }, untrustedProxyText(peer, header)),
    onBodyRefused: (response, answer) => account.bodyRefused(response, answer),
    shareLine: shareLineOf(parent),
  });
  listener.applyProgram(application.serverSettings);
  return listener;
}

function isGreenletHere({ model, workers }: LaneSettings): boolean {
  return model === "greenlet" && workers === null;
}

interface Drain {
  readonly listener: Listener;
  readonly account: Account;
  readonly toPool: ToPool;
  readonly withinMs: number;
  readonly handsOver: boolean;
}

/**
 * Finishes what is in flight; what is not done after `withinMs` loses its connection. What a lane's workers have not
 * answered by then is answered 503, and has a moment to reach its client.
 */
async function drain({ listener, account, toPool, withinMs, handsOver }: Drain): Promise<void> {
  account.announceClose();
  const deadline = setTimeout(() => {
    if (toPool.giveUp()) setTimeout(() => listener.closeAll(), lastAnswersWithinMs).unref();
    else listener.closeAll();
  }, withinMs);
  await listener.drain({ leavesIdle: handsOver });
  clearTimeout(deadline);
}
