// The public API; what is not here is private.
//
// A program may hold the package twice (two versions in node_modules, a bundled copy). Stacks, limits and the current
// greenlet are the thread's, so the first copy to be loaded serves the others too, and `wait` of one works in a greenlet of
// another. That holds within a major version; a copy that does not fit throws `ERR_VERSION_CONFLICT` when it is used.

import * as own from "./api.ts";
import { sharedApi } from "./shared-api.ts";

const api = sharedApi(own);

export const spawn: typeof own.spawn = api.spawn;
export const spawnNow: typeof own.spawnNow = api.spawnNow;
export const spawnLater: typeof own.spawnLater = api.spawnLater;
export const wait: typeof own.wait = api.wait;
export const sleep: typeof own.sleep = api.sleep;
export const current: typeof own.current = api.current;
export const inGreenlet: typeof own.inGreenlet = api.inGreenlet;
export const greenletify: typeof own.greenletify = api.greenletify;
export const sync: typeof own.sync = api.sync;
export const withoutSwitching: typeof own.withoutSwitching = api.withoutSwitching;
export const Greenlet: typeof own.Greenlet = api.Greenlet;
export type Greenlet<T = unknown> = own.Greenlet<T>;
export const GreenletError: typeof own.GreenletError = api.GreenletError;
export type GreenletError = own.GreenletError;
export const GreenletExit: typeof own.GreenletExit = api.GreenletExit;
export type GreenletExit = own.GreenletExit;
export const UnreachableExit: typeof own.UnreachableExit = api.UnreachableExit;
export type UnreachableExit = own.UnreachableExit;
export const withTimeout: typeof own.withTimeout = api.withTimeout;
export const iterate: typeof own.iterate = api.iterate;
export const iwait: typeof own.iwait = api.iwait;
export const joinAll: typeof own.joinAll = api.joinAll;
export const killAll: typeof own.killAll = api.killAll;
export const waitEvent: typeof own.waitEvent = api.waitEvent;
export const AsyncResult: typeof own.AsyncResult = api.AsyncResult;
export type AsyncResult<T = unknown> = own.AsyncResult<T>;
export const BoundedSemaphore: typeof own.BoundedSemaphore = api.BoundedSemaphore;
export type BoundedSemaphore = own.BoundedSemaphore;
export const Channel: typeof own.Channel = api.Channel;
export type Channel<T = unknown> = own.Channel<T>;
export const Condition: typeof own.Condition = api.Condition;
export type Condition = own.Condition;
export const Event: typeof own.Event = api.Event;
export type Event = own.Event;
export const Group: typeof own.Group = api.Group;
export type Group = own.Group;
export const LifoQueue: typeof own.LifoQueue = api.LifoQueue;
export type LifoQueue<T = unknown> = own.LifoQueue<T>;
export const Local: typeof own.Local = api.Local;
export type Local<T = unknown> = own.Local<T>;
export const Lock: typeof own.Lock = api.Lock;
export type Lock = own.Lock;
export const Pool: typeof own.Pool = api.Pool;
export type Pool = own.Pool;
export const PriorityQueue: typeof own.PriorityQueue = api.PriorityQueue;
export type PriorityQueue<T = unknown> = own.PriorityQueue<T>;
export const Queue: typeof own.Queue = api.Queue;
export type Queue<T = unknown> = own.Queue<T>;
export const Semaphore: typeof own.Semaphore = api.Semaphore;
export type Semaphore = own.Semaphore;
export const Timeout: typeof own.Timeout = api.Timeout;
export type Timeout = own.Timeout;
export const hub: typeof own.hub = api.hub;
export const monkey: typeof own.monkey = api.monkey;

export type { BackendName, PreemptionRefusal } from "./addon.ts";
export type { Unlink } from "./ending.ts";
export type { GreenletErrorCode } from "./errors.ts";
export type { GreenletState, KillOptions } from "./greenlet.ts";
export type { Hub, HubStats } from "./hub.ts";
export type { Monkey, PatchName, PatchOptions } from "./monkey/monkey.ts";
export type { MonkeyReport } from "./monkey/report.ts";
export type { ZlibOptions } from "./monkey/zlib.ts";
export type { PinKind, PinReport } from "./pinning.ts";
export type { PreemptOptions } from "./preemption.ts";
export type { GroupOptions, MapOptions } from "./sync/group.ts";
export type { PriorityQueueOptions } from "./sync/queue.ts";
export type { IterateOptions, JoinAllOptions, Waitable } from "./sync/waitable.ts";
export type { FindUnreachableOptions, UnreachableReport, WatchUnreachableOptions } from "./unreachable.ts";
export type { WaitOptions } from "./wait.ts";
export type { BlockedReport, SwitchEvent } from "./watching.ts";
