// Where the pool's process gets its requests: from clients, by a listener of its own, or from loop workers, by links.

import { rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { dirname } from "node:path";
import { defaultLaneName, type LaneSettings } from "../config/lanes.ts";
import type { ProgramSettings } from "../config/program-settings.ts";
import { Account } from "../edge/account.ts";
import { remoteOf, untrustedProxyText } from "../edge/forwarding.ts";
import { Listener } from "../edge/listener.ts";
import { lostSessions } from "../edge/lost-sessions.ts";
import { refuseConnection } from "../edge/refusals.ts";
import type { StartOrder } from "../ipc/messages.ts";
import { LaneMatcher } from "../lanes/match.ts";
import { createAccessLog } from "../log/access.ts";
import { createLogger } from "../log/logger.ts";
import type { Dropped, RequestCounts } from "../metrics/snapshot.ts";
import type { LaneMeter, LaneTraffic } from "../metrics/traffic.ts";
import type { RequestTracing } from "../tracing/open.ts";
import type { Balancer } from "./balancer.ts";
import { offerDirectly } from "./direct-request.ts";
import type { PoolLane } from "./lane.ts";
import { Links } from "./links.ts";
import { firstExtraFd } from "./process-handle.ts";

/** How long the last answers have to reach their clients, in milliseconds. */
const lastAnswersWithinMs = 500;

interface Counts {
  readonly totals: RequestCounts;
  readonly traffic: readonly LaneTraffic[];
  readonly dropped: Dropped;
}

/** Where requests come from. */
export interface Front {
  /** Takes requests from now on. May be called again. */
  listen(): Promise<void>;
  lanesChanged(): void;
  /** What the program set on a server of its own. */
  applyProgram(program: ProgramSettings): void;
  /** Resolves when no request can come any more and all that came were answered; gives up what is left after `withinMs`.
   * With `handsOver` idle connections are left to their clients. */
  drain(withinMs: number, handsOver: boolean): Promise<void>;
  /** Requests of the clients that it has itself, or null when others count them. */
  counts(): Counts | null;
  close(): Promise<void>;
}

export interface FrontParts {
  readonly order: StartOrder;
  readonly lanes: ReadonlyMap<string, PoolLane>;
}

/** The entry of a server with model sync. */
export function listenerFront({ order, lanes, tracing }: FrontParts & { tracing: RequestTracing | null }): Front {
  const { settings } = order;
  const accessLog =
    settings.accessLog === null ? null : createAccessLog({ format: settings.accessLog, file: settings.accessLogFile });
  const log = createLogger({ level: settings.logLevel, component: "balancer" });
  const onBadRequest = lostSessions(settings, (text) => log.warn({}, text));
  const account = new Account({ accessLog, tracing, model: "sync", worker: null, onBadRequest });
  let matcher = new LaneMatcher<LaneSettings>([]);
  let entries = new Map<LaneSettings, LaneMeter>();
  const lanesChanged = () => {
    const own = [...lanes.values()].map(({ lane }) => lane).filter(({ origin }) => origin !== "default");
    entries = new Map(own.map((lane) => [lane, account.meter({ lane: lane.name, model: lane.model, worker: null })]));
    matcher = new LaneMatcher(own);
  };
  const laneOf = ({ method, url }: IncomingMessage) => matcher.match(method ?? "", url ?? "");
  const offer = (request: IncomingMessage, response: Parameters<Account["begin"]>[1], expectsContinue: boolean) => {
    const lane = laneOf(request);
    const balancer = lanes.get(lane?.name ?? defaultLaneName)?.balancer;
    account.begin(request, response, lane === null ? undefined : entries.get(lane));
    if (balancer !== undefined) offerDirectly(balancer, { request, response, expectsContinue, account });
  };

  const listener = new Listener({
    settings,
    tls: order.tls,
    bodyLimitOf: (request) => laneOf(request)?.bodyLimitBytes ?? settings.bodyLimitBytes,
    onRequest: (request, response) => offer(request, response, false),
    onCheckContinue: (request, response) => offer(request, response, true),
    takesUpgrades: isWebSocket,
    onUpgrade: (request, socket) => {
      const why = "Model sync serves one request at a time and no WebSocket; use --model async, hybrid or greenlet.";
      account.refused(501, { request, remote: remoteOf(request), bytes: refuseConnection(socket, 501, why) });
    },
    onRefused: (status, refusal) => account.refused(status, refusal),
    onUntrustedProxy: (peer, header) => log.warn({ peer, header }, untrustedProxyText(peer, header)),
    onBodyRefused: (response, answer) => account.bodyRefused(response, answer),
  });
  let listening: Promise<void> | null = null;
  return {
    listen() {
      lanesChanged();
      listening ??= listener.listen(firstExtraFd);
      return listening;
    },
    lanesChanged,
    applyProgram: (program) => listener.applyProgram(program),
    async drain(withinMs, handsOver) {
      account.announceClose();
      const deadline = setTimeout(() => {
        for (const { balancer } of lanes.values()) balancer.giveUp();
        setTimeout(() => listener.closeAll(), lastAnswersWithinMs).unref();
      }, withinMs);
      await listener.drain({ leavesIdle: handsOver });
      clearTimeout(deadline);
    },
    counts: () => ({
      totals: account.counts(),
      traffic: account.traffic(),
      dropped: { accessLines: accessLog?.dropped ?? 0, spans: tracing?.dropped ?? 0 },
    }),
    close: async () => {
      await Promise.all([accessLog?.close(), tracing?.close()]);
    },
  };
}

/** Beside loop workers. Each of them goes when its own requests are done, so a drain waits for that. */
export function linksFront({ order, lanes }: FrontParts): Front {
  const links = new Links((name): Balancer | undefined => lanes.get(name)?.balancer);
  // The supervisor removes the folder of the links, unless it was killed: then the line to it is broken.
  process.once("exit", () => {
    if (!process.connected && order.link !== null) rmSync(dirname(order.link), { recursive: true, force: true });
  });
  let listening: Promise<void> | null = null;
  return {
    listen() {
      listening ??= links.listen(order.link ?? "");
      return listening;
    },
    lanesChanged() {},
    // The loops have their clients' connections themselves.
    applyProgram() {},
    async drain(withinMs) {
      let deadline: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        deadline = setTimeout(() => {
          for (const { balancer } of lanes.values()) balancer.giveUp();
          setTimeout(resolve, lastAnswersWithinMs);
        }, withinMs);
      });
      await Promise.race([links.drain(), late]);
      clearTimeout(deadline);
    },
    counts: () => null,
    close: async () => {},
  };
}

function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === "websocket";
}
