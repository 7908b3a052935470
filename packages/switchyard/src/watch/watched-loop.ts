// The loop that is watched: beats while it goes round, and says what runs when it is asked in the middle of it.
//
// It is asked by another thread through an interrupt of V8's, of the addon's own or of Node's inspector. V8 takes them at the
// back-edges of loops, at calls and while a regular expression backtracks: so in the middle of an endless loop too. The answer
// is made by `describe` on the stack of what holds the loop, and in its async context, which knows the request. A call into
// native code is not interrupted; the answer comes when it returns.

import inspector from "node:inspector";
import { fileURLToPath } from "node:url";
import { type CallSiteObject, getCallSites } from "node:util";
import { threadId } from "node:worker_threads";
import type { RequestBrief } from "../metrics/snapshot.ts";
import { type Beats, beat, setLimit } from "./beats.ts";
import { looksUntilHeld } from "./hold-detector.ts";
import { lookEveryMs, type WatchLimits } from "./threshold.ts";

/** What is said to whoever asks. */
export interface Description {
  /** The thread that answers: the inspector numbers threads its own way. */
  readonly thread: number;
  readonly request: (RequestBrief & { readonly id: string | null }) | null;
  /** "render (/srv/app.ts:12:5)", the innermost first, without frames of Node's and Switchyard's own. */
  readonly stack: readonly string[];
}

export interface WatchedLoopParts {
  readonly beats: Beats;
  readonly limits: WatchLimits;
  /** The request whose code runs. */
  readonly current: () => Description["request"];
}

export interface WatchedLoop {
  /** The application is loaded: from now on the limit is the one for serving. */
  loaded(): void;
  describe(): Description;
}

/** Where `describe` is found by name, since the inspector's messages are text. */
const key = "switchyard.watched-loop";
/** The expression that another thread has evaluated here. */
export const describeExpression = `globalThis[Symbol.for("${key}")]?.()`;

const longestStack = 100;
/** What belongs to the server itself: this package's own folder. */
const ownFolders = [new URL("../", import.meta.url).href, greenletFolder()];

/** From now on the loop beats, and the limit is the one for loading. */
export function beWatched({ beats, limits, current }: WatchedLoopParts): WatchedLoop {
  const everyMs = lookEveryMs(limits);
  const loop: WatchedLoop = {
    loaded: () => setLimit(beats, { looks: looksUntilHeld(limits.servingMs, everyMs), whileLoading: false }),
    describe: () => describe(current),
  };
  Reflect.set(globalThis, Symbol.for(key), () => JSON.stringify(loop.describe()));
  setLimit(beats, { looks: looksUntilHeld(limits.loadingMs, everyMs), whileLoading: true });
  setInterval(() => beat(beats), everyMs).unref();
  return loop;
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
