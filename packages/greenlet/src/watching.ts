// Who is told of switches: hub.onSwitch(), hub.onBlocked() and the channels of node:diagnostics_channel.
//
// Nobody watches, and a switch costs nothing more; the first one that does installs one watch for all, and the last one that
// stops takes it away.
//
//   switchyard.greenlet.spawn     { greenlet }                 it counts as alive from now on
//   switchyard.greenlet.end       { greenlet }                 it has ended: greenlet.successful, .exception
//   switchyard.greenlet.blocked   { greenlet, heldMs, stack }  only while hub.onBlocked() watches

import { channel } from "node:diagnostics_channel";
import { recordSpawn } from "./description.ts";
import type { Unlink } from "./ending.ts";
import type { Greenlet } from "./greenlet.ts";
import { guarded } from "./guarded.ts";
import { type Task, watchSwitches } from "./switching.ts";

export interface BlockedReport {
  /** Which greenlet ran. */
  readonly greenlet: Greenlet;
  /** How long it ran without waiting, in milliseconds. Nothing else in its thread ran meanwhile. */
  readonly heldMs: number;
  /** The frames in which it waited next; empty when it ended instead. */
  readonly stack: string;
}

export type SwitchEvent = "entered" | "left";

const spawned = channel("switchyard.greenlet.spawn");
const ended = channel("switchyard.greenlet.end");
const blocked = channel("switchyard.greenlet.blocked");

const onSwitch = new Set<(event: SwitchEvent, greenlet: Greenlet) => void>();
const onBlocked = new Set<{ ms: number; callback: (report: BlockedReport) => void }>();
/** When each of the greenlets that are entered, one inside the other, began to run. */
const enteredAtMs: number[] = [];

export function tellSpawned(greenlet: Greenlet): void {
  recordSpawn(greenlet);
  if (spawned.hasSubscribers) spawned.publish({ greenlet });
}

export function tellEnded(greenlet: Greenlet): void {
  if (ended.hasSubscribers) ended.publish({ greenlet });
}

export function addSwitchListener(callback: (event: SwitchEvent, greenlet: Greenlet) => void): Unlink {
  // Each is its own, also when one function is added twice.
  const own: typeof callback = (event, greenlet) => callback(event, greenlet);
  return added(onSwitch, own);
}

export function addBlockedListener(ms: number, callback: (report: BlockedReport) => void): Unlink {
  return added(onBlocked, { ms, callback });
}

function added<L>(listeners: Set<L>, listener: L): Unlink {
  listeners.add(listener);
  watchSwitches(watch);
  return () => {
    listeners.delete(listener);
    if (onSwitch.size + onBlocked.size > 0) return;
    watchSwitches(null);
    enteredAtMs.length = 0;
  };
}

const watch = {
  entered(task: Task): void {
    enteredAtMs.push(performance.now());
    withoutSwitchingTell("entered", task);
  },

  left(task: Task): void {
    // None where the watch began while this greenlet ran.
    const sinceMs = enteredAtMs.pop();
    const heldMs = sinceMs === undefined ? 0 : performance.now() - sinceMs;
    // Greenlet is the only kind of task.
    if (onBlocked.size > 0) tellBlocked(task as Greenlet, heldMs);
    withoutSwitchingTell("left", task);
  },
};

/** Preemption knows this name: the resumer, whose stack it is, must not be parked in the middle of a switch. */
function withoutSwitchingTell(event: SwitchEvent, task: Task): void {
  // Greenlet is the only kind of task. What a listener throws must not come out of a switch.
  for (const listener of onSwitch) guarded(() => listener(event, task as Greenlet));
}

function tellBlocked(greenlet: Greenlet, heldMs: number): void {
  const listeners = [...onBlocked].filter(({ ms }) => heldMs >= ms);
  if (listeners.length === 0) return;
  queueMicrotask(() => {
    const report: BlockedReport = { greenlet, heldMs, stack: greenlet.stack() };
    if (blocked.hasSubscribers) blocked.publish(report);
    for (const { callback } of listeners) guarded(() => callback(report));
  });
}
