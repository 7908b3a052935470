// The balancer's view of one sync worker: a channel to it, and the one request it has, or none.

import type { FromSyncWorker } from "../ipc/messages.ts";
import type { RequestCounts, Vitals } from "../metrics/snapshot.ts";
import type { Member } from "./pool.ts";
import type { Transfer } from "./transfer.ts";
import type { RequestChannel } from "./worker-handle.ts";

export class SyncWorker {
  readonly number: number;
  readonly member: Member;
  readonly channel: RequestChannel;
  /** The request that it has; a worker has one at a time. */
  transfer: Transfer | null = null;
  /** It takes no further request: its process or thread is ending or about to. */
  isLeaving = false;
  /** What it has told of itself last. */
  vitals: Vitals | null = null;
  #begun = 0;
  #answered = 0;
  #failed = 0;
  #aborted = 0;

  constructor(number: number, member: Member, channel: RequestChannel) {
    this.number = number;
    this.member = member;
    this.channel = channel;
  }

  begin(transfer: Transfer): void {
    this.#begun++;
    this.transfer = transfer;
  }

  /** Counts the outcome of a request, once its response has closed. */
  count(outcome: "answered" | "failed" | "aborted"): void {
    if (outcome === "answered") this.#answered++;
    else if (outcome === "failed") this.#failed++;
    else this.#aborted++;
  }

  receive(message: FromSyncWorker): void {
    // A message about an earlier request crossed our own word that it is over.
    if (this.transfer?.id === message.id) this.transfer.receive(message);
  }

  counts(): RequestCounts {
    const done = this.#answered + this.#failed + this.#aborted;
    return {
      begun: this.#begun,
      inFlight: this.#begun - done,
      answered: this.#answered,
      failed: this.#failed,
      aborted: this.#aborted,
      refused: 0,
    };
  }
}
