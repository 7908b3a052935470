// A worker that is given requests as messages: runs the application for one request at a time (sync), or for many (async,
// greenlet). The entry of its process, of a thread in the pool's process, or of one of several threads in a process of their
// own.
//
// A request's way: the channel brings it, request.ts makes an Exchange of it, the application answers, the response goes
// back by the channel, and `free` asks for the next.

import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";
import { introductionOf } from "../../app/application.ts";
import { loadApplication } from "../../app/load.ts";
import { nowMs } from "../../clock.ts";
import type { RequestListener } from "../../edge/listener.ts";
import { type Channel, SocketChannel } from "../../ipc/channel.ts";
import { failToStart } from "../../ipc/failure.ts";
import type { FromSyncWorker, ToSyncWorker } from "../../ipc/messages.ts";
import { connectToParent, type Parent } from "../../ipc/parent.ts";
import { RingChannel } from "../../ipc/ring-channel.ts";
import { createLogger } from "../../log/logger.ts";
import { checkContinue } from "../../loop/check-continue.ts";
import { endApplication } from "../../loop/ending.ts";
import { Faults } from "../../loop/faults.ts";
import { greenletSwitches, greenletsOfProgram, loadGreenlets, loadGreenletsOfProject } from "../../loop/greenlets.ts";
import { tellHolds } from "../../loop/holds.ts";
import { sendLastWords } from "../../loop/last-words.ts";
import { letWatch } from "../../loop/let-watch.ts";
import { type Handling, runAsync } from "../../loop/run-async.ts";
import { runGreenlet } from "../../loop/run-greenlet.ts";
import { pathOf } from "../../metrics/snapshot.ts";
import { poolLimits } from "../../watch/threshold.ts";
import { openVitals } from "../../watch/vitals.ts";
import { Claims } from "../claims.ts";
import { firstExtraFd } from "../process-handle.ts";
import { hostThreads } from "../thread-host.ts";
import { lowerPriority } from "./priority.ts";
import { RequestDesk } from "./request.ts";

/** How often a worker tells how it is, in milliseconds. */
const reportEveryMs = 250;

const parent = await connectToParent();
if (isMainThread && parent.order.workers.length > 1) {
  hostThreads(parent, new URL(import.meta.url), {
    limits: poolLimits(parent.order.settings, parent.order.lane),
    shares: null,
  });
} else {
  await runSyncWorker(parent).catch((error) => failToStart(parent, error));
}

async function runSyncWorker(parent: Parent): Promise<void> {
  const { settings, address, lane } = parent.order;
  const model = lane?.model ?? "sync";
  const worker = parent.order.workers[0] ?? 0;
  const log = createLogger({ level: settings.logLevel, component: `worker ${worker}`, file: settings.logFile });
  const faults = new Faults(log, worker);
  faults.watch();
  // Its balancer knows which request it has.
  sendLastWords({ parent, worker, faults, brief: () => null });
  /** When it got the request that it has. */
  let begunAtMs = 0;
  const brief = ({ req: { method = "", url = "" } }: ServerResponse) => ({
    method,
    path: pathOf(url),
    ageMs: nowMs() - begunAtMs,
  });
  const watch = letWatch({ parent, worker, faults, brief, limits: poolLimits(settings, lane) });
  const { runTimeoutMs } = lane ?? settings;
  // Greenlets patch blocking functions of the standard library, so they come before the application.
  const greenlets = model === "greenlet" ? await loadGreenlets({ ...settings, runTimeoutMs }, faults) : null;
  if (model === "sync") await loadGreenletsOfProject(settings.app);

  /** No request is left and none will come. */
  const finished = Promise.withResolvers<void>();
  let isStopping = false;
  parent.release();
  const application = await loadApplication({
    file: settings.app,
    address,
    startTimeoutMs: settings.startTimeoutMs,
    notice: (text) => log.info({ worker }, text),
    whenProgramCloses: () => {
      if (!isStopping) void parent.send({ type: "impaired", cause: "The application closed its server" });
      return finished.promise;
    },
  });
  parent.hold();

  const runOf = (handling: Handling): RequestListener => {
    const told: Handling = {
      handle(request, response) {
        begunAtMs = nowMs();
        const result = handling.handle(request, response);
        desk.returned(request, result);
        return result;
      },
    };
    if (greenlets !== null) return runGreenlet(told, faults, greenlets);
    return model === "async" ? runAsync(told, faults) : runWhereProgramMayWait(told, faults);
  };
  if (lane?.origin === "auto") {
    tellHolds({ parent, faults, thresholdMs: settings.autoThresholdMs, where: "pool", application });
  }
  const channel = channelOf(parent);
  const desk = new RequestDesk({
    channel,
    claims: parent.thread?.claims == null ? null : new Claims(parent.thread.claims),
    run: runOf(application),
    runExpectingContinue: runOf(checkContinue(application)),
  });
  parent.onStop = async () => {
    if (isStopping) return;
    isStopping = true;
    await desk.finish();
    await channel.flushed();
    finished.resolve();
    channel.unref();
    await endApplication({ application, parent, log });
  };
  const vitals = openVitals(greenletSwitches);
  const report = () => parent.send({ type: "vitals", worker, vitals: vitals.read() });
  setInterval(() => void report(), reportEveryMs).unref();
  // Not before: to load at the lowest priority would keep the others' requests waiting.
  if (lane?.priority === "low") lowerPriority();
  watch?.loaded();
  await parent.send({ type: "ready", ...introductionOf(application) });
  // At once, so that it is known to be silent if its first request never lets it tell again.
  await report();
}

/**
 * Under sync, `wait` makes the worker wait, which it does by suspending the request's greenlet. A program that has not
 * loaded greenlets can't call it, and is spared them.
 */
function runWhereProgramMayWait(handling: Handling, faults: Faults): RequestListener {
  const runPlain = runAsync(handling, faults);
  let runInGreenlet: RequestListener | null = null;
  return (request, response) => {
    const greenlets = runInGreenlet === null ? greenletsOfProgram() : null;
    if (greenlets !== null) runInGreenlet = runGreenlet(handling, faults, greenlets);
    (runInGreenlet ?? runPlain)(request, response);
  };
}

function channelOf({ thread }: Parent): Channel<FromSyncWorker, ToSyncWorker> {
  if (thread !== null && thread.port !== null && thread.rings !== null)
    return new RingChannel<FromSyncWorker, ToSyncWorker>(thread.port, thread.rings);
  return new SocketChannel<FromSyncWorker, ToSyncWorker>(new Socket({ fd: thread?.fd ?? firstExtraFd }));
}
