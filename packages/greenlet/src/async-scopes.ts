// The async scopes (AsyncResource.runInAsyncScope) that a greenlet is inside of when it parks.
//
// Node keeps one stack of async ids for the whole thread and ends the process when a scope is closed that is not on top.
// A parking greenlet therefore takes its own scopes off, and puts them back when it is resumed. Nearly always there are
// none, which `executionAsyncId()` tells.

import { AsyncLocalStorage, executionAsyncId, triggerAsyncId } from "node:async_hooks";
import type { Binding } from "./addon.ts";
import { GreenletError } from "./errors.ts";

export interface AsyncScope {
  readonly asyncId: number;
  readonly triggerId: number;
}

// With --no-async-context-frame, AsyncLocalStorage keeps its stores on the resource of the innermost scope, and a scope
// that is put back has lost its resource: getStore() would throw.
const storesLiveOnResources = Reflect.ownKeys(new AsyncLocalStorage()).includes("kResourceStore");

/**
 * Takes off every scope above the greenlet's own, innermost first.
 *
 * @throws {GreenletError} `ERR_PINNED` when this Node can't put them back.
 */
export function leaveScopes(binding: Binding, ownAsyncId: number): AsyncScope[] {
  if (!binding.popAsyncScope || !binding.pushAsyncScope || storesLiveOnResources) throw pinnedByScope();
  const left: AsyncScope[] = [];
  // Id 0 is the bottom: an exception elsewhere may have cleared the whole stack, the greenlet's own entry too.
  for (let asyncId = executionAsyncId(); asyncId !== ownAsyncId && asyncId !== 0; asyncId = executionAsyncId()) {
    left.push({ asyncId, triggerId: triggerAsyncId() });
    binding.popAsyncScope(asyncId);
  }
  return left;
}

/** Puts the scopes back that `leaveScopes` took off. */
export function returnToScopes(binding: Binding, left: AsyncScope[]): void {
  for (const { asyncId, triggerId } of left.reverse()) binding.pushAsyncScope?.(asyncId, triggerId);
}

function pinnedByScope(): GreenletError {
  return new GreenletError("ERR_PINNED", {
    saw: storesLiveOnResources
      ? "A greenlet waited inside AsyncResource.runInAsyncScope(), and Node was started with --no-async-context-frame."
      : `A greenlet waited inside AsyncResource.runInAsyncScope(), which Node ${process.version} does not let an addon leave.`,
    fix: storesLiveOnResources
      ? "Start Node without that flag."
      : "Wait before or after that call, or use Node 24 or 26.",
  });
}
