// The process of workers that are given requests as messages: for each lane with workers of its own, a balancer with one
// queue, and workers that are threads of this process, processes, or processes with threads.
//
// It is started in one of two places. With model sync it is the entry of the server: it owns the listening socket, and its
// listener gives each request to the balancer of its lane (front.ts). Beside loop workers it has no listener: the loops own
// the socket and bring it the requests of such lanes (links.ts). The rest is the same.

import { nowMs } from "../clock.ts";
import { defaultSyncLane, type LaneSettings } from "../config/lanes.ts";
import { reportOf } from "../errors.ts";
import { failToStart } from "../ipc/failure.ts";
import type { FromWorker, PoolChange } from "../ipc/messages.ts";
import { connectToParent, type Parent } from "../ipc/parent.ts";
import { createLogger } from "../log/logger.ts";
import { noneDropped, noRequests } from "../metrics/snapshot.ts";
import { openTracing } from "../tracing/open.ts";
import type { Front } from "./front.ts";
import { linksFront, listenerFront } from "./front.ts";
import { PoolLane, WorkerNumbers } from "./lane.ts";

/** How often the supervisor is told how the workers are, in milliseconds. */
const reportEveryMs = 250;

const parent = await connectToParent();
await runPool(parent).catch((error) => failToStart(parent, error));

async function runPool(parent: Parent): Promise<void> {
  const { order } = parent;
  const { settings } = order;
  const isEntry = settings.model === "sync";
  const log = createLogger({
    level: settings.logLevel,
    component: isEntry ? "balancer" : "pool",
    file: settings.logFile,
  });
  const numbers = new WorkerNumbers(order.workers[0] ?? 1);
  const lanes = new Map<string, PoolLane>();
  let ready: FromWorker & { type: "ready" } = { type: "ready", application: "", askedPort: null, program: {} };
  let goneRestarts = 0;

  // Beside loops it is they that know begin and end of each request.
  const tracing = isEntry ? await openTracing({ log, warns: true }) : null;
  const front: Front = isEntry ? listenerFront({ order, lanes, tracing }) : linksFront({ order, lanes });

  /** A process that has just started is not among its lane's own yet. */
  const tellProcesses = (started: number | null) => {
    const known = [...lanes.values()].flatMap(({ pids }) => pids);
    void parent.send({ type: "processes", pids: started === null ? known : [...known, started] });
  };
  const addLane = (lane: LaneSettings): PoolLane => {
    const added = new PoolLane({
      lane,
      order,
      log,
      numbers,
      onReady: (message) => {
        ready = message;
        front.applyProgram(message.program);
        // The first worker serves while the others load.
        if (isEntry) front.listen().catch(() => {});
      },
      onProcesses: tellProcesses,
      onHolds: (message) => void parent.send(message),
      onDeath: (death) => void parent.send({ type: "death", death }),
      onBlocked: (report) => void parent.send({ type: "blocked", report }),
      onGiveUp: async (error) => {
        await front.drain(0, false);
        await failToStart(parent, error);
      },
    });
    lanes.set(lane.name, added);
    return added;
  };
  const dropLane = async (lane: PoolLane) => {
    lanes.delete(lane.lane.name);
    goneRestarts += lane.restarts;
    // Requests of the lane may be on their way from loops that have not heard of it yet: they are answered 503.
    await lane.stop(settings.drainTimeoutMs);
  };

  const report = () => {
    const counts = front.counts();
    return parent.send({
      type: "report",
      workers: [...lanes.values()].flatMap((lane) => lane.workerSnapshots(isStopping)),
      totals: counts?.totals ?? noRequests,
      traffic: counts?.traffic ?? [],
      dropped: counts?.dropped ?? noneDropped,
      lanes: [...lanes.values()].map((lane) => lane.snapshot()),
      restarts: [...lanes.values()].reduce((sum, { restarts }) => sum + restarts, goneRestarts),
    });
  };

  const change = async (wanted: PoolChange) => {
    if ("restart" in wanted) await Promise.all([...lanes.values()].map((lane) => lane.restart(wanted.restart)));
    else if ("workers" in wanted) await lanes.get(wanted.lane)?.resize(wanted.workers);
    else await changeLanes(wanted.lanes.filter(({ workers }) => workers !== null));
  };
  const changeLanes = async (wanted: readonly LaneSettings[]) => {
    const added = wanted.filter(({ name }) => !lanes.has(name)).map(addLane);
    for (const lane of [...lanes.values()]) {
      if (lane.lane.origin !== "default" && !wanted.some(({ name }) => name === lane.lane.name)) void dropLane(lane);
    }
    front.lanesChanged();
    const starts = await Promise.allSettled(added.map((lane) => lane.start()));
    const failed = starts.find((start) => start.status === "rejected");
    starts.forEach((start, index) => {
      const lane = added[index];
      if (start.status === "rejected" && lane !== undefined) void dropLane(lane);
    });
    if (failed !== undefined) throw failed.reason;
  };
  parent.onChange = (id, wanted) => {
    void change(wanted).then(
      () => parent.send({ type: "changed", id, error: null }),
      (error) => parent.send({ type: "changed", id, error: reportOf(error) }),
    );
  };
  parent.onReopenLogs = () => {
    for (const lane of lanes.values()) lane.reopenLogs();
  };
  let isStopping = false;
  let stopByMs = Number.POSITIVE_INFINITY;
  parent.onStop = async (withinMs, handsOver) => {
    stopByMs = Math.min(stopByMs, nowMs() + withinMs);
    const drained = front.drain(withinMs, handsOver);
    if (isStopping) return;
    isStopping = true;
    await drained;
    await report();
    // Before it, whoever is busy ends work whose client has left.
    if (nowMs() >= stopByMs)
      for (const lane of lanes.values()) lane.killBusy("its request was not done by the deadline");
    await Promise.all([...lanes.values()].map((lane) => lane.stop(Math.max(0, stopByMs - nowMs()))));
    await front.close();
    // The end of the access log and of the spans may have dropped some.
    await report();
    process.exit(0);
  };

  if (isEntry) addLane(defaultSyncLane(settings, order.workers.length));
  for (const lane of order.lanes) if (lane.workers !== null) addLane(lane);
  await Promise.all([...lanes.values()].map((lane) => lane.start()));
  await front.listen();
  await report();
  await parent.send(ready);
  setInterval(() => {
    void report();
    for (const lane of lanes.values()) lane.recycle();
  }, reportEveryMs).unref();
}
