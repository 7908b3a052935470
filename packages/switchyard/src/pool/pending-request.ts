// A request that a balancer has taken in and not yet given to a worker.

import type { IncomingMessage, ServerResponse } from "node:http";

export interface PendingRequest {
  /** Unique among the requests that one balancer has at a time. */
  readonly id: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly expectsContinue: boolean;
  readonly offeredAtMs: number;
}
