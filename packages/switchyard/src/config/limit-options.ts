// Options of how much, and how long, of everything there may be.

import type { OptionRecords } from "./option.ts";
import { bytes, duration, wholeNumber } from "./values.ts";

export const limitOptions = {
  queueLimit: {
    flag: "queue-limit",
    group: "Limits",
    kind: wholeNumber({ min: 0, max: 1_000_000 }),
    default: 1024,
    prose: "How many requests may wait for a sync worker. One more is answered 503 with Retry-After, and counted.",
  },
  queueTimeoutMs: {
    flag: "queue-timeout",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 30_000,
    prose:
      "How long a request may wait for a sync worker. After that it is answered 503 with Retry-After, and counted; 0 sets " +
      "no limit.",
  },
  runTimeoutMs: {
    flag: "run-timeout",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 60_000,
    prose:
      "How long a request may be in a sync worker. After that it is answered 504 and the worker is replaced. With --preempt, " +
      "how long a request of model greenlet may compute without waiting; it is ended then and answered 504, and its worker " +
      "goes on. 0 sets no limit.",
  },
  blockedThresholdMs: {
    flag: "blocked-threshold",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 500,
    prose:
      "How long code may hold an event loop before the log says which request and which line does, while it still does. " +
      "A sync worker, which may hold its own, is told of when it is near --run-timeout. 0 watches nothing.",
  },
  headersTimeoutMs: {
    flag: "headers-timeout",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 10_000,
    prose:
      "How long a client may take to send a request's headers, never longer than --request-timeout. After that it is answered 408; 0 sets no limit.",
  },
  tlsHandshakeTimeoutMs: {
    flag: "tls-handshake-timeout",
    group: "Limits",
    kind: duration({ minMs: 1 }),
    default: 10_000,
    prose: "How long a client may take for the TLS handshake. After that its connection is closed.",
  },
  requestTimeoutMs: {
    flag: "request-timeout",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 300_000,
    prose:
      "How long a client may take to send a whole request, body included. After that it is answered 408; 0 sets no limit.",
  },
  keepAliveTimeoutMs: {
    flag: "keep-alive-timeout",
    group: "Limits",
    kind: duration({ minMs: 0 }),
    default: 5_000,
    prose: "How long a connection stays open with no request on it. 0 sets no limit.",
  },
  maxHeaderBytes: {
    flag: "max-header-bytes",
    group: "Limits",
    kind: bytes({ min: 1024, max: 16 * 1024 ** 2 }),
    default: 16_384,
    prose: "How large a request's line and headers may be together. A larger one is answered 431.",
  },
  bodyLimitBytes: {
    flag: "body-limit",
    group: "Limits",
    kind: bytes({ min: 0, max: 1024 ** 5 }),
    default: 1024 ** 3,
    prose: "How large a request's body may be. A larger one is answered 413; 0 refuses every body.",
  },
} satisfies Partial<OptionRecords>;
