// Sends spans to a collector, in batches, over OTLP/HTTP with JSON.
//
// Never waits for the collector and never throws: spans gather in memory up to a bound, and one batch at a time is on its
// way. What the collector can't take now (it is down, slow, or says so) stays and is sent again at the next turn; what it
// refuses, and what comes when the bound is reached, is dropped, counted and told in the log.
//
//   add ──► waiting ──(a batch is full, or delayMs)──► #send ──► taken
//     └─(bound reached)─► dropped ◄──(refused)────────────┤
//             waiting ◄──(no answer, 429, 502, 503, 504)──┘

import { AsyncLocalStorage } from "node:async_hooks";
import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import { nowMs } from "../clock.ts";
import type { Log } from "../log/log.ts";
import { clientOf } from "../node-http.ts";
import { envelope } from "./encode.ts";
import type { TracingSettings } from "./settings.ts";

export interface ExporterOptions {
  readonly settings: Omit<TracingSettings, "sampler">;
  readonly version: string;
  readonly log: Log;
}

/** What became of a batch. `rejected` of its spans the collector took in and threw away. */
type Outcome =
  | { readonly is: "taken"; readonly rejected: number; readonly why: string }
  | { readonly is: "refused"; readonly why: string }
  | { readonly is: "later"; readonly why: string };

const reportEveryMs = 60_000;
/** What is read of an answer: the collector may say there why it refuses. */
const answerLimitBytes = 16 * 1024;

export class SpanExporter {
  readonly #options: ExporterOptions;
  readonly #envelope: ReturnType<typeof envelope>;
  readonly #client: ReturnType<typeof clientOf>;
  readonly #agent: Agent;
  readonly #timer: NodeJS.Timeout;
  /** Sends outside of the request whose end filled the batch: its async context is none of ours. */
  readonly #outside = AsyncLocalStorage.snapshot();
  #waiting: string[] = [];
  #sending: Promise<Outcome> | null = null;
  #sendingCount = 0;
  #request: ClientRequest | null = null;
  #isOpen = true;
  #dropped = 0;
  #reported = 0;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  /** The collector could not take the last batch for now. */
  #isHeldUp = false;
  #why = "";

  constructor(options: ExporterOptions) {
    this.#options = options;
    const { url, resource, delayMs } = options.settings;
    this.#envelope = envelope(resource, options.version);
    this.#client = clientOf(url.protocol === "https:" ? "https:" : "http:");
    this.#agent = new this.#client.Agent({ keepAlive: true, maxSockets: 1 });
    this.#timer = setInterval(() => {
      void this.#send();
      this.#report();
    }, delayMs).unref();
  }

  /** Spans that were not delivered and will not be. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a span, as OTLP's JSON. */
  add(span: string): void {
    const { queueLimit, batchLimit } = this.#options.settings;
    if (!this.#isOpen || this.#waiting.length + this.#sendingCount >= queueLimit) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(span);
    // While the collector can't take any, a full batch waits for the timer as well.
    if (this.#waiting.length >= batchLimit && this.#sending === null && !this.#isHeldUp) {
      this.#outside(() => void this.#send());
    }
  }

  /** Sends what is left, for at most `withinMs` milliseconds; what does not leave by then is dropped. */
  async close(withinMs: number): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearInterval(this.#timer);
    let isLate = false;
    const deadline = setTimeout(() => {
      isLate = true;
      this.#request?.destroy(new Error("the server ends"));
    }, withinMs);
    if (this.#sending !== null) await this.#sending;
    while (this.#waiting.length > 0 && !isLate) {
      if ((await this.#send())?.is === "later") break;
    }
    clearTimeout(deadline);
    this.#agent.destroy();
    this.#dropped += this.#waiting.length;
    this.#waiting = [];
    this.#reportedAtMs = Number.NEGATIVE_INFINITY;
    this.#report();
  }

  async #send(): Promise<Outcome | null> {
    if (this.#sending !== null || this.#waiting.length === 0) return this.#sending;
    const batch = this.#waiting.splice(0, this.#options.settings.batchLimit);
    this.#sendingCount = batch.length;
    this.#sending = this.#post(this.#envelope.head + batch.join(",") + this.#envelope.tail);
    const outcome = await this.#sending;
    this.#sending = null;
    this.#sendingCount = 0;
    this.#request = null;
    this.#why = outcome.why;
    this.#isHeldUp = outcome.is === "later";
    if (outcome.is === "later") this.#waiting = [...batch, ...this.#waiting];
    else this.#dropped += outcome.is === "refused" ? batch.length : Math.min(outcome.rejected, batch.length);
    if (outcome.why !== "") this.#report();
    if (!this.#isHeldUp && this.#isOpen && this.#waiting.length >= this.#options.settings.batchLimit) void this.#send();
    return outcome;
  }

  #post(body: string): Promise<Outcome> {
    const { url, headers, timeoutMs } = this.#options.settings;
    return new Promise((resolve) => {
      const later = (error: Error) => resolve({ is: "later", why: error.message || error.name });
      try {
        const request = this.#client.request(url, {
          method: "POST",
          agent: this.#agent,
          headers: { ...headers, "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) },
        });
        this.#request = request;
        // For all of it: a collector that sends a byte now and then is none that answers.
        const timer = setTimeout(() => request.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs).unref();
        request.once("close", () => {
          clearTimeout(timer);
          later(new Error("the connection was closed"));
        });
        request.on("error", later);
        request.once("response", (response) => readOutcome(response, resolve));
        request.end(body);
      } catch (error) {
        // A header that can't be sent.
        resolve({ is: "refused", why: error instanceof Error ? error.message : String(error) });
      }
    });
  }

  /** Says that spans can't be sent, and how many were dropped, at most once a minute. */
  #report(): void {
    const { log, settings } = this.#options;
    const atMs = nowMs();
    if ((this.#why === "" && this.#dropped === this.#reported) || atMs - this.#reportedAtMs < reportEveryMs) return;
    const dropped = this.#dropped - this.#reported;
    if (!this.#isOpen && dropped === 0) return;
    this.#reported = this.#dropped;
    this.#reportedAtMs = atMs;
    const to = settings.url.origin + settings.url.pathname;
    const why = this.#why === "" ? `more than ${settings.queueLimit} waited` : this.#why;
    const fields = { dropped, droppedInAll: this.#dropped, waiting: this.#waiting.length };
    log.warn(
      fields,
      `Spans are not all delivered to ${to}: ${why}. ${dropped} were dropped; requests are not affected.`,
    );
  }
}

function readOutcome(response: IncomingMessage, resolve: (outcome: Outcome) => void): void {
  const { statusCode = 0 } = response;
  let text = "";
  response.setEncoding("utf8");
  response.on("data", (piece: string) => {
    if (text.length < answerLimitBytes) text += piece;
  });
  response.on("error", () => {});
  response.once("end", () => {
    if (statusCode >= 200 && statusCode < 300) resolve({ is: "taken", ...partialSuccess(text) });
    else resolve({ is: laterStatuses.includes(statusCode) ? "later" : "refused", why: `it answered ${statusCode}` });
  });
}

/** Those that OTLP has a client send again after (opentelemetry.io/docs/specs/otlp/#retryable-response-codes). */
const laterStatuses = [429, 502, 503, 504];

/** What a collector says of a batch that it took in part. */
function partialSuccess(text: string): { rejected: number; why: string } {
  try {
    const answer: { partialSuccess?: { rejectedSpans?: unknown; errorMessage?: unknown } } | null = JSON.parse(text);
    const rejected = Number(answer?.partialSuccess?.rejectedSpans ?? 0);
    if (!(rejected > 0)) return { rejected: 0, why: "" };
    return { rejected, why: `it rejected ${rejected}: ${String(answer?.partialSuccess?.errorMessage ?? "")}` };
  } catch {
    return { rejected: 0, why: "" };
  }
}
