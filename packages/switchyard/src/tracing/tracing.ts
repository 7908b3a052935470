// A server span for each request, by OpenTelemetry's conventions for HTTP
// (opentelemetry.io/docs/specs/semconv/http/http-spans), with Switchyard's own lane, worker, wait and run.
//
// Nothing of the request is changed: the application sees the traceparent that the client sent. The query is left out of
// the span, for it may hold secrets.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { hostname } from "node:os";
import { frameworkRouteOf, listenForRoutes } from "../auto/framework-route.ts";
import { wallMs } from "../clock.ts";
import type { Log } from "../log/log.ts";
import { pathOf } from "../metrics/snapshot.ts";
import { isSampled, parentOf } from "./context.ts";
import { spanText } from "./encode.ts";
import { SpanExporter } from "./exporter.ts";
import type { TracingSettings } from "./settings.ts";

/** How long the last spans have to reach the collector, in milliseconds. */
const closeWithinMs = 1_000;

export interface RequestEnd {
  /** Null: the client got none. */
  readonly status: number | null;
  readonly outcome: "answered" | "failed" | "aborted" | "refused";
  readonly lane: string;
  readonly worker: number | null;
  readonly waitMs: number;
  readonly runMs: number;
  readonly httpVersion: string;
}

export interface RequestSpan {
  end(end: RequestEnd): void;
}

export interface RequestTracing {
  /** Notes what the application may change of a request. Null: this one gets no span. */
  begin(request: IncomingMessage, remote: string | undefined): RequestSpan | null;
  /** Spans that were not delivered and will not be. */
  readonly dropped: number;
  /** Sends what is left, within a second. */
  close(): Promise<void>;
}

export function createTracing(settings: TracingSettings, log: Log): RequestTracing {
  const version = versionOfServer();
  const resource = {
    "host.name": hostname(),
    "process.pid": String(process.pid),
    "telemetry.sdk.language": "nodejs",
    "telemetry.sdk.name": "switchyard",
    "telemetry.sdk.version": version,
    ...settings.resource,
  };
  const exporter = new SpanExporter({ settings: { ...settings, resource }, version, log });
  listenForRoutes();
  return {
    begin(request, remote) {
      const parent = parentOf(fieldOf(request, "traceparent"));
      const traceId = parent?.traceId ?? randomBytes(16).toString("hex");
      if (!isSampled(settings.sampler, traceId, parent)) return null;
      const { method = "", url = "" } = request;
      const known = {
        ...{ traceId, spanId: randomBytes(8).toString("hex"), parentSpanId: parent?.spanId },
        traceState: parent === null ? undefined : fieldOf(request, "tracestate"),
      };
      const asked = { ...methodFields(method), "url.path": pathOf(url), ...partiesOf(request, remote) };
      return {
        end({ status, outcome, lane, worker, waitMs, runMs, httpVersion }) {
          const endedAtMs = wallMs();
          const route = frameworkRouteOf(request)?.text;
          const isError = status !== null && status >= 500;
          const named = asked["http.request.method"] === otherMethod ? "HTTP" : method;
          exporter.add(
            spanText({
              ...known,
              name: route === undefined ? named : `${named} ${route}`,
              startedAtMs: endedAtMs - waitMs - runMs,
              endedAtMs,
              isError,
              attributes: {
                ...asked,
                "http.route": route,
                "http.response.status_code": status ?? undefined,
                "error.type": isError ? String(status) : undefined,
                "network.protocol.version": httpVersion === "2.0" ? "2" : httpVersion,
                "switchyard.outcome": outcome,
                "switchyard.lane": lane,
                "switchyard.worker": worker ?? undefined,
                "switchyard.wait_ms": waitMs,
                "switchyard.run_ms": runMs,
              },
            }),
          );
        },
      };
    },
    get dropped() {
      return exporter.dropped;
    },
    close: () => exporter.close(closeWithinMs),
  };
}

const knownMethods = new Set("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH QUERY".split(" "));
const otherMethod = "_OTHER";

/** Methods that nobody knows would each be a name of its own to whoever counts spans. */
function methodFields(method: string) {
  const isKnown = knownMethods.has(method);
  return {
    "http.request.method": isKnown ? method : otherMethod,
    "http.request.method_original": isKnown ? undefined : method,
  };
}

/** Who asked whom. Forwarding fields of proxies that are not trusted have been taken out of the request before. */
function partiesOf(request: IncomingMessage, remote: string | undefined) {
  const { socket } = request;
  const proto = fieldOf(request, "x-forwarded-proto")?.split(",")[0]?.trim();
  const scheme = "encrypted" in socket && socket.encrypted === true ? "https" : "http";
  const [, name, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(
    fieldOf(request, "host") ?? fieldOf(request, ":authority") ?? "",
  )!;
  return {
    "url.scheme": proto === "http" || proto === "https" ? proto : scheme,
    "server.address": name === "" ? undefined : name?.replace(/^\[(.*)\]$/, "$1"),
    "server.port": port === undefined ? undefined : Number(port),
    "client.address": remote,
    "network.peer.address": socket.remoteAddress,
    "network.peer.port": socket.remotePort,
    "user_agent.original": fieldOf(request, "user-agent"),
  };
}

/** Null is what a client may send for a field that is a list in Node's eyes. */
function fieldOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

function versionOfServer(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  );
  return manifest.version;
}
