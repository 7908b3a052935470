// What systemd is told of the server's state (sd_notify(3)), by way of the program systemd-notify.
//
// The socket that takes such messages is a UNIX datagram socket, which Node can't send to. (docs/decisions/systemd.md)
// Without NOTIFY_SOCKET in the environment nothing is done, and nothing of this is loaded.

import { spawn } from "node:child_process";
import { monotonicUsec } from "../clock.ts";
import type { Log } from "../log/log.ts";

export interface Service {
  ready(status: string): void;
  reloading(): void;
  stopping(): void;
  /** What a successor's environment has to have besides, so that it can tell too. */
  readonly successorEnvironment: NodeJS.ProcessEnv;
  /** Another process is the server now. Resolves when that has been told, and the other may tell the rest. */
  succeeded(pid: number): Promise<void>;
  /** Resolves when all that was to be told has been. */
  close(): Promise<void>;
}

const silent: Service = {
  ...{ ready() {}, reloading() {}, stopping() {}, async succeeded() {}, async close() {} },
  successorEnvironment: {},
};

export function connectService(log: Log): Service {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = process.env;
  if (NOTIFY_SOCKET === undefined || NOTIFY_SOCKET === "") return silent;
  const env = { ...process.env };
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete process.env[name];

  let last: Promise<void> = Promise.resolve();
  let hasFailed = false;
  const send = (...fields: string[]) => {
    // One after the other: a message that overtakes another would tell the wrong state.
    last = last
      .then(() => notify([`--pid=${process.pid}`, ...fields], env))
      .catch((error) => {
        if (!hasFailed)
          log.warn({ err: error }, "systemd can't be told how the server is: systemd-notify does not run.");
        hasFailed = true;
      });
  };

  const watchdogUsec = Number(WATCHDOG_USEC);
  const isWatched = watchdogUsec > 0 && (WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid);
  let watchdog: NodeJS.Timeout | null = null;
  let isServer = true;
  const tell = (...fields: string[]) => {
    // Each message names its sender as the main process, which this one was until it had a successor.
    if (isServer) send(...fields);
  };
  return {
    // The process that is meant by WATCHDOG_PID is this one.
    successorEnvironment: { NOTIFY_SOCKET, ...(isWatched ? { WATCHDOG_USEC } : {}) },
    ready: (status) => {
      tell("READY=1", `STATUS=${status}`);
      // Not before: a successor that is still loading is not the main process. Twice in the time that systemd waits, as
      // sd_watchdog_enabled(3) recommends.
      if (isWatched) watchdog ??= setInterval(() => tell("WATCHDOG=1"), watchdogUsec / 2_000).unref();
    },
    reloading: () => tell("RELOADING=1", `MONOTONIC_USEC=${monotonicUsec()}`),
    stopping: () => tell("STOPPING=1"),
    succeeded: (pid) => {
      tell(`MAINPID=${pid}`);
      isServer = false;
      return last;
    },
    close: () => {
      if (watchdog !== null) clearInterval(watchdog);
      return last;
    },
  };
}

/** How long one message may take, in milliseconds: the end of the server waits for the last. */
const notifyTimeoutMs = 5_000;

function notify(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn("systemd-notify", args, { stdio: "ignore", env, timeout: notifyTimeoutMs });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`systemd-notify ended with ${code}`))));
  });
}
