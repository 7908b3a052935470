// process.setuid() and its kin in a greenlet: called on the thread's own stack, where they return.
//
// The kernel keeps credentials for each thread, so the C library changes those of all threads that it lists: by a signal to
// each one but the caller, and it waits for the answers. A greenlet on a borrowed identity is not who the C library takes it
// for: the thread would signal itself and answer in the greenlet's name, and its own answer would never come.

import { syncBuiltinESMExports } from "node:module";
import { isMainThread } from "node:worker_threads";
import { runOnOwnStack } from "./switching.ts";

const names = ["setuid", "setgid", "seteuid", "setegid", "setgroups", "initgroups"] as const;

type Change = (...args: never[]) => unknown;

/** Replaces them. What was taken from node:process before this keeps the originals. */
export function changeCredentialsOnOwnStack(): void {
  // A worker's threw before this and does so after it.
  if (!isMainThread) return;
  for (const name of names) {
    const original: Change | undefined = Reflect.get(process, name);
    if (original === undefined) continue; // Windows
    const change: Change = (...args) => {
      let failure: { readonly error: unknown } | undefined;
      runOnOwnStack(() => {
        try {
          Reflect.apply(original, process, args);
        } catch (error) {
          failure = { error };
        }
      });
      if (failure === undefined) return;
      if (failure.error instanceof Error) Error.captureStackTrace(failure.error, change);
      throw failure.error;
    };
    for (const property of ["name", "length"] as const) {
      Object.defineProperty(change, property, { value: original[property], configurable: true });
    }
    Reflect.set(process, name, change);
  }
  syncBuiltinESMExports();
}
