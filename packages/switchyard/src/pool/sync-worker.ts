// The balancer's view of one sync worker: a channel to it, and the one request it has, or none.

import type { IncomingMessage } from "node:http";
import { nowMs } from "../clock.ts";
import type { FromSyncWorker } from "../ipc/messages.ts";
import { pathOf, type RequestBrief, type RequestCounts, type Vitals } from "../metrics/snapshot.ts";
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
  /** Resident memory of its process when that was looked at last. */
  rssBytes = 0;
  #latest: { readonly method: string; readonly url: string; readonly atMs: number } | null = null;
  #begun = 0;
  #answered = 0;
  #failed = 0;
  #aborted = 0;

  constructor(number: number, member: Member, channel: RequestChannel) {
    this.number = number;
    this.member = member;
    this.channel = channel;
  }

  begin(transfer: Transfer, { method = "", url = "" }: IncomingMessage): void {
    this.#begun++;
    this.transfer = transfer;
    this.#latest = { method, url, atMs: nowMs() };
  }

  /** The request that it was given last, running or not. */
  latest(): RequestBrief[] {
    if (this.#latest === null) return [];
    const { method, url, atMs } = this.#latest;
    return [{ method, path: pathOf(url), ageMs: nowMs() - atMs }];
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
