// Where loop workers bring the requests of lanes with workers of their own: a UNIX socket, a connection from each loop, many
// requests at once on it by their ids.
//
// A request from a loop is offered to the balancer of its lane like any other. What passes between its worker and its loop
// afterwards is handed on as it is, with the other side's id; heads stay packed. While it is queued, the little of its body
// that came is kept here (ipc/credit.ts, firstWindowBytes). A loop that dies takes its requests with it: those queued are
// never run, those that run are told `abort`.

import { createServer, type Server, type Socket } from "node:net";
import { exemptFromAdoption } from "../app/adopt.ts";
import { nowMs } from "../clock.ts";
import { IdTable } from "../collections/id-table.ts";
import { SocketChannel } from "../ipc/channel.ts";
import { statusOf } from "../ipc/heads.ts";
import type { FromPool, FromSyncWorker, ToPool } from "../ipc/messages.ts";
import type { Assignment, Balancer, Offered, Refusal } from "./balancer.ts";
import type { InWorker } from "./sync-worker.ts";

/** How long a worker may have a request before its loop is told, in milliseconds: a quick answer says it along with the rest. */
const tellAfterMs = 1;

/** Finds the balancer of a lane. */
export type BalancerOf = (lane: string) => Balancer | undefined;

export class Links {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #whenEmpty: (() => void) | null = null;

  constructor(balancerOf: BalancerOf) {
    this.#server = createServer((socket) => this.#accept(socket, balancerOf));
    exemptFromAdoption(this.#server);
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, () => {
        this.#server.removeListener("error", reject);
        resolve();
      });
    });
  }

  /** Takes no loop any more. Resolves when every loop has gone. */
  drain(): Promise<void> {
    this.#server.close();
    if (this.#links.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenEmpty = resolve;
    });
  }

  #accept(socket: Socket, balancerOf: BalancerOf): void {
    const link = new Link(new SocketChannel<FromPool, ToPool>(socket, "turn"), balancerOf);
    this.#links.add(link);
    socket.once("close", () => {
      this.#links.delete(link);
      if (this.#links.size === 0) this.#whenEmpty?.();
    });
  }
}

class Link {
  readonly channel: SocketChannel<FromPool, ToPool>;
  readonly #requests = new IdTable<RelayedRequest>();
  readonly #balancerOf: BalancerOf;
  /** Given to workers, which the loop was not told. */
  #untold: RelayedRequest[] = [];
  #tellTimer: NodeJS.Timeout | null = null;

  constructor(channel: SocketChannel<FromPool, ToPool>, balancerOf: BalancerOf) {
    this.channel = channel;
    this.#balancerOf = balancerOf;
    channel.onMessage = (message) => this.#receive(message);
    channel.onClose = () => {
      for (const request of this.#requests.values()) request.abort();
    };
  }

  /** Tells the loop that a worker has this request, if that has not answered it in a moment. */
  tellLater(request: RelayedRequest): void {
    this.#untold.push(request);
    this.#tellTimer ??= setTimeout(() => {
      this.#tellTimer = null;
      for (const each of this.#untold) each.tellAssigned();
      this.#untold = [];
    }, tellAfterMs).unref();
  }

  forget(id: number): void {
    this.#requests.delete(id);
  }

  #receive(message: ToPool): void {
    if (message.type !== "request") {
      this.#requests.get(message.id)?.fromLoop(message);
      return;
    }
    const balancer = this.#balancerOf(message.lane);
    if (balancer === undefined) {
      const why = `There is no lane ${message.lane} any more.`;
      this.channel.send({ type: "failed", id: message.id, status: 503, why, retryAfterSeconds: 1 });
      return;
    }
    const request = new RelayedRequest(this, balancer, message);
    this.#requests.set(message.id, request);
    balancer.offer(request);
  }
}

type RequestMessage = Extract<ToPool, { type: "request" }>;
type LaterMessage = Exclude<ToPool, { type: "request" }>;

class RelayedRequest implements Offered, InWorker {
  readonly offeredAtMs: number;
  turn = 0;
  readonly #link: Link;
  readonly #balancer: Balancer;
  readonly #message: RequestMessage;
  #assignment: Assignment | null = null;
  /** What came of its body while it was queued. */
  #held: LaterMessage[] = [];
  #status = 0;
  #isCounted = false;
  #assignedAtMs = 0;
  #isToldAssigned = false;
  #isOver = false;

  constructor(link: Link, balancer: Balancer, message: RequestMessage) {
    this.#link = link;
    this.#balancer = balancer;
    this.#message = message;
    this.offeredAtMs = nowMs() - message.waitedMs;
  }

  /** As soon as it is assigned. */
  readonly isSent = true;

  /** By which the worker speaks of it. */
  get id(): number {
    return this.#assignment?.id ?? 0;
  }

  line() {
    const [method = "", url = ""] = this.#message.head.split("\n", 2);
    return { method, url };
  }

  refuse({ status, why, retryAfterSeconds }: Refusal): void {
    this.#end();
    this.#link.channel.send({ type: "failed", id: this.#message.id, status, why, retryAfterSeconds });
  }

  get isComplete(): boolean {
    const { hasBody, isWhole, expectsContinue } = this.#message;
    return (!hasBody || isWhole) && !expectsContinue;
  }

  sendAhead({ id, slot, channel }: Parameters<Offered["sendAhead"]>[0]): void {
    const { head, hasBody, isWhole, piece, expectsContinue } = this.#message;
    channel.send({ type: "request", id, head, hasBody, isWhole, piece, expectsContinue, slot });
  }

  assign(assignment: Assignment): InWorker {
    this.#assignment = assignment;
    const { channel, id, wasSentAhead } = assignment;
    this.#assignedAtMs = nowMs();
    if (this.isComplete) this.#link.tellLater(this);
    // The rest of its body waits for this.
    else this.tellAssigned();
    if (wasSentAhead) return this;
    const { head, hasBody, isWhole, piece, expectsContinue } = this.#message;
    channel.send({ type: "request", id, head, hasBody, isWhole, piece, expectsContinue, slot: null });
    for (const message of this.#held) channel.send({ ...message, id });
    this.#held = [];
    return this;
  }

  /** Tells the loop which worker has it, unless that was told or it is over. */
  tellAssigned(): void {
    if (this.#assignment === null || this.#isToldAssigned || this.#isOver) return;
    this.#isToldAssigned = true;
    this.#link.channel.send({ type: "assigned", id: this.#message.id, worker: this.#assignment.worker });
  }

  fail(status: number, why: string): void {
    this.#count(status >= 500 ? "failed" : "answered");
    this.#end();
    this.#link.channel.send({ type: "failed", id: this.#message.id, status, why, retryAfterSeconds: null });
  }

  fromLoop(message: LaterMessage): void {
    if (message.type === "abort") this.abort();
    else if (this.#assignment === null) this.#held.push(message);
    else this.#assignment.channel.send({ ...message, id: this.#assignment.id });
  }

  abort(): void {
    if (this.#assignment === null && this.#balancer.withdraw(this)) {
      this.#end();
      this.#link.channel.send({ type: "free", id: this.#message.id });
      return;
    }
    this.#count("aborted");
    this.#assignment?.channel.send({ type: "abort", id: this.#assignment.id });
  }

  receive(message: FromSyncWorker): void {
    const { type } = message;
    if (type === "head" || type === "answer") this.#status = statusOf(message.head);
    this.#send(message);
    if (type === "bodyEnd" || type === "answer") this.#count(this.#status >= 500 ? "failed" : "answered");
    if (type !== "answer" && type !== "free") return;
    this.#count("aborted");
    this.#end();
    this.#assignment?.onFree();
  }

  #send(message: FromSyncWorker): void {
    const { id } = this.#message;
    if (message.type === "answer" && !this.#isToldAssigned && this.#assignment !== null) {
      this.#isToldAssigned = true;
      const runMs = nowMs() - this.#assignedAtMs;
      this.#link.channel.send({ ...message, id, worker: this.#assignment.worker, runMs });
      return;
    }
    this.tellAssigned();
    this.#link.channel.send({ ...message, id });
  }

  #count(outcome: "answered" | "failed" | "aborted"): void {
    if (this.#isCounted) return;
    this.#isCounted = true;
    this.#assignment?.onOutcome(outcome);
  }

  #end(): void {
    this.#isOver = true;
    this.#link.forget(this.#message.id);
  }
}
