// `switchyard reload`, `scale`, `restart`, `stop` and `logs`: each tells a running server to do one thing, waits until it is
// done, and says so, or ends with the server's own error and its exit code.

import { path, toggle } from "../config/values.ts";
import { ask, findSocket } from "../control/client.ts";
import { SwitchyardError } from "../errors.ts";
import type { ServerStatus } from "../metrics/snapshot.ts";
import { type FlagRecord, flagsHelp, parseCommandLine } from "./command-flags.ts";
import { printText } from "./print.ts";

export type Steering = "reload" | "scale" | "restart" | "stop" | "logs";

/** Every command that talks to a running server has it. */
export const controlFlag = {
  "control-socket": {
    kind: path({ allowed: "the path of a server's control socket" }),
    prose: "The server's control socket. Default: that of the one server that was started in this folder.",
  },
} as const;

type Toggles = Readonly<Record<string, FlagRecord<boolean>>>;

const commands: Record<Steering, { usage: string; prose: string; flags: Toggles; least: number; most: number }> = {
  reload: {
    usage: "reload",
    prose:
      "Reads config and TLS files again and replaces every worker by one with the application as it is\n" +
      "now, without losing a request. Ends when the new workers have taken over. If one can't be\n" +
      "started, the old go on, and the command ends with the application's error.",
    flags: { wait: { kind: toggle(), prose: "Waits until the old workers have ended, too." } },
    least: 0,
    most: 0,
  },
  scale: {
    usage: "scale [<lane>] <workers>",
    prose:
      "Keeps another number of workers in a lane; without lanes, or when none is named, in the lane\n" +
      '"default". A reload leaves the number as it is, unless the config file changes its own.',
    flags: {},
    least: 1,
    most: 2,
  },
  restart: {
    usage: "restart <worker>",
    prose: 'Replaces one worker, by the number that "switchyard workers" shows, without losing a request.',
    flags: {},
    least: 1,
    most: 1,
  },
  stop: {
    usage: "stop",
    prose: "Stops the server as SIGTERM does, and waits until it has ended.",
    flags: { quick: { kind: toggle(), prose: "Leaves requests in flight a second, as SIGINT does." } },
    least: 0,
    most: 0,
  },
  logs: {
    usage: "logs --reopen",
    prose: "Has every process open its log files again, after they were moved away, as SIGUSR1 does.",
    flags: { reopen: { kind: toggle(), prose: "Opens them again. There is nothing else to do with them here." } },
    least: 0,
    most: 0,
  },
};

export function steerHelp(command: Steering): string {
  const { usage, prose, flags } = commands[command];
  return `Usage: switchyard ${usage} [options]

${prose}

${flagsHelp({ ...flags, ...controlFlag })}`;
}

/** Does what the command says and returns the exit code. */
export async function runSteer(command: Steering, args: readonly string[]): Promise<number> {
  const { flags, usage, least, most } = commands[command];
  const { values, positionals, help } = parseCommandLine(command, { args, flags: { ...flags, ...controlFlag } });
  if (help) return printText(steerHelp(command));
  if (positionals.length < least || positionals.length > most) throw wrongCount(usage, positionals.length);
  // Which switches were given: each command has its own, so their types are not one.
  const given = new Set(Object.entries<unknown>(values).flatMap(([name, value]) => (value === true ? [name] : [])));
  if (command === "logs" && !given.has("reopen")) throw nothingToDo();
  const request = requestFor(command, positionals, given.has("quick"));
  const socket = await findSocket(values["control-socket"]);
  const { status, closed } = await ask(socket, request);
  if (command === "stop") await closed;
  if (command === "reload" && given.has("wait")) await waitForOld(socket);
  return printText(doneText(command, { status, positionals }));
}

function requestFor(command: Steering, positionals: readonly string[], quick: boolean) {
  switch (command) {
    case "reload":
      return { command } as const;
    case "scale":
      return {
        command,
        lane: positionals.length === 2 ? positionals[0]! : "default",
        workers: wholeNumberOf("a number of workers", positionals.at(-1)!),
      } as const;
    case "restart":
      return { command, worker: wholeNumberOf("the number of a worker", positionals[0]!) } as const;
    case "stop":
      return { command, how: quick ? "quick" : "graceful" } as const;
    case "logs":
      return { command: "reopenLogs" } as const;
  }
}

function doneText(
  command: Steering,
  { status, positionals }: { status: ServerStatus; positionals: readonly string[] },
) {
  switch (command) {
    case "reload":
      return `Reloaded: ${status.workersWanted} new worker${status.workersWanted === 1 ? "" : "s"}.\n`;
    case "scale":
      return `Scaled to ${positionals.at(-1)} workers.\n`;
    case "restart":
      return `Worker ${positionals[0]} was replaced.\n`;
    case "stop":
      return "Stopped.\n";
    case "logs":
      return "The log files are opened again.\n";
  }
}

/** Until no worker is left that was replaced. There is nobody to wait for but the server, so it is asked again. */
async function waitForOld(socket: string): Promise<void> {
  for (;;) {
    const { status } = await ask(socket, { command: "status" });
    if (status.retiring === 0) return;
    await new Promise((resolve) => setTimeout(resolve, askAgainMs));
  }
}

const askAgainMs = 200;

export function noArguments(command: string, positionals: readonly string[]): void {
  if (positionals.length > 0) throw wrongCount(command, positionals.length);
}

function wrongCount(usage: string, count: number): SwitchyardError {
  return new SwitchyardError("SY_UNKNOWN_OPTION", {
    saw: `switchyard ${usage.split(" ")[0]} was given ${count === 0 ? "no argument" : `${count} argument${count === 1 ? "" : "s"}`}.`,
    fix: `Write "switchyard ${usage}".`,
  });
}

function wholeNumberOf(what: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new SwitchyardError("SY_OPTION_VALUE", {
    saw: `"${text}" is not ${what}.`,
    fix: "Give a whole number of 1 or more.",
  });
}

function nothingToDo(): SwitchyardError {
  return new SwitchyardError("SY_OPTION_VALUE", {
    saw: "switchyard logs was not told what to do.",
    fix: 'Write "switchyard logs --reopen".',
  });
}
