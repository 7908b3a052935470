// Entering a greenlet's stack and leaving it: the only file that switches.
//
// Knows which greenlet runs, and keeps finished stacks for the next greenlet, last used first, because its memory is still
// warm. A stack's main loop is JavaScript (`runGreenlets`), so a greenlet on a used stack costs one switch there and one
// back. Decides nothing: when a greenlet is entered is up to its callers.
//
//             take             enter                     park                     enter
//   (no stack) ───► on a stack ─────► runs (is `current`) ────► parked in `park()` ─────► runs ... ──► body ends ──► pool

import { AsyncResource, executionAsyncId } from "node:async_hooks";
import { addon, type Binding, type EndedBy, type StackEnding } from "./addon.ts";
import { type AsyncScope, leaveScopes, returnToScopes } from "./async-scopes.ts";
import { GreenletError } from "./errors.ts";
import { isExiting } from "./exiting.ts";
import { judgePin, mustStay, tellPin } from "./pinning.ts";
import { PreemptedQueue } from "./preempted-queue.ts";
import { isUnderTimeLimit } from "./vm-time-limits.ts";

/** What switching needs of a greenlet. */
export abstract class Task {
  /** @internal The stack it runs on, from its start to its end. */
  runsOn: GreenletStack | null = null;
  /** @internal Whether its body has returned. */
  bodyEnded = false;
  /** @internal Gives it an async id of its own, and the AsyncLocalStorage stores of whoever made it. */
  readonly scope = new AsyncResource("GREENLET", { requireManualDestroy: true });
  /** @internal */
  readonly asyncId = this.scope.asyncId();
  /** @internal How many withoutSwitching() calls it is inside of. */
  switchBans = 0;
  /** @internal How many modules it is in the middle of loading with require(). */
  moduleLoads = 0;
  /** @internal For people: which greenlet this is. */
  abstract get title(): string;
  /** @internal Called before a wait is arranged. Throws the reason of a kill that came while the task ran. */
  abstract beforeWait(): void;
  /** @internal Called just before the task leaves its stack; `waiter` can end the wait. */
  abstract willPark(waiter: Wakeable): void;
  /** @internal Called when the task runs again. */
  abstract hasResumed(): void;
  /** @internal Runs on the task's own stack, and throws nothing. */
  abstract runBody(): void;
  /** @internal Called on the resumer's stack once the body has ended and the stack is given back. */
  abstract leftStack(): void;
  /** @internal As `leftStack`, when V8 has ended the body. */
  abstract leftStackByForce(why: EndedBy): void;
}

/** What can end a wait from outside. */
export interface Wakeable {
  /** For people: what the greenlet waits for. */
  readonly waitsFor: string;
  /** False when the wait had ended before. */
  fail(error: unknown): boolean;
}

/** Told of each time that a task is entered and left. */
export interface SwitchWatch {
  entered(task: Task): void;
  left(task: Task): void;
}

/** @internal */
export interface GreenletStack {
  index: number;
  /** The task whose body runs when the stack is entered next; null while one is running or parked on it. */
  next: Task | null;
}

export interface SwitchCounts {
  /** Times that a greenlet was entered, since the start. */
  readonly switches: number;
  /** Stacks that exist, in use and idle. */
  readonly stacks: number;
  readonly idleStacks: number;
  /** Greenlets that were parked because their slice was over, and wait to go on. */
  readonly preempted: number;
}

const trimEveryMs = 5_000;
/** Ending a stack takes about 0.1 ms, so a trim blocks no longer than a slow callback does. */
const mostTrimmedAtOnce = 64;

let binding: Binding | null = null;
let running: Task | null = null;
let switches = 0;
let stacks = 0;
const idle: GreenletStack[] = [];
/** The fewest idle stacks since the last trim: so many were not needed. */
let fewestIdle = 0;
let watch: SwitchWatch | null = null;
/** Set while a parked task is entered only to read its frames. */
let probe: { stack?: string } | null = null;
/** What the task that has just left its stack wants done on its resumer's. */
let errand: (() => void) | null = null;
let trimmer: NodeJS.Timeout | undefined;
const preempted = new PreemptedQueue(enterTask);

export function runningTask(): Task | null {
  return running;
}

export function switchCounts(): SwitchCounts {
  return { switches, stacks, idleStacks: idle.length, preempted: preempted.size };
}

/** Those that were parked because their slice was over, and wait to go on. */
export function preemptedTasks(): Task[] {
  return preempted.members;
}

/** Has `newWatch` told of every switch; null for nobody, which costs nothing. */
export function watchSwitches(newWatch: SwitchWatch | null): void {
  watch = newWatch;
}

/** The frames of a task that is parked in `parkTask()`. Enters it for a moment, in which none of its own code runs. */
export function framesOf(task: Task): string {
  const holder: { stack?: string } = {};
  const watchMeanwhile = watch;
  watch = null;
  probe = holder;
  try {
    enterTask(task);
  } finally {
    probe = null;
    watch = watchMeanwhile;
  }
  switches--;
  return String(holder.stack ?? "");
}

/**
 * Starts a task's body on a stack and returns when it has parked or ended.
 *
 * @throws {GreenletError} `ERR_TOO_MANY_GREENLETS` when the machine gives no more stacks; the body has then not begun.
 */
export function startTask(task: Task): void {
  binding ??= addon().binding;
  const stack = idle.pop() ?? createStack(binding);
  if (idle.length < fewestIdle) fewestIdle = idle.length;
  stack.next = task;
  task.runsOn = stack;
  enterTask(task);
}

/** Switches to a task that is parked, or about to start, and returns when it has parked or ended. */
export function enterTask(task: Task): void {
  const stack = task.runsOn;
  if (stack === null || binding === null) return;
  const resumer = running;
  // Those who are told of switches, hooks of node:async_hooks too, run on the resumer's stack. If they parked it, what follows
  // below would be late: the task may have gone on by then, and ended.
  if (resumer !== null) resumer.switchBans++;
  switches++;
  watch?.entered(task);
  let ending: StackEnding | undefined;
  try {
    ending = task.scope.runInAsyncScope(resume, undefined, binding, task, stack.index);
    while (errand !== null) ending = runErrand(binding, task, stack.index);
  } finally {
    watch?.left(task);
    if (resumer !== null) resumer.switchBans--;
  }
  if (ending !== undefined && leaveByForce(task, ending)) return;
  if (!task.bodyEnded) return;
  task.runsOn = null;
  idle.push(stack);
  trimmer ??= setInterval(trimIdleStacks, trimEveryMs).unref();
  task.scope.emitDestroy();
  task.leftStack();
}

function resume(binding: Binding, task: Task, index: number): StackEnding | undefined {
  const resumer = running;
  running = task;
  try {
    return binding.resume(index);
  } finally {
    running = resumer;
  }
}

/**
 * Has a task that an interrupt has parked ended by V8 where it is interrupted next; `false` takes it back. It is not parked
 * there in the middle of something that may not be interrupted. No `catch` and no `finally` of it runs.
 */
export function endWhenInterrupted(task: Task, ends: boolean): void {
  if (task.runsOn !== null) binding?.endWhenInterrupted?.(task.runsOn.index, ends);
}

/** What follows when a task has not parked by itself. False when its body has ended all the same. */
function leaveByForce(task: Task, ending: StackEnding): boolean {
  if (ending === "preempted") {
    preempted.add(task);
    return true;
  }
  // The limit ends a stack, and so do a kill and a worker's termination.
  stacks--;
  if (ending === true || task.bodyEnded) return false;
  task.runsOn = null;
  task.bodyEnded = true;
  task.scope.emitDestroy();
  task.leftStackByForce(ending);
  return true;
}

/**
 * Leaves the running task's stack; returns when the task is entered again. Only the event loop enters it, so whatever
 * ends the wait must have been arranged before.
 *
 * @throws {GreenletError} `ERR_SWITCH_FORBIDDEN` inside withoutSwitching(); `ERR_PINNED` where Node's state forbids it.
 */
export function parkTask(task: Task): void {
  if (binding === null) return;
  const scopes = executionAsyncId() === task.asyncId ? null : leaveScopesOrTell(binding, task);
  const refusal = binding.park(true, false) ? null : parkWhilePinned(binding, task);
  while (probe !== null) {
    Error.captureStackTrace(probe, parkTask);
    probe = null;
    binding.park(true, true);
  }
  if (scopes !== null) returnToScopes(binding, scopes);
  if (refusal !== null) throw refusal;
}

/**
 * Runs `work` on the thread's own stack, under its own identity, and returns when it has; nothing else runs meanwhile.
 * `work` throws nothing.
 *
 * @throws {GreenletError} `ERR_PINNED` in an async scope that this Node can't put back, and in a microtask on this stack.
 */
export function runOnOwnStack(work: () => void): void {
  const task = running;
  if (task === null || binding === null) {
    work();
    return;
  }
  const scopes = executionAsyncId() === task.asyncId ? null : leaveScopesOrTell(binding, task);
  errand = work;
  // Whatever is on this stack may stay there: it is returned to before anything else is run.
  const refusal = binding.park(true, true) ? null : judgePin(binding, task);
  errand = null;
  if (scopes !== null) returnToScopes(binding, scopes);
  if (refusal !== null) throw refusal;
}

/** Does what a task has left its stack for, and enters it again. */
function runErrand(binding: Binding, task: Task, index: number): StackEnding | undefined {
  const work = errand;
  errand = null;
  if (work !== null) runOnOwnStack(work);
  return task.scope.runInAsyncScope(resume, undefined, binding, task, index);
}

/** Parks a task that does not stand as any other, where that may be; returns what to throw where not. */
function parkWhilePinned(binding: Binding, task: Task): GreenletError | null {
  const refusal = judgePin(binding, task);
  if (refusal === null) binding.park(true, true);
  return refusal;
}

function leaveScopesOrTell(binding: Binding, task: Task): AsyncScope[] {
  try {
    return leaveScopes(binding, task.asyncId);
  } catch (error) {
    tellPin(task, "asyncScope", true);
    throw error;
  }
}

/** Whether what is on the running task's stack can't be left there, or should not be without need. Of a task that runs. */
export function runsUnderNativeCode(): boolean {
  return binding !== null && mustStay(binding);
}

/** A ban on switching, checked before anything is arranged that would resume the task. */
export function assertMayPark(task: Task): void {
  if (task.switchBans === 0) return;
  if (isExiting()) {
    tellPin(task, "withoutSwitching", true);
    throw new GreenletError("ERR_SWITCH_FORBIDDEN", {
      saw: 'A greenlet waited in a listener of "exit", which process.exit() had called: the process would go on meanwhile.',
      fix: "Wait before process.exit(); the functions that monkey has patched block in such a listener, as ever.",
    });
  }
  if (isUnderTimeLimit()) {
    tellPin(task, "timeLimit", true);
    throw new GreenletError("ERR_PINNED", {
      saw: "A greenlet waited in code that node:vm runs with a timeout or breakOnSigint, whose end might strike another greenlet.",
      fix: "Run the code without these options, or wait before and after it.",
    });
  }
  tellPin(task, "withoutSwitching", true);
  throw new GreenletError("ERR_SWITCH_FORBIDDEN", {
    saw: "A greenlet waited inside withoutSwitching().",
    fix: "Move the wait out of that call, or the call closer around what must not be interrupted.",
  });
}

function createStack(binding: Binding): GreenletStack {
  const stack: GreenletStack = { index: -1, next: null };
  stack.index = binding.create(() => runGreenlets(binding, stack));
  if (stack.index === -1) throw noMoreStacks();
  stacks++;
  return stack;
}

/** The main loop of a stack. Ends, and the stack with it, when it is entered with nothing to run. */
function runGreenlets(binding: Binding, stack: GreenletStack): void {
  while (runNext(stack)) binding.park(false, true);
}

/** In a function of its own, so that an idle stack's frame keeps no greenlet alive. */
function runNext(stack: GreenletStack): boolean {
  const task = stack.next;
  if (task === null) return false;
  stack.next = null;
  task.runBody();
  task.bodyEnded = true;
  return true;
}

/** Ends half of the stacks that nobody has needed since the last trim, the coldest first. */
function trimIdleStacks(): void {
  const surplus = Math.min(Math.ceil(fewestIdle / 2), mostTrimmedAtOnce);
  for (const stack of idle.splice(0, surplus)) {
    if (binding?.resume(stack.index) === true) stacks--;
  }
  fewestIdle = idle.length;
  if (idle.length > 0) return;
  clearInterval(trimmer);
  trimmer = undefined;
}

function noMoreStacks(): GreenletError {
  return new GreenletError("ERR_TOO_MANY_GREENLETS", {
    saw: `The machine gives no more threads: ${stacks} greenlet stacks are in use in this thread, and this process may have ${addon().stackLimit}.`,
    fix: "Bound how many greenlets live at once, or raise vm.max_map_count, the container's pids limit or ulimit -u.",
  });
}
