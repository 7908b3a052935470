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
export const hub: typeof own.hub = api.hub;
export const monkey: typeof own.monkey = api.monkey;

export type { BackendName } from "./addon.ts";
export type { GreenletErrorCode } from "./errors.ts";
export type { GreenletState, KillOptions, Unlink } from "./greenlet.ts";
export type { Hub, HubStats } from "./hub.ts";
export type { Monkey, PatchName, PatchOptions } from "./monkey/monkey.ts";
export type { WaitOptions } from "./wait.ts";
