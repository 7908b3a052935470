// The command `switchyard`: finds which command was meant, runs it, and turns what it throws into a message and an exit code.
//
// Start-up is part of what users feel, so this file imports next to nothing; each command is loaded when it is known to be
// the one. Nothing here reads an option of its own: that is the command's part.

import { SwitchyardError } from "../errors.ts";
import { printError, printText } from "./print.ts";

const commands = [
  "serve",
  "dev",
  "status",
  "workers",
  "lanes",
  "top",
  "reload",
  "scale",
  "restart",
  "stop",
  "logs",
  "compare",
  "plan",
  "experiments",
  "help",
] as const;

// Of what is thrown where nobody waits for it, Node would print the stack alone, with an exit code that says nothing.
process.on("uncaughtException", (error) => process.exit(report(error)));

const exitCode = await main(process.argv.slice(2)).catch(report);
// What a server left open must not hold the command back: it has said that it is done, and all that was written by the
// command or the log was written at once.
process.exit(exitCode);

function report(error: unknown): number {
  return printError(error, { verbose: process.argv.includes("--verbose") });
}

/** Runs the command line and returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case undefined:
    case "--help":
    case "-h":
      return printText((await import("./help.ts")).mainHelp());
    case "help":
      return help(rest);
    case "--version":
    case "-v":
      return printText(`${await version()}\n`);
    case "serve":
      return (await import("./serve.ts")).serve(rest);
    case "dev":
      return (await import("./dev.ts")).dev(rest);
    case "compare":
      return (await import("./compare.ts")).runCompare(rest);
    case "experiments":
      return (await import("./experiments.ts")).runExperiments(rest);
    case "plan":
      return (await import("./plan.ts")).runPlan(rest);
    case "status":
    case "workers":
    case "lanes":
      return (await import("./status.ts")).runStatus(command, rest);
    case "top":
      return (await import("./top.ts")).runTop(rest);
    case "reload":
    case "scale":
    case "restart":
    case "stop":
    case "logs":
      return (await import("./steer.ts")).runSteer(command, rest);
    default:
      throw await unknownCommand(command);
  }
}

async function help([command]: readonly string[]): Promise<number> {
  const { mainHelp, serveHelp } = await import("./help.ts");
  if (command === undefined) return printText(mainHelp());
  if (command === "serve") return printText(serveHelp());
  if (command === "dev") return printText((await import("./dev.ts")).devHelp());
  if (command === "compare") return printText((await import("./compare.ts")).compareHelp());
  if (command === "experiments") return printText((await import("./experiments.ts")).experimentsHelp());
  if (command === "plan") return printText((await import("./plan.ts")).planHelp());
  switch (command) {
    case "status":
    case "workers":
    case "lanes":
      return printText((await import("./status.ts")).statusHelp(command));
    case "top":
      return printText((await import("./top.ts")).topHelp());
    case "reload":
    case "scale":
    case "restart":
    case "stop":
    case "logs":
      return printText((await import("./steer.ts")).steerHelp(command));
  }
  throw await unknownCommand(command);
}

async function version(): Promise<string> {
  const { readFileSync } = await import("node:fs");
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  );
  return manifest.version;
}

async function unknownCommand(given: string): Promise<SwitchyardError> {
  const [{ existsSync }, { nearest }] = await Promise.all([import("node:fs"), import("../config/suggest.ts")]);
  const near = nearest(given, commands);
  const meant = existsSync(given) ? `switchyard serve ${given}` : near === null ? null : `switchyard ${near}`;
  return new SwitchyardError("SY_UNKNOWN_OPTION", {
    saw: `${given.startsWith("-") ? "The option" : "The command"} ${given} is not known.`,
    fix: meant === null ? '"switchyard help" lists the commands.' : `Did you mean "${meant}"?`,
  });
}
