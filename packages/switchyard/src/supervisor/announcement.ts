// What the log says when the server serves: what was found, how it runs and why, and where it is.

import type { LaneSettings } from "../config/lanes.ts";
import type { FromWorker } from "../ipc/messages.ts";
import type { Log } from "../log/log.ts";
import type { ListeningSocket } from "./listening-socket.ts";
import type { Now } from "./steering.ts";

export interface ServingParts {
  readonly now: Now;
  readonly socket: ListeningSocket;
  readonly adminUrl: string | null;
}

/** @returns where the server serves. */
export function tellServing(log: Log, { now, socket, adminUrl }: ServingParts): string {
  const { settings, plan, tls, lanes } = now;
  const workers = plan.total === 1 ? "1 worker" : `${plan.total} workers`;
  log.info({ model: settings.model, workers: plan.total }, `Model ${settings.model}, ${workers}: ${plan.why}.`);
  for (const lane of lanes) log.info({ lane: lane.name, match: lane.match }, describeLane(lane));
  if (adminUrl !== null) log.info({ url: adminUrl }, `Status page: ${adminUrl}`);
  const url = urlOf(socket, tls !== null);
  log.info({ url }, `Serving at ${url}`);
  return url;
}

/** What a worker found in the application's file, and that a port which the application asked for is not the server's. */
export function tellFound(
  log: Log,
  { application, askedPort, program }: FromWorker & { type: "ready" },
  { app, address, isSecure }: { readonly app: string; readonly address: ListeningSocket["address"]; isSecure: boolean },
): void {
  log.info({ application }, `Found ${application} in ${app}.`);
  if (program.isSecure && !isSecure) log.warn({}, withoutItsTls);
  if (askedPort === null || typeof address !== "object" || askedPort === address.port) return;
  log.info(
    { askedPort, port: address.port },
    `The application asked for port ${askedPort}; Switchyard serves it on its own port, ${address.port} (--port ${askedPort} to change that).`,
  );
}

const withoutItsTls =
  "The application's own server speaks TLS, and Switchyard serves it without: the certificate stays the program's. Give " +
  "--tls-cert and --tls-key its files, or leave TLS to what stands in front of this server.";

function describeLane({ name, match, methods, model, workers }: LaneSettings): string {
  const what = [methods?.join(", "), match.join(", ")].filter((text) => text).join(" ");
  const range =
    workers === null ? null : workers.min === workers.max ? `${workers.min}` : `${workers.min} to ${workers.max}`;
  const where = range === null ? "in the loop workers" : `${range} worker${range === "1" ? "" : "s"} of its own`;
  return `Lane ${name}: ${what}; ${model}, ${where}.`;
}

export function urlOf({ address }: ListeningSocket, isSecure: boolean): string {
  if (typeof address === "string") return `unix:${address}`;
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `${isSecure ? "https" : "http"}://${host}:${address.port}`;
}
