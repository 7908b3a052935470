// The process of the lanes' workers, as the supervisor keeps it beside loop workers: started when a lane needs it, replaced
// when it dies, reached by the loops at a UNIX socket in a folder that nobody else may enter.
//
// Each process of the row listens at a path of its own, so that an old one and its successor are both reached while a
// reload moves from the old loops to the new. It knows nothing of requests.
//
//   prepare ──ready──► new loops are started with its path ──all are ready──► takeOver: the old one ends after its loops
//                                                          └──one can't be──► abandon: the new one ends after its loops
//
// So lanes and loops have the new application together, or neither has.

import type { SwitchyardError } from "../errors.ts";
import type { FromWorker, StartOrder } from "../ipc/messages.ts";
import type { Log } from "../log/log.ts";
import type { Death } from "../pool/death.ts";
import { type Member, Pool, type Prepared } from "../pool/pool.ts";
import { ProcessHandle } from "../pool/process-handle.ts";
import { siblingModule } from "../pool/sibling-module.ts";
import { LinkFolder } from "./link-folder.ts";

export interface LanePoolOptions {
  readonly orderFor: (link: string) => StartOrder;
  readonly startTimeoutMs: () => number;
  readonly log: Log;
  /** Tells every loop worker, or those only that no change has started. */
  readonly tellLoops: (message: { type: "link"; path: string }, who: "all" | "settled") => void;
  readonly onReady: (message: FromWorker & { type: "ready" }) => void;
  readonly onMessage: (member: Member, message: FromWorker) => void;
  readonly onDeath: (member: Member, death: Death) => void;
  readonly onGone: (member: Member) => void;
  readonly onGiveUp: (error: SwitchyardError) => void;
}

/** It gives the loops a last moment, and then its own workers theirs, in milliseconds. */
const patienceMs = 3_000;

export class LanePool {
  readonly #options: LanePoolOptions;
  readonly #folder = new LinkFolder();
  #pool: Pool | null = null;
  readonly #paths = new WeakMap<object, string>();
  #link: string | null = null;
  /** The process that a reload has prepared: where it listens, and what becomes of it. */
  #next: { link: string | null; prepared: Prepared | null } | null = null;

  constructor(options: LanePoolOptions) {
    this.#options = options;
  }

  /** Where loops that are started now connect; null before the first process is ready. */
  get link(): string | null {
    return this.#next?.link ?? this.#link;
  }

  get isStarted(): boolean {
    return this.#pool !== null;
  }

  get members(): ReadonlySet<Member> {
    return this.#pool?.members ?? new Set();
  }

  get restarts(): number {
    return this.#pool?.restarts ?? 0;
  }

  /** Starts the process with the lanes of its order. Resolves when it is ready. */
  async start(): Promise<void> {
    const { startTimeoutMs, log } = this.#options;
    this.#pool = new Pool({
      name: "pool",
      size: 1,
      start: () => this.#startProcess(),
      get startTimeoutMs() {
        return startTimeoutMs();
      },
      patienceMs,
      log,
      onReady: (member, message) => this.#onReady(member, message),
      onMessage: (member, message) => this.#options.onMessage(member, message),
      onDeath: (member, death) => this.#options.onDeath(member, death),
      onGone: (member) => this.#options.onGone(member),
      onGiveUp: (error) => this.#options.onGiveUp(error),
    });
    try {
      await this.#pool.start();
    } catch (error) {
      // Its members were killed. Another start, with another application perhaps, is one from the beginning.
      this.#pool = null;
      throw error;
    }
  }

  /** A successor of the process is started, and the loops are moved to it when it is ready. */
  replace(member: Member, withinMs: number): void {
    this.#pool?.replace(member, withinMs);
  }

  /** Starts a new process beside the old, which only loops that are started from then on know. Resolves when it is ready. */
  async prepare(withinMs: number): Promise<void> {
    this.#next = { link: null, prepared: null };
    try {
      const prepared = (await this.#pool?.prepare(withinMs)) ?? null;
      this.#next = { link: this.#next.link, prepared };
    } catch (error) {
      this.#next = null;
      throw error;
    }
  }

  /** The process that was prepared is the one from now on; the old one has `withinMs`. */
  takeOver(withinMs: number): void {
    if (this.#next === null) return;
    const { link, prepared } = this.#next;
    this.#next = null;
    if (prepared?.takeOver()) {
      this.#link = link;
      return;
    }
    // It has died since it was ready. The new loops wait for the successor of the old one, which has what it had.
    for (const member of this.members) this.replace(member, withinMs);
  }

  /** The old process goes on, for every loop. */
  abandon(): void {
    const { prepared } = this.#next ?? {};
    this.#next = null;
    this.#announce("all");
    prepared?.abandon();
  }

  async stop(withinMs: number): Promise<void> {
    await this.#pool?.stop(withinMs);
  }

  killAll(reason: string): void {
    this.#pool?.killAll(reason);
  }

  /** Removes the folder. */
  close(): void {
    this.#folder.remove();
  }

  #startProcess(): ProcessHandle {
    const path = this.#folder.next();
    const handle = new ProcessHandle({ entry: siblingModule(import.meta.url, "../pool/main") });
    this.#paths.set(handle, path);
    handle.send({ type: "start", order: this.#options.orderFor(path) });
    return handle;
  }

  #onReady(member: Member, message: FromWorker & { type: "ready" }): void {
    const link = this.#paths.get(member.handle) ?? null;
    if (this.#next !== null && member.change !== null) {
      this.#next = { ...this.#next, link };
    } else {
      this.#link = link;
      this.#announce(this.#next === null ? "all" : "settled");
    }
    this.#options.onReady(message);
  }

  #announce(who: "all" | "settled"): void {
    if (this.#link !== null) this.#options.tellLoops({ type: "link", path: this.#link }, who);
  }
}
