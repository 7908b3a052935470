// Where in the application's source an error is: file and line.
//
// What was thrown has it in its stack. A syntax error mostly has it in a header that Node puts above the stack; for a
// syntax error in an ES module Node keeps that header to itself until the error ends a process, so we let a child process
// (syntax-probe.ts) end by it. That happens only after a load has failed.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export interface SourceLocation {
  readonly file: string;
  /** From 1; null when only the file is known. */
  readonly line: number | null;
}

/** How long the search for a syntax error's place may take, in milliseconds; after that the message goes without it. */
const probeTimeoutMs = 10_000;

/**
 * The place of a syntax error that kept a module from being loaded; null for a SyntaxError that the program's own code met
 * while it ran, as from JSON.parse().
 */
export async function syntaxLocationOf(error: SyntaxError, file: string): Promise<SourceLocation | null> {
  const stack = error.stack ?? "";
  const header = headerLocationOf(stack);
  if (header !== null) return header;
  if (!stack.includes("compileSourceTextModule")) return null;
  return (await probe(error.message, file)) ?? { file, line: null };
}

/** The first frame of the stack that is in a file, and not in Node's own code. */
export function throwLocationOf(error: unknown): SourceLocation | null {
  if (!(error instanceof Error)) return null;
  for (const frame of (error.stack ?? "").split("\n")) {
    const match = /^\s+at .*?((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*?):(\d+):\d+\)?$/.exec(frame);
    if (match?.[1] !== undefined && match[2] !== undefined) return { file: pathOf(match[1]), line: Number(match[2]) };
  }
  return null;
}

/** A line of a file, from 1, or null where there is none. */
export function lineOf(file: string, line: number): string | null {
  try {
    return readFileSync(file, "utf8").split("\n")[line - 1] ?? null;
  } catch {
    // The file may be gone, or never have been one (an eval'd name): the message then goes without the line.
    return null;
  }
}

/** Node's header: "path:line" as the first line of the text that it prints for the error. */
export function headerLocationOf(text: string): SourceLocation | null {
  const match = /^((?:file:\/\/|\/|[A-Za-z]:\\).+):(\d+)$/m.exec(text.split("\n    at ", 1)[0] ?? "");
  if (match?.[1] === undefined || match[2] === undefined) return null;
  return { file: pathOf(match[1]), line: Number(match[2]) };
}

function pathOf(place: string): string {
  return place.startsWith("file://") ? fileURLToPath(place) : place;
}

async function probe(message: string, file: string): Promise<SourceLocation | null> {
  const script = fileURLToPath(new URL(`./syntax-probe${extname(import.meta.url)}`, import.meta.url));
  const flags = ["--no-warnings", "--experimental-vm-modules"];
  try {
    await promisify(execFile)(process.execPath, [...flags, script, file, message], { timeout: probeTimeoutMs });
    return null;
  } catch (failure) {
    // It is meant to fail: what it prints then names the place.
    const printed = failure instanceof Error && "stderr" in failure ? String(failure.stderr) : "";
    return headerLocationOf(printed);
  }
}
