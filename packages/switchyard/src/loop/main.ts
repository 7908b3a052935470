// A loop worker: takes connections from the server's listening socket and runs the application for each request, as a
// task (async, hybrid) or in a greenlet. The entry of its process, or of one of several threads in a process.
//
// A request's way: listener.ts admits it, `serveRequest` enters it in the account and hands it to the model
// (run-async.ts, run-greenlet.ts), which calls the application.

import { isMainThread } from "node:worker_threads";
import type { Application } from "../app/application.ts";
import { loadApplication } from "../app/load.ts";
import { Account } from "../edge/account.ts";
import { overHttp2 } from "../edge/http2.ts";
import { Listener, type RequestListener } from "../edge/listener.ts";
import { reportOf, SwitchyardError } from "../errors.ts";
import { connectToParent, type Parent } from "../ipc/parent.ts";
import { createAccessLog } from "../log/access.ts";
import { createLogger } from "../log/logger.ts";
import type { WorkerSnapshot } from "../metrics/snapshot.ts";
import { firstExtraFd } from "../pool/process-handle.ts";
import { hostThreads } from "../pool/thread-host.ts";
import { openVitals } from "../watch/vitals.ts";
import { checkContinue } from "./check-continue.ts";
import { endApplication } from "./ending.ts";
import { Faults } from "./faults.ts";
import { sendLastWords } from "./last-words.ts";
import { type Handling, runAsync } from "./run-async.ts";
import { share, shareLineOf } from "./sharing.ts";

/** How often a worker tells its parent how it is, in milliseconds. */
const reportEveryMs = 250;

const parent = await connectToParent();
if (isMainThread && parent.order.settings.threads > 0) {
  hostThreads(parent, new URL(import.meta.url));
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
  const account = new Account({ accessLog, model, worker });

  faults.watch();
  sendLastWords({ parent, worker, faults, brief: (response) => account.brief(response) });
  // Greenlets patch blocking functions of the standard library, so they come before the application.
  const greenlets = model === "greenlet" ? await (await import("./greenlets.ts")).loadGreenlets() : null;
  const drained = Promise.withResolvers<void>();
  const application = await load(parent, {
    notice: (text) => log.info({ worker }, text),
    whenProgramCloses: () => {
      if (!listener.isDraining) void parent.send({ type: "impaired", cause: "The application closed its server" });
      return drained.promise;
    },
  });
  const runGreenlet = greenlets === null ? null : (await import("./run-greenlet.ts")).runGreenlet;
  const serve = (handling: Handling): RequestListener => {
    const run =
      greenlets === null || runGreenlet === null
        ? runAsync(handling, faults)
        : runGreenlet(handling, faults, greenlets);
    return (request, response) => {
      account.begin(request, response);
      run(request, response);
    };
  };
  const listener = listenerFor({ parent, application, serve, account });
  parent.onConnections = (message, connection) => share(listener, message, connection);
  await listener.listen(parent.thread?.fd ?? firstExtraFd);

  const vitals = openVitals();
  const snapshot = (): WorkerSnapshot => ({
    worker,
    pid: process.pid,
    isolation: isMainThread ? "process" : "thread",
    model,
    state: listener.isDraining ? "draining" : "ready",
    requests: account.counts(),
    rssBytes: process.memoryUsage.rss(),
    vitals: vitals.read(),
    latest: account.oldest(3),
  });
  const report = () =>
    parent.send({ type: "report", workers: [snapshot()], totals: account.counts(), traffic: account.traffic() });
  const reports = setInterval(() => void report(), reportEveryMs).unref();
  let isStopping = false;
  parent.onStop = async (withinMs, handsOver) => {
    const ended = drain({ listener, account, withinMs, handsOver });
    if (isStopping) return;
    isStopping = true;
    await ended;
    drained.resolve();
    clearInterval(reports);
    await accessLog?.close();
    await report();
    await endApplication({ application, parent, log });
  };
  await parent.send({ type: "ready", application: application.description, askedPort: application.askedPort });
  await report();
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
  readonly serve: (handling: Handling) => RequestListener;
  readonly account: Account;
}

function listenerFor({ parent, application, serve, account }: ListenerParts): Listener {
  return new Listener({
    settings: parent.order.settings,
    tls: parent.order.tls,
    serverSettings: application.serverSettings,
    onRequest: overEither(serve(application)),
    onCheckContinue: overEither(serve(checkContinue(application))),
    takesUpgrades: () => application.takesUpgrades(),
    onUpgrade: (request, socket, head) => application.upgrade(request, socket, head),
    onRefused: (status) => account.refused(status),
    onBodyRefused: (response, answer) => account.bodyRefused(response, answer),
    shareLine: parent.thread === null ? shareLineOf(parent) : null,
  });
}

/** The same listener for requests of HTTP/1.1 and of HTTP/2. */
function overEither(serve: RequestListener): RequestListener {
  return (request, response) => {
    if (request.httpVersionMajor >= 2) overHttp2(request, response, serve);
    else serve(request, response);
  };
}

interface Drain {
  readonly listener: Listener;
  readonly account: Account;
  readonly withinMs: number;
  readonly handsOver: boolean;
}

/** Finishes what is in flight; what is not done after `withinMs` loses its connection. */
async function drain({ listener, account, withinMs, handsOver }: Drain): Promise<void> {
  account.announceClose();
  const deadline = setTimeout(() => listener.closeAll(), withinMs);
  await listener.drain({ leavesIdle: handsOver });
  clearTimeout(deadline);
}

async function failToStart(parent: Parent, error: unknown): Promise<never> {
  const report = reportOf(error);
  await parent.send({ type: "failed", error: report });
  process.exit(new SwitchyardError(report.code, report).exitCode);
}
