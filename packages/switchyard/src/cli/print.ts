// What the command writes by itself, before there is a log: help on stdout, and the one error that ends it on stderr.

import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { errorRecords, reportOf } from "../errors.ts";
import { wantsColour } from "../log/colour.ts";

/** Writes to stdout. Returns 0, the exit code of a command that did what it was asked to. */
export function printText(text: string): number {
  write(1, text);
  return 0;
}

/** How wide the terminal is that stdout or stderr is, in characters; Infinity where it is none. */
export function columnsOf(stream: NodeJS.WriteStream): number {
  return stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY;
}

/** Breaks lines that are wider than `columns` between words, as terminals do not. Tables are left as they are. */
export function fitted(text: string, columns: number): string {
  if (columns === Number.POSITIVE_INFINITY) return text;
  return text
    .split("\n")
    .map((line) => (line.length <= columns || /\S {2}/.test(line) ? line : broken(line, columns)))
    .join("\n");
}

function broken(line: string, columns: number): string {
  const indent = /^ */.exec(line)![0];
  const lines: string[] = [];
  let last = indent;
  for (const word of line.trimStart().split(" ")) {
    const isFirst = last.trim() === "";
    if (!isFirst && last.length + 1 + word.length > columns) {
      lines.push(last);
      last = `${indent}  ${word}`;
    } else last += isFirst ? word : ` ${word}`;
  }
  return [...lines, last].join("\n");
}

/** Writes an error to stderr in its two parts, and returns the exit code that it ends the command with. */
export function printError(error: unknown, { verbose }: { verbose: boolean }): number {
  const report = reportOf(error);
  const colour = isatty(2) && wantsColour();
  const [red, plain] = colour ? ["\x1b[31m", "\x1b[39m"] : ["", ""];
  const stack = verbose && report.stack !== null ? `\n${report.stack}\n` : "";
  write(2, `${red}error ${report.code}${plain}: ${report.saw}\n  ${report.fix}\n${stack}`);
  return errorRecords[report.code].exitCode;
}

/**
 * Writes all of a text, at once: process.stdout would load the stream library, and may lose its end when the process ends.
 * A reader that has gone away (EPIPE) is not an error of the command.
 */
function write(fd: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      // A pipe whose other end made it non-blocking is full: give its reader a moment.
      if (code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      else if (code === "EPIPE") return;
      else throw error;
    }
  }
}
