// Loads greenlets for a worker and replaces the blocking functions of the standard library by ones that suspend.

import { readFileSync } from "node:fs";
import { createRequire, findPackageJSON } from "node:module";
import { pathToFileURL } from "node:url";
import type * as Greenlets from "@switchyard/greenlet";
import type { ServeSettings } from "../config/settings.ts";
import { SwitchyardError } from "../errors.ts";
import { greenletsOfThread } from "../write-now.ts";
import { holdEarlyRejections } from "./early-rejections.ts";
import type { Faults } from "./faults.ts";

/**
 * @param limits Of a lane that runs in workers of its own, its own runTimeoutMs.
 * @throws {SwitchyardError} `SY_GREENLET_UNAVAILABLE` when the addon can't be loaded on this machine.
 */
export async function loadGreenlets(
  limits: Pick<ServeSettings, "preemptMs" | "runTimeoutMs">,
  faults: Faults,
): Promise<typeof Greenlets> {
  const greenlets = await import("@switchyard/greenlet");
  try {
    // The first greenlet loads the addon.
    greenlets.spawnNow(() => {});
    // Before the application, because code that V8 has optimized before is not made for it.
    if (limits.preemptMs > 0) greenlets.hub.preempt(preemptionOf(limits));
  } catch (error) {
    throw new SwitchyardError("SY_GREENLET_UNAVAILABLE", {
      saw: `Greenlets can't be used here: ${error instanceof Error ? error.message : String(error)}`,
      fix: "Use another model (--model hybrid), or mend what the message says.",
      cause: error,
    });
  }
  greenlets.monkey.patchAll({ fs: true, atomics: true });
  holdEarlyRejections(faults, (test) => greenlets.hub.isMidRun(test));
  return greenlets;
}

function preemptionOf({ preemptMs, runTimeoutMs }: Pick<ServeSettings, "preemptMs" | "runTimeoutMs">) {
  const sliceMs = Math.min(preemptMs, mostMs);
  // Nothing is noticed before a slice is over.
  if (runTimeoutMs === 0) return { sliceMs, guard: parsersWithState };
  return { sliceMs, guard: parsersWithState, limitMs: Math.min(Math.max(runTimeoutMs, sliceMs), mostMs) };
}

/**
 * What Express and its like parse headers with, by a regular expression of the whole module's that remembers where it is
 * (`lastIndex`). Another request that parses in between moves it, and this one's header is "invalid". They are short and call
 * nobody, so that they need no interruption.
 */
const parsersWithState = ["/node_modules/content-type/", "/node_modules/content-disposition/"];

/** The longest slice and limit that greenlets take. */
const mostMs = 60 * 60 * 1000;

/**
 * Loads greenlets where the application's package.json names them, so that its first request can wait even if that very
 * request is what makes the program load them.
 *
 * @param app The application's file.
 */
export async function loadGreenletsOfProject(app: string): Promise<void> {
  try {
    const file = findPackageJSON(pathToFileURL(app));
    const declared: unknown = file === undefined ? {} : JSON.parse(readFileSync(file, "utf8"));
    const { dependencies } = declared as { readonly dependencies?: Readonly<Record<string, string>> };
    if (dependencies === undefined || !Object.hasOwn(dependencies, packageName)) return;
    await import(pathToFileURL(createRequire(app).resolve(packageName)).href);
  } catch {
    // What is wrong with it, the program hears when it loads greenlets itself.
  }
}

/** The greenlets that the program itself has loaded in this thread, or null; null too where their addon can't be. */
export function greenletsOfProgram(): typeof Greenlets | null {
  const api = loaded();
  if (api === undefined || isUnavailable) return null;
  try {
    api.spawnNow(() => {});
    return api;
  } catch {
    // `wait` says itself what is missing, to the program that calls it.
    isUnavailable = true;
    return null;
  }
}

/** How often this thread has entered a greenlet's stack; 0 where nobody has loaded greenlets. */
export function greenletSwitches(): number {
  try {
    return isUnavailable ? 0 : (loaded()?.hub.stats().switches ?? 0);
  } catch {
    // The program has loaded them where their addon can't be: none was ever entered.
    return 0;
  }
}

function loaded(): typeof Greenlets | undefined {
  // What the package keeps there is what it exports.
  return greenletsOfThread() as typeof Greenlets | undefined;
}

const packageName = "@switchyard/greenlet";
let isUnavailable = false;
