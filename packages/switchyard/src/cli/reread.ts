// Reads the settings of a command line once more, in a thread, and tells them or why they can't be had. See serve.ts.

import { parentPort, workerData } from "node:worker_threads";
import { parseServeFlags } from "../config/flags.ts";
import type { ServeSettings } from "../config/settings.ts";
import { type ErrorReport, reportOf } from "../errors.ts";
import { readSettings } from "./settings.ts";

export type Reread = { readonly settings: ServeSettings } | { readonly error: ErrorReport };

const answer: Reread = await read(workerData);
parentPort?.postMessage(answer);

async function read(args: readonly string[]): Promise<Reread> {
  try {
    return { settings: await readSettings(parseServeFlags(args)) };
  } catch (error) {
    return { error: reportOf(error) };
  }
}
