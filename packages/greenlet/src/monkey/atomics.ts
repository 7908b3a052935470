// Atomics.wait by way of Atomics.waitAsync.
//
// Packages that make asynchronous functions blocking (synckit, make-synchronous) sleep in it. Interleaved calls of one such
// function confuse synckit's replies, so calls of one function by several greenlets belong behind a lock.

import { wait } from "../wait.ts";
import { cooperatingTask, type Patch } from "./cooperation.ts";

const aDayMs = 86_400_000;

export function atomicsPatches(): Patch[] {
  return [
    {
      holder: Atomics,
      name: "wait",
      make: (original) =>
        function (...args) {
          if (cooperatingTask() === null) return original.apply(this, args);
          let outcome: ReturnType<typeof Atomics.waitAsync>;
          try {
            outcome = Reflect.apply(Atomics.waitAsync, Atomics, args);
          } catch {
            return original.apply(this, args);
          }
          if (!outcome.async) return outcome.value;
          // A pending waitAsync does not keep the process alive (Node issue 61941); Atomics.wait does.
          const alive = setInterval(() => {}, aDayMs);
          try {
            return wait(outcome.value);
          } finally {
            clearInterval(alive);
          }
        },
    },
  ];
}
