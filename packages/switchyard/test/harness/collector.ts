// A collector of OpenTelemetry spans, as far as tests need one: an HTTP server that keeps what it is sent.

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { patiently } from "./patience.ts";

/** As it arrived, its attributes by name. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code?: number };
  readonly attributes: Readonly<Record<string, string | number>>;
  /** Of the process that it came from. */
  readonly resource: Readonly<Record<string, string | number>>;
}

export interface Collector {
  readonly port: number;
  /** Turns spans on, to be sent here and soon. */
  readonly env: Readonly<Record<string, string>>;
  readonly spans: ReceivedSpan[];
  /** The path and headers of each sending. */
  readonly sendings: { readonly path: string; readonly headers: IncomingHttpHeaders }[];
  /** Resolves when there are `count` spans that fit, in the order of their ends. */
  waitFor(count: number, fits?: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan[]>;
  /** Resolves with the next sending's answer, which is the test's to give, and keeps its spans all the same. */
  holdNext(): Promise<ServerResponse>;
  /** How sendings are answered from now on. */
  answer: { status: number; body: string };
}

export async function startCollector(t: TestContext): Promise<Collector> {
  const watchers = new Set<() => void>();
  let hold: ((response: ServerResponse) => void) | null = null;
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    collector.sendings.push({ path: request.url ?? "", headers: request.headers });
    if (collector.answer.status === 200) collector.spans.push(...spansOf(Buffer.concat(pieces).toString()));
    if (hold !== null) {
      hold(response);
      hold = null;
    } else {
      response.writeHead(collector.answer.status, { "Content-Type": "application/json" }).end(collector.answer.body);
    }
    for (const watcher of watchers) watcher();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const collector: Collector = {
    port,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_BSP_SCHEDULE_DELAY: "20" },
    spans: [],
    sendings: [],
    answer: { status: 200, body: "{}" },
    async waitFor(count, fits = () => true) {
      for (;;) {
        const fitting = collector.spans.filter(fits);
        if (fitting.length >= count)
          return fitting.sort((a, b) => Number(a.endTimeUnixNano) - Number(b.endTimeUnixNano));
        const { promise, resolve } = Promise.withResolvers<void>();
        const watcher = () => {
          watchers.delete(watcher);
          resolve();
        };
        watchers.add(watcher);
        await patiently(promise, () => ({ wanted: count, fitting, sendings: collector.sendings.length }));
      }
    },
    holdNext() {
      return new Promise((resolve) => {
        hold = resolve;
      });
    },
  };
  return collector;
}

interface Message {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Attributes };
    readonly scopeSpans: readonly { readonly spans: readonly (Omit<ReceivedSpan, "attributes"> & Sent)[] }[];
  }[];
}
type Attributes = readonly { key: string; value: { stringValue?: string; intValue?: string; doubleValue?: number } }[];
interface Sent {
  readonly attributes: Attributes;
}

function spansOf(text: string): ReceivedSpan[] {
  const { resourceSpans }: Message = JSON.parse(text);
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        ...span,
        attributes: byName(span.attributes),
        resource: byName(resource.attributes),
      })),
    ),
  );
}

function byName(attributes: Attributes): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.doubleValue ?? Number(value.intValue)]),
  );
}
