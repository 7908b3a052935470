// Watches a load from outside: its deadline, errors that no import reports, and the moment when nothing can come any more.
//
// `failure` rejects with the first of these and never resolves. Disposing the watch ends it, whatever came of the load.

import { SwitchyardError } from "../errors.ts";
import type { LoadRequest } from "./application.ts";
import { nothingExported, servedNames } from "./exports.ts";
import { shown } from "./load-errors.ts";

const uncaughtEvents = ["uncaughtException", "unhandledRejection"] as const;
type UncaughtEvent = (typeof uncaughtEvents)[number];

export class LoadWatch implements Disposable {
  readonly failure: Promise<never>;
  private fail: (error: unknown) => void = () => {};
  private readonly timer: NodeJS.Timeout;
  private readonly request: LoadRequest;
  private exported: string | null = null;
  private readonly listenersBefore = new Map<UncaughtEvent, number>();
  private readonly onUncaught = {
    uncaughtException: (error: unknown) => this.failUnlessHandled("uncaughtException", error),
    unhandledRejection: (error: unknown) => this.failUnlessHandled("unhandledRejection", error),
  };

  constructor(request: LoadRequest) {
    this.request = request;
    this.failure = new Promise((_resolve, reject) => {
      this.fail = reject;
    });
    // Unref'd, so that a load which nothing can complete ends at once and not at the deadline.
    this.timer = setTimeout(() => this.fail(this.slow()), request.startTimeoutMs).unref();
    process.on("beforeExit", this.onBeforeExit);
    for (const event of uncaughtEvents) {
      this.listenersBefore.set(event, process.listenerCount(event));
      process.on(event, this.onUncaught[event]);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.timer);
    process.off("beforeExit", this.onBeforeExit);
    for (const event of uncaughtEvents) process.off(event, this.onUncaught[event]);
  }

  /** The import is over and gave nothing to serve; `exported` says what it gave. What can still come is a listen(). */
  exportsNothing(exported: string): void {
    this.exported = exported;
  }

  private readonly onBeforeExit = (): void => this.fail(this.nothing());

  /**
   * A throw in a timer, or a rejection that nobody handles, as of `bootstrap()` without catch. Node would end the process
   * for it. A program that listens for these itself goes on, and so does the load.
   */
  private failUnlessHandled(event: UncaughtEvent, error: unknown): void {
    const isHandled = process.listenerCount(event) > (this.listenersBefore.get(event) ?? 0) + 1;
    if (!isHandled) this.fail(error);
  }

  private nothing(): SwitchyardError {
    const file = shown(this.request.file);
    const saw =
      this.exported === null
        ? `${file} waits at its top level, or in its start, for something that can't come: nothing is left that could wake it.`
        : `${file} ${this.exportsOf()} and has ended without calling listen().`;
    const names = servedNames.map((name) => `\`${name}\``).join(", ");
    return new SwitchyardError("SY_APP_NOTHING", {
      saw,
      fix: `Export an Express, Koa, Fastify, Hono or h3 app, a (request, response) listener, a Fetch handler or an http.Server as default or as ${names}, or call listen() in the program.`,
    });
  }

  private exportsOf(): string {
    return this.exported === nothingExported ? "exports nothing" : `exports ${this.exported}, which can't be served,`;
  }

  private slow(): SwitchyardError {
    const file = shown(this.request.file);
    const seconds = this.request.startTimeoutMs / 1000;
    const saw =
      this.exported === null
        ? `${file} was still loading after ${seconds} s.`
        : `${file} ${this.exportsOf()} and had not called listen() after ${seconds} s.`;
    if (hasForkedCluster()) {
      return new SwitchyardError("SY_APP_SLOW", {
        saw: `${saw} It has started worker processes of its own with node:cluster.`,
        fix: "Switchyard starts the workers: name the file that its cluster workers run, or let it listen without forking.",
      });
    }
    return new SwitchyardError("SY_APP_SLOW", {
      saw,
      fix: "Find what its start waits for (a database, a promise that never settles), or raise startTimeoutMs.",
    });
  }
}

/** A program that forks a cluster never listens in its first process; only its workers do, out of our sight. */
function hasForkedCluster(): boolean {
  // Not imported at the top, because node:cluster costs every start 5 ms.
  const cluster = process.getBuiltinModule("node:cluster");
  return Object.keys(cluster.workers ?? {}).length > 0;
}
