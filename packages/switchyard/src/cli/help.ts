// The help texts. What they say of options comes from the option records alone.

import type { OptionGroup, OptionRecord } from "../config/option.ts";
import { commandFlags, defaultText, eachOption } from "../config/options.ts";

export function mainHelp(): string {
  return `Switchyard runs a web application, unchanged, under the concurrency model it needs.

Usage:
  switchyard serve <file> [options]   serve an application
  switchyard dev <file> [options]     the same while you write it: reloads on change, shows errors
  switchyard status                   show the server that was started in this folder
  switchyard workers, lanes           list its workers, or its lanes
  switchyard top                      show it live in the terminal
  switchyard reload                   replace its workers without losing a request
  switchyard scale [lane] <workers>   keep another number of workers
  switchyard restart <worker>         replace one worker
  switchyard logs --reopen            open its log files again
  switchyard stop                     stop it
  switchyard compare <file> [options] which model and how many workers an application needs, measured
  switchyard plan [options]           how many workers an expected load needs, under each model
  switchyard experiments [name ...]   what the models do, shown on the example application
  switchyard help [command]           print this, or a command's options
  switchyard --version                print the version

Start with: switchyard serve app.ts
`;
}

/** The help of `serve`, for a screen `width` characters wide. */
export function serveHelp(width = 100): string {
  const groups = new Map<OptionGroup, string[]>();
  for (const { record } of eachOption()) {
    const lines = groups.get(record.group) ?? [];
    lines.push(wrapped(flagText(record), `${record.prose} Default: ${defaultText(record)}.`, width));
    groups.set(record.group, lines);
  }
  const { config, help } = commandFlags;
  groups.set("Command", [
    wrapped(`--${config.flag} ${config.placeholder}`, config.prose, width),
    wrapped(`-${help.short}, --${help.flag}`, help.prose, width),
  ]);
  const body = [...groups].map(([group, lines]) => `${group}:\n${lines.join("")}`).join("\n");
  return `Usage: switchyard serve <file> [options]

<file> is the application: a module that exports one, or a program that calls listen().
Flags come before the config file, it before the environment, and that before the defaults.

${body}`;
}

/** "--access-log <word>, --no-access-log" */
export function flagText(record: OptionRecord): string {
  const { placeholder } = record.kind;
  const flag = placeholder === "" ? `--${record.flag}` : `--${record.flag} ${placeholder}`;
  return record.offFlag === undefined ? flag : `${flag}, --${record.offFlag}`;
}

/** A flag on a line, its prose below it, wrapped and set in. */
export function wrapped(flag: string, prose: string, width: number): string {
  const indent = " ".repeat(6);
  const lines: string[] = [];
  let line = "";
  for (const word of prose.split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [`  ${flag}`, ...[...lines, line].map((text) => indent + text), ""].join("\n");
}
