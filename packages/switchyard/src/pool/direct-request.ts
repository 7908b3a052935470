// A request whose client's connection is in the balancer's own process, under model sync: offered to a balancer, and carried
// to the worker by a Transfer.

import type { IncomingMessage, ServerResponse } from "node:http";
import { nowMs } from "../clock.ts";
import type { Account } from "../edge/account.ts";
import { headOf, isSent, mayHaveBody } from "../edge/front.ts";
import { refuse } from "../edge/refusals.ts";
import { Transfer } from "../edge/transfer.ts";
import { packRequestHead } from "../ipc/heads.ts";
import type { Assignment, Balancer, Offered, Refusal } from "./balancer.ts";
import type { InWorker } from "./sync-worker.ts";

export interface DirectParts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly expectsContinue: boolean;
  /** It has been entered in this. */
  readonly account: Account;
}

export function offerDirectly(balancer: Balancer, parts: DirectParts): void {
  const offered = new DirectRequest(parts);
  parts.response.once("close", () => {
    offered.isGone = true;
    if (!offered.isAssigned) balancer.withdraw(offered);
  });
  balancer.offer(offered);
}

class DirectRequest implements Offered {
  readonly offeredAtMs = nowMs();
  readonly #parts: DirectParts;
  turn = 0;
  isAssigned = false;
  /** Its client's end has closed. */
  isGone = false;

  constructor(parts: DirectParts) {
    this.#parts = parts;
  }

  line() {
    const { method = "", url = "" } = this.#parts.request;
    return { method, url };
  }

  refuse({ status, why, retryAfterSeconds }: Refusal): void {
    refuse(this.#parts.response, status, why, { retryAfterSeconds, keepOpen: true });
  }

  get isComplete(): boolean {
    return !this.#parts.expectsContinue && !mayHaveBody(this.#parts.request);
  }

  sendAhead({ id, slot, channel }: Parameters<Offered["sendAhead"]>[0]): void {
    const head = packRequestHead(headOf(this.#parts.request));
    channel.send({ type: "request", id, head, hasBody: false, isWhole: false, expectsContinue: false, slot });
  }

  assign({ id, worker, channel, wasSentAhead, onFree, onOutcome }: Assignment): InWorker {
    const { request, response, expectsContinue, account } = this.#parts;
    this.isAssigned = true;
    account.assigned(response, worker);
    const transfer = new Transfer({ id, request, response, expectsContinue, channel, isQueued: false, onFree });
    if (this.isGone) {
      // The worker had begun it by then, unheard.
      onOutcome("aborted");
      transfer.abort();
      return transfer;
    }
    response.once("close", () => onOutcome(outcomeOf(response)));
    transfer.start({ wasSent: wasSentAhead });
    return transfer;
  }
}

function outcomeOf(response: ServerResponse): "answered" | "failed" | "aborted" {
  if (!isSent(response)) return "aborted";
  return response.statusCode >= 500 ? "failed" : "answered";
}
