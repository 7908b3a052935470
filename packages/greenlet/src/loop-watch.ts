// Watches whether this thread's event loop goes round, from a thread of the addon's that has no heap, and calls a function on
// the stack of what holds it. Has nothing to do with greenlets but the addon, and loads no more of this package.

import { loadBinding } from "./load-binding.ts";
import { loadedApi } from "./shared-api.ts";

export interface LoopWatchOptions {
  /**
   * Three numbers of 32 bits, read as `Int32Array`: one that the loop raises as long as it goes round; how many looks it may
   * stand still, 0: for ever; 1 while it loads its program, as the line of `nativeLine` says it.
   */
  readonly beats: SharedArrayBuffer;
  /** In milliseconds. */
  readonly lookEveryMs: number;
  /** What goes on is told again after as many times the looks. */
  readonly againAfter: number;
  /** A loop that has not answered for so long, in milliseconds, is held by native code. */
  readonly nativeAfterMs: number;
  /** The descriptor that is told of that, since nobody else can: one line for each time that the loop is held. */
  readonly fd: number;
  /** That line: a JSON object without its end. `heldMs`, `atMs` (since 1970) and `isLoading` are added. */
  readonly nativeLine: string;
  /**
   * Called in the middle of what holds the loop, in its async context, when V8 takes interrupts: at back-edges of loops, at
   * calls, and when native code returns. What it calls does not suspend a greenlet that it finds itself in.
   */
  readonly tell: (heldMs: number, wasNative: boolean) => void;
}

/** @returns whether the loop is watched from now on: not where the addon can't be loaded. */
export function watchLoop(options: LoopWatchOptions): boolean {
  const { beats, lookEveryMs, againAfter, nativeAfterMs, fd, nativeLine, tell } = options;
  // If a patched function suspended the greenlet here, the loop would go round, and nothing would hold it.
  const tellInPlace = (heldMs: number, wasNative: boolean) => {
    const api = loadedApi();
    if (api === undefined) tell(heldMs, wasNative);
    else api.withoutSwitching(() => tell(heldMs, wasNative));
  };
  try {
    loadBinding().watchLoop(beats, lookEveryMs, againAfter, nativeAfterMs, fd, nativeLine, tellInPlace);
    return true;
  } catch {
    // Greenlets say what is missing, to who wants them.
    return false;
  }
}
