// The ways of serving that a run compares: every model, and sync with threads and with processes. A calculation.

import { optionRecords } from "../config/options.ts";
import { readText } from "../config/values.ts";
import type { Variant } from "./run.ts";

export const variantNames = ["sync-threads", "sync-processes", "async", "hybrid", "greenlet", "auto"] as const;
export type VariantName = (typeof variantNames)[number];

/** The words that --models takes: variants, and sync for both of its own. */
export const modelWords = ["sync", ...variantNames] as const;

/** Those that were named, or all, without what this version of `serve` does not have. */
export function variantsFor(words: readonly (typeof modelWords)[number][] | null, cpus: number): Variant[] {
  const named = words?.flatMap((word) => (word === "sync" ? (["sync-threads", "sync-processes"] as const) : [word]));
  return variantNames
    .filter((name) => named?.includes(name) ?? true)
    .filter((name) => name !== "auto" || readText(optionRecords.model.kind, "auto").ok)
    .map((name) => variantOf(name, cpus));
}

function variantOf(name: VariantName, cpus: number): Variant {
  // As many sync workers as `serve` starts by itself: twice the CPUs and one more.
  const syncWorkers = String(2 * cpus + 1);
  switch (name) {
    case "sync-threads":
      return { name, model: "sync", args: ["--model", "sync", "--threads", syncWorkers] };
    case "sync-processes":
      return { name: "sync-processes", model: "sync", args: ["--model", "sync", "--workers", syncWorkers] };
    default:
      return { name, model: name, args: ["--model", name] };
  }
}
