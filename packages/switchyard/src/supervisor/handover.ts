// Replacing the server itself (SIGUSR2): a new supervisor is started with the command line of this one, on the listening
// socket of this one, so that a new version of Switchyard or of Node takes over without a refused connection.
//
//   this server                                   its successor
//   startSuccessor ──inherits the socket──►       starts its workers on it
//                  ◄──────────── ready ───        all are ready, and serve
//   closes its status page, its control socket
//                  ───────── released ──►         opens its own, says that it serves
//   drains, ends                                  goes on
//
// A successor that ends before it is ready changes nothing: this server goes on. A server that is told to stop meanwhile
// stops its successor too.

import { type ChildProcess, spawn } from "node:child_process";
import { isMove, type Move } from "../auto/policy.ts";
import { SwitchyardError } from "../errors.ts";

/** Tells a process that it is a successor, and the number of its predecessor. */
const variable = "SWITCHYARD_SUCCEEDS";
/** Where the socket is in the successor: after stdin, stdout, stderr and the IPC channel. */
export const successorFd = 4;

type Word = "ready" | "released";

/** What a server passes on to its successor with the last word. */
export interface Learned {
  /** Routes that model auto has moved. */
  readonly moves: readonly Move[];
}

export interface Handover {
  readonly predecessor: number;
  /**
   * This server serves. Resolves when the predecessor has let go of what only one of the two can have, with what it had
   * learned; null when it says nothing of that: it may be of another version.
   */
  takeOver(): Promise<Learned | null>;
}

/** What this process was handed by a predecessor, or null when it was started by anybody else. Asked once. */
export function takeHandover(): Handover | null {
  const said = process.env[variable];
  delete process.env[variable];
  if (said === undefined || process.send === undefined) return null;
  const predecessor = Number(said);
  return {
    predecessor,
    takeOver: () =>
      new Promise((resolve) => {
        // It may be gone by now, which releases everything.
        process.once("disconnect", () => resolve(null));
        process.once("message", (message) => {
          resolve(learnedOf(message));
          process.disconnect?.();
        });
        process.send?.("ready" satisfies Word, undefined, undefined, (error) => {
          if (error !== null) resolve(null);
        });
      }),
  };
}

export interface Successor {
  readonly pid: number;
  /** Lets it have what only one server can have. From then on it is on its own. */
  release(learned: Learned): void;
}

export interface SuccessorParts {
  /** The listening socket. */
  readonly fd: number;
  readonly withinMs: number;
  /** What its environment has besides that of this process. */
  readonly environment: NodeJS.ProcessEnv;
  /** Aborted when this server is told to stop: a successor that has not been released stops too. */
  readonly stopped: AbortSignal;
}

/**
 * Starts a successor. Resolves when it serves.
 *
 * @throws {SwitchyardError} `SY_HANDOVER` when it ends, or is not ready in time, and then it is ended; `SY_STOPPING` when it
 * has ended because this server is told to stop.
 */
export function startSuccessor({ fd, withinMs, environment, stopped }: SuccessorParts): Promise<Successor> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: ["ignore", "inherit", "inherit", "ipc", fd],
    env: { ...process.env, ...environment, [variable]: String(process.pid) },
  });
  const stop = () => void child.kill("SIGTERM");
  stopped.addEventListener("abort", stop);
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      reject(failed(`was not ready after ${withinMs} ms`));
      child.kill("SIGKILL");
    }, withinMs);
    child.once("error", (error) => reject(failed(`could not be started (${error.message})`)));
    child.once("exit", (code, signal) => {
      clearTimeout(late);
      if (stopped.aborted) reject(stoppedMeanwhile());
      else reject(failed(`ended with ${signal ?? `exit code ${code}`} before it was ready`));
    });
    child.once("message", () => {
      clearTimeout(late);
      // It may have been ready before it heard that it is to stop: then it ends, and that is waited for.
      if (stopped.aborted) return;
      const released = (learned: Learned) => {
        stopped.removeEventListener("abort", stop);
        release(child, learned);
      };
      resolve({ pid: child.pid ?? -1, release: released });
    });
  });
}

function release(child: ChildProcess, learned: Learned): void {
  // It hears of our end too, if it comes before this.
  child.send({ word: "released" satisfies Word, ...learned }, () => {});
  child.unref();
}

/** Why a server that is told to stop is not replaced. */
export function stoppedMeanwhile(): SwitchyardError {
  return new SwitchyardError("SY_STOPPING", {
    saw: "The server was told to stop while another was to take its place, which has stopped too.",
    fix: "Start it anew, or leave out the stop.",
  });
}

/** A predecessor of another version may say something else, or nothing. */
function learnedOf(message: unknown): Learned | null {
  if (typeof message !== "object" || message === null || !("moves" in message) || !Array.isArray(message.moves))
    return null;
  return { moves: message.moves.filter(isMove) };
}

function failed(why: string): SwitchyardError {
  return new SwitchyardError("SY_HANDOVER", {
    saw: `The new server ${why}.`,
    fix: "Look above for what it printed; this server goes on.",
  });
}
