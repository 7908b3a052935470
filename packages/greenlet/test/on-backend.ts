// Runs every behaviour of the package on one backend, where this machine has it.

import { test } from "node:test";
import { GreenletError, hub } from "../src/index.ts";

export async function testOnBackend(backend: string): Promise<void> {
  // Read at the first use of the package, and handed on to child processes.
  process.env.SWITCHYARD_GREENLET_BACKEND = backend;
  const obstacle = whyUnavailable();
  if (obstacle === null) await import("./behaviour/index.ts");
  else test(`every behaviour on ${backend}`, { skip: obstacle }, () => {});
}

function whyUnavailable(): string | null {
  try {
    void hub.backend;
    return null;
  } catch (error) {
    if (error instanceof GreenletError && /this machine can't run/.test(error.message)) return error.message;
    throw error;
  }
}
