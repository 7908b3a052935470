// The loop that is watched: beats while it goes round, and says what runs when it is asked in the middle of it.
//
// It is asked by another thread through Node's inspector, whose messages V8 takes at the back-edges of loops, at calls and
// while a regular expression backtracks: so in the middle of an endless loop too. The answer is made by `describe` on the
// stack of what holds the loop, and in its async context, which knows the request. A call into native code is not
// interrupted; the answer comes when it returns.

import inspector from "node:inspector";
import { fileURLToPath } from "node:url";
import { type CallSiteObject, getCallSites } from "node:util";
import { threadId } from "node:worker_threads";
import type { RequestBrief } from "../metrics/snapshot.ts";

/** What is said to whoever asks. */
export interface Description {
  /** The thread that answers: the inspector numbers threads its own way. */
  readonly thread: number;
  readonly request: (RequestBrief & { readonly id: string | null }) | null;
  /** "render (/srv/app.ts:12:5)", the innermost first, without frames of Node's and Switchyard's own. */
  readonly stack: readonly string[];
}

export interface WatchedLoopParts {
  /** One number, shared with whoever watches. */
  readonly beats: Int32Array;
  readonly everyMs: number;
  /** The request whose code runs. */
  readonly current: () => Description["request"];
}

/** Where `describe` is found by name, since the inspector's messages are text. */
const key = "switchyard.watched-loop";
/** The expression that another thread has evaluated here. */
export const describeExpression = `globalThis[Symbol.for("${key}")]?.()`;

const longestStack = 100;
/** What belongs to the server itself: this package's own folder. */
const ownFolders = [new URL("../", import.meta.url).href, greenletFolder()];

export function beWatched({ beats, everyMs, current }: WatchedLoopParts): void {
  Reflect.set(globalThis, Symbol.for(key), () => JSON.stringify(describe(current)));
  const beat = () => Atomics.add(beats, 0, 1);
  // The first at once: what comes first may hold the loop for ever.
  beat();
  setInterval(beat, everyMs).unref();
}

/** Whether a person debugs this process: what stands at a breakpoint is not held. */
export function isDebugged(): boolean {
  return inspector.url() !== undefined;
}

function describe(current: () => Description["request"]): Description {
  const frames = getCallSites(longestStack, { sourceMap: true });
  return { thread: threadId, request: current(), stack: frames.filter(isOfProgram).map(frameText) };
}

function isOfProgram({ scriptName }: CallSiteObject): boolean {
  if (scriptName === "" || scriptName.startsWith("node:")) return false;
  return !ownFolders.some((folder) => folder !== null && scriptName.startsWith(folder));
}

function greenletFolder(): string | null {
  try {
    return new URL("./", import.meta.resolve("@switchyard/greenlet")).href;
  } catch {
    return null;
  }
}

function frameText({ functionName, scriptName, lineNumber, columnNumber }: CallSiteObject): string {
  const path = scriptName.startsWith("file:") ? fileURLToPath(scriptName) : scriptName;
  const place = `${path}:${lineNumber}:${columnNumber}`;
  return functionName === "" ? place : `${functionName} (${place})`;
}
