// A greenlet in words, for dumps, reports and warnings; and where it was spawned, once that is recorded.

import { withoutOwnFrames } from "./error-frames.ts";
import type { Greenlet } from "./greenlet.ts";

/** As many as are listed in a warning; a dump lists all. */
const mostInWarning = 10;
const spawnFrames = new WeakMap<object, string>();
let recordsSpawns = false;

export function areSpawnsRecorded(): boolean {
  return recordsSpawns;
}

/** Off by default: taking the frames of each spawn takes longer than the spawn. */
export function recordSpawns(isOn: boolean): void {
  recordsSpawns = isOn;
}

/** Called as a greenlet is started, on the stack of whoever starts it. */
export function recordSpawn(greenlet: object): void {
  if (!recordsSpawns) return;
  const holder: { stack?: unknown } = {};
  Error.captureStackTrace(holder, recordSpawn);
  // Read now: until it is, V8 keeps every object whose method is on the stack. A program may have replaced Error.prepareStackTrace.
  if (typeof holder.stack === "string") spawnFrames.set(greenlet, ownFramesOf(holder.stack));
}

/** Who it is, how it stands, what it waits for, in which frames, and where it was spawned. */
export function describe(greenlet: Greenlet): string {
  const waitsFor = greenlet.waitsFor === "" ? "" : `, waits for ${greenlet.waitsFor}`;
  const lines = [`${greenlet.title}: ${greenlet.state}${waitsFor}`];
  const stack = greenlet.stack();
  if (stack !== "") lines.push(stack);
  const spawned = spawnFrames.get(greenlet);
  if (spawned !== undefined) lines.push("    -- spawned --", spawned);
  return lines.join("\n");
}

/** Without those of this package and of Node. */
function ownFramesOf(stack: string): string {
  const frames = withoutOwnFrames(stack).split("\n");
  return frames.filter((frame) => !frame.includes("node:internal/")).join("\n");
}

/** The first of them, each as `describe` has it. */
export function describeSome(greenlets: readonly Greenlet[]): string {
  const more = greenlets.length - mostInWarning;
  const rest = more > 0 ? [`and ${more} more, which hub.dump() lists`] : [];
  return [...greenlets.slice(0, mostInWarning).map(describe), ...rest].join("\n");
}

/** "1 greenlet", "2 greenlets". */
export function countOf(greenlets: readonly Greenlet[]): string {
  return `${greenlets.length} greenlet${greenlets.length === 1 ? "" : "s"}`;
}
