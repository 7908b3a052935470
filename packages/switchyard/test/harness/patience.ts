// How long a test waits for what must come: far longer than a machine needs that is slow and stalls for seconds, and less than
// the limit of the test run, which can only say that a test hangs. A wait that ends here says what it saw instead.

import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";

const patienceMs = 120_000;

/** What comes of the promise, or a failure with what was seen when nothing has in two minutes. */
export async function patiently<T>(promise: Promise<T>, saw: () => unknown): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  // It keeps no process alive: where nothing is left that could settle the promise, the runner tells at once.
  const timer = setTimeout(
    () => reject(new Error(`Two minutes have passed. Seen: ${shown(saw())}`)),
    patienceMs,
  ).unref();
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Looks again and again, until there is something to see (neither `null`, `undefined` nor `false`), for what nobody tells of.
 * Fails with `saw` after two minutes.
 */
export async function until<T>(
  look: () => T | Promise<T>,
  saw: () => unknown = () => "nothing of what was looked for",
  everyMs = 20,
): Promise<Exclude<T, null | undefined | false>> {
  let isOver = false;
  const looking = async () => {
    for (;;) {
      const found = await look();
      if (found !== null && found !== undefined && found !== false) {
        // The compiler can't tell that what was compared with each of them is none of them.
        return found as Exclude<T, null | undefined | false>;
      }
      await delay(everyMs);
      if (isOver) throw new Error("The wait was given up");
    }
  };
  try {
    return await patiently(looking(), saw);
  } finally {
    isOver = true;
  }
}

/** The end of it, which is what came last. */
function shown(value: unknown): string {
  const text = typeof value === "string" ? value : inspect(value, { depth: 6, maxArrayLength: null });
  return text.length > 4000 ? `… ${text.slice(-4000)}` : text;
}
